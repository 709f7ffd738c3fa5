"""The page of an evaluation: it stands alone, is valid, and says nothing better than it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from calcgpt.errors import ConfigError
from calcgpt.evaluation.report import html_report, write_report
from calcgpt.evaluation.report_failures import aligned, failure_article, token_list
from calcgpt.evaluation.report_text import (
    interval_text,
    natural,
    operation_text,
    place_text,
    probability_text,
    report_names,
    shorten_middle,
    shorten_numbers,
)

pytest.importorskip("matplotlib")
Report = dict[str, Any]
VOID = {"meta", "br", "hr", "img", "input", "link"}
NASTY = '<script>alert("x")</script> & \x00\ud800 模型'
NUMBER = re.compile(r'<td class="number">(.*?)</td>')


class Page(HTMLParser):
    """Reads a page, and holds what it opens, closes, refers to and says."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset", "background"):
                self.references.append(value or "")
            self.references += re.findall(r"url\(([^)]*)\)", value or "")
            assert not name.startswith("on"), "no script"

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.references += re.findall(r"url\(([^)]*)\)|@import", data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(page: str) -> Page:
    """A page that is well-formed and loads nothing."""
    parsed = Page(page)
    assert not parsed.open, f"never closed: {parsed.open}"
    assert page.startswith("<!DOCTYPE html>")
    assert len(parsed.ids) == len(set(parsed.ids)), "an id is there once"
    for reference in parsed.references:
        if reference.startswith("#"):
            assert reference[1:] in parsed.ids
        else:
            assert reference.startswith("data:image/png;base64,")
    assert not {"script", "link", "iframe", "object", "base"} & set(parsed.tags)
    return parsed


def row(problems: int, right: int, **more: Any) -> Report:
    share = right / problems if problems else None
    interval = None if share is None else [max(0.0, share - 0.01), min(1.0, share + 0.001)]
    return {
        **more,
        "problems": problems,
        "right": right,
        "malformed": 0,
        "refused": 0,
        "exact_match": share,
        "interval": interval,
    }


def failure(answer: str | None, solution: str, first_wrong: int | None, **more: Any) -> Report:
    parts = {"problem": "99+1", "completion": answer, "confidence": 0.7, "tokens": None, "case": None}
    return {
        **parts,
        "answer": answer,
        "solution": solution,
        "first_wrong": first_wrong,
        "trained_on": None,
        "error": None,
        **more,
    }


def report(model: str = "models/one", **parts: Any) -> Report:
    return {
        "model": model, "suite": "standard", "version": 3, "seed": 17, "description": "What it asks.", "unseen": None,
        **row(3000, 2990), "malformed": 4, "refused": 1, "trained_on": row(1000, 1000), "never_seen": row(2000, 1990),
        "operations": [row(3000, 2990, operation="+")], "buckets": [row(3000, 2990, operation="+", digits="3")],
        "carries": [row(3000, 2990, operation="+", chain=2)], "cases": [row(40, 39, case="99...9+1")],
        "grid": [row(10, 9, operation="+", first=a, second=b) for a in (1, 2) for b in (1, 2)],
        "places": [{"operation": "+", "place": 0, "digits": 3000, "right": 2999, "accuracy": 2999 / 3000}],
        "calibration": [{"low": 0.9, "high": 0.95, "problems": 10, "right": 9, "confidence": 0.93}],
        "calibration_error": 0.001, "wrong": [failure("110", "100", 1)], "failures_file": "evaluations/f.jsonl",
        "seconds": 1.2, "milliseconds": 0.4, "problems_per_second": 2500.0,
        "command": "calcgpt evaluate models/one --seed 17", **parts,
    }  # fmt: skip


RECORDS = [
    {"step": 10, "loss": 2.0, "seconds": 0.1},
    {"step": 20, "eval_loss": 1.1, "exact_match": 0.25, "digit_accuracy": [0.995, 0.5]},
    {"step": 30, "eval_loss": 1.0, "exact_match": 0.5, "digit_accuracy": [0.995, 0.7]},
]


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without plots, which take most of the time."""
    monkeypatch.setattr("calcgpt.evaluation.report.all_plots", lambda reports, records: {})


def test_an_interval_reaches_100_only_where_all_are_right() -> None:
    assert interval_text(row(3000, 2990)) == "98.67% to 99.77%"
    assert interval_text({**row(10, 10), "interval": [0.7224, 0.9999999999999999]}) == "72.24% to 100%"
    assert interval_text({**row(10, 9), "interval": [0.6, 1.0]}) == "at least 60.00%"
    assert interval_text(row(0, 0)) == "–"


def test_probabilities_are_rounded_down() -> None:
    assert [probability_text(value) for value in (1.0, 0.99999, 0.5, 0.0)] == ["1.000", "0.999", "0.500", "0.000"]


def test_names_and_numbers() -> None:
    assert place_text(0) == "units" and place_text(3) == "thousands" and place_text(12) == "10^12"
    assert operation_text("//") == "floor division (//)" and operation_text("<") == "<"
    assert sorted(["20x10", "3", "10", "4*3", "²", "x"], key=natural) == ["3", "4*3", "10", "20x10", "x", "²"]
    assert shorten_middle("abcdefghij", 5) == "ab…ij" and shorten_middle("abcde", 5) == "abcde"
    assert shorten_numbers("1" * 25 + "2" * 25 + "+12", 9) == "1111…2222+12"
    twice = [{"model": "a", "suite": "s"}, {"model": "a", "suite": "s"}, {"model": "b", "suite": "s"}]
    assert report_names(twice) == ["a (s)", "a (s) #2", "b"]


def test_a_page_of_one_model_says_what_it_should() -> None:
    page = read(html_report([report()], {"models/one": RECORDS}))
    for words in (
        "Evaluation of models/one", "99.67% exact match: 2,990 of 3,000 problems right", "98.67% to 99.77%",
        "Malformed answers: 4; problems refused: 1", "trained on: 1,000 of 1,000 right, 100%",
        "never seen in training: 1,990 of 2,000 right, 99.50%", "0.4 ms a problem, 2,500 problems a second",
        "Suite standard , version 3, seed 17. What it asks.",
        "Ask the same again: calcgpt evaluate models/one --seed 17", "By operation", "By length", "Special cases",
        "By the longest chain", "99...9+1", "97.50%", "evaluations/f.jsonl", "First wrong digit: tens (place 1)",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.tags.count("svg") == 7


def test_what_was_trained_on_is_said_as_far_as_it_is_known(no_plots: None) -> None:
    apart: Report = {"trained_on": None, "never_seen": None}
    for unseen in (False, None):
        assert "cannot be told" in read(html_report([report(unseen=unseen, **apart)])).text
    none = read(html_report([report(unseen=True, trained_on=row(0, 0), never_seen=row(3000, 2990))])).text
    assert "None of the problems was trained on" in none
    assert "cannot be told" not in read(html_report([report()])).text


def test_anything_in_a_text_is_only_text() -> None:
    wrong = [
        failure(None, "1", None, problem=NASTY, completion=NASTY, case=NASTY, error=NASTY),
        failure("1" + NASTY, "2", 0, tokens=[{"token": NASTY, "probability": 0.2}], completion="\u202e\n<b>"),
    ]
    odd = report(NASTY, suite=NASTY, description=NASTY, wrong=wrong, cases=[row(2, 1, case=NASTY)], failures_file=NASTY)
    pages = html_report([odd], {NASTY: RECORDS}), html_report([odd, report()], {NASTY: RECORDS})
    for page in pages:
        parsed = read(page)
        assert '<script>alert("x")</script> &' in parsed.text
        assert "<script" not in page and "\x00" not in page
        assert "\u202e" not in page and "\\u202e" in parsed.text, "what turns the writing round is seen"
        page.encode("utf-8")
        assert "模型" in page


def test_no_address_is_on_the_page() -> None:
    page = html_report([report(), report("models/two")], {"models/one": RECORDS})
    assert not re.search(r"https?:|//[a-z]", page), "not even a namespace"


def test_the_first_wrong_digit_is_marked_in_both() -> None:
    right, wrong = aligned("12345", "12945", 2)
    assert right == '12<mark class="right">3</mark>45' and wrong == '12<mark class="wrong">9</mark>45'
    right, wrong = aligned("100", "10", 2)
    assert right == '<mark class="right">1</mark>00' and wrong == '<mark class="wrong">·</mark>10'
    assert aligned("-5", "5", None) == ("-5", " 5"), "place under place, and nothing to mark"


@pytest.mark.parametrize("place", [0, 1, 7, 8, 17, 500, 991, 992, 998, 999])
def test_long_numbers_are_shortened_around_the_wrong_digit(place: int) -> None:
    solution = "".join(str(digit * 7 % 10) for digit in range(1000))
    at = len(solution) - 1 - place
    answer = solution[:at] + str((int(solution[at]) + 1) % 10) + solution[at + 1 :]
    right, wrong = aligned(solution, answer, place)
    plain = [re.sub(r"<[^>]*>", "", text) for text in (right, wrong)]
    assert len(plain[0]) == len(plain[1]) < 40
    assert f'<mark class="right">{solution[at]}</mark>' in right
    assert f'<mark class="wrong">{answer[at]}</mark>' in wrong
    pieces = plain[0].split("…")
    assert solution.startswith(pieces[0]) and solution.endswith(pieces[-1]) and len(pieces) in (2, 3)
    assert solution[max(0, at - 8) : at + 9] in plain[0]
    assert sum(a != b for a, b in zip(*plain, strict=True)) == 1


def test_a_short_answer_to_a_long_problem_stays_under_its_places() -> None:
    right, wrong = aligned("1" * 1000, "1" * 10, 10)
    plain = [re.sub(r"<[^>]*>", "", text) for text in (right, wrong)]
    assert len(plain[0]) == len(plain[1])
    assert plain[1].strip() == "·" + "1" * 10


def test_failures_that_have_no_answer() -> None:
    assert "No answer could be read." in failure_article(failure(None, "5", None))
    assert "Refused: too long." in failure_article(failure(None, "5", None, error="too long", completion=None))
    assert "The sign is wrong." in failure_article(failure("-5", "5", None))
    assert "trained on this problem" in failure_article(failure("4", "5", 0, trained_on=True))
    assert "Never seen" in failure_article(failure("4", "5", 0, trained_on=False))


def test_the_surest_failures_come_first(no_plots: None) -> None:
    page = read(html_report([report(**row(3000, 2900), wrong=[failure("4", "5", 0)] * 100)]))
    assert page.tags.count("article") == 20
    assert "20 of 100; those of which the model was most sure come first" in page.text


def test_low_tokens_are_marked() -> None:
    tokens = [{"token": token, "probability": p} for token, p in (("1", 0.9), (" ", 0.899), ("", 1.0), ("\n", 0.99999))]
    listed = token_list(tokens)
    assert listed.count('class="low"') == 1 and '<li class="low">␣<span>0.899</span></li>' in listed
    assert "<li>∅<span>1.000</span></li>" in listed and "<li>\\n<span>0.999</span></li>" in listed


def test_of_many_tokens_those_around_the_least_probable_are_shown() -> None:
    tokens = [{"token": str(n % 10), "probability": 0.2 if n == 700 else 0.99} for n in range(1000)]
    listed = token_list(tokens)
    assert listed.count("<li") == 50 and 'class="low"' in listed
    assert [int(count) for count in re.findall(r"… (\d+) more …", listed)] == [676, 276]


def test_several_models_are_compared_first(no_plots: None) -> None:
    nearly = report("models/two", **row(10**6, 10**6 - 4), version=4, wrong=[])
    html = html_report([report(), nearly, report("models/three")], {"models/one": RECORDS})
    page = read(html)
    assert page.text.index("Side by side") < page.text.index("Plots") < page.text.index("Wrong answers")
    assert ">99.99%" in page.text and "versions of a suite differ" in page.text
    assert page.tags.count("article") == 2, "of those that have failures"
    assert page.text.count("Ask the same again") == 3
    rows = re.findall(r"<tr><th scope=\"row\" class=\"text\">(models/\w+)</th><td>(.*?)</td>", html)
    assert rows[:3] == [("models/one", "99.67%"), ("models/two", "&gt;99.99%"), ("models/three", "99.67%")]


def test_a_model_that_could_be_asked_nothing_stands_beside_the_others(no_plots: None) -> None:
    refused = {"refused": 3000, "milliseconds": None, "problems_per_second": None, "calibration_error": None}
    page = read(html_report([report(), report("models/two", **{**row(3000, 0), **refused}, places=[])]))
    assert "No problem could be asked." in page.text and "models/two" in page.text


def test_long_tables_are_folded(no_plots: None) -> None:
    buckets = [row(10, 9, operation="+", digits=str(digits)) for digits in range(1, 62)]
    page = read(html_report([report(buckets=buckets)]))
    assert page.tags.count("details") == 1 and "By length: 61 rows" in page.text
    assert "details" not in read(html_report([report(buckets=buckets[:60])])).tags


def test_same_questions_are_not_called_different(no_plots: None) -> None:
    assert "Not asked the same" not in read(html_report([report(), report("models/two")])).text


def empty() -> Iterator[Report]:
    nothing: Report = {
        key: [] for key in ("operations", "buckets", "carries", "cases", "grid", "places", "calibration", "wrong")
    }
    none: Report = {"trained_on": None, "never_seen": None, "calibration_error": None, "failures_file": None}
    yield report(**nothing, **none)
    yield report(**nothing, **none, **row(0, 0), milliseconds=0.0, problems_per_second=0.0, seconds=0.0)
    yield report(**nothing, trained_on=row(0, 0), never_seen=row(5, 5), **row(5, 5))


@pytest.mark.parametrize("each", list(empty()), ids=["tables", "problems", "failures"])
def test_reports_with_little_in_them(each: Report) -> None:
    for reports in ([each], [each, each], [each, report()]):
        page = read(html_report(reports, {}))
        assert "None" not in page.text.replace("None of", "")


def test_all_right_says_100_and_has_no_failures(no_plots: None) -> None:
    right = report(**row(3000, 3000), wrong=[], never_seen=row(3000, 3000), trained_on=row(0, 0))
    page = read(html_report([right]))
    assert "100% exact match: 3,000 of 3,000" in page.text and "Wrong answers" not in page.text
    assert "None of the problems was trained on" in page.text


def test_a_page_needs_a_report() -> None:
    with pytest.raises(ConfigError, match="at least one report"):
        html_report([])


def test_the_page_is_the_same_every_time_and_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    write_report(path, [report()], {"models/one": RECORDS})
    assert path.read_text(encoding="utf-8") == html_report([report()], {"models/one": RECORDS})
    with pytest.raises(ConfigError):
        write_report(path, [])
    assert path.exists() and [entry.name for entry in path.parent.iterdir()] == ["page.html"]
