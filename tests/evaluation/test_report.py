"""The page of an evaluation: it stands alone, is valid, and says nothing better than it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calcgpt import __version__
from calcgpt.errors import ConfigError
from calcgpt.evaluation.report import html_report, write_report
from calcgpt.evaluation.report_failures import Pieces, aligned, failure_of, tokens_of
from calcgpt.evaluation.report_html import Page, render
from calcgpt.evaluation.report_tables import model_tables
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
Reader = Callable[[str], Any]
NASTY = '<script>alert("x")</script> & \x00\ud800 模型'


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


def test_a_page_of_one_model_says_what_it_should(read_page: Reader) -> None:
    page = read_page(html_report([report()], {"models/one": RECORDS}))
    for words in (
        "Evaluation of models/one", "99.67% exact match: 2,990 of 3,000 problems right", "98.67% to 99.77%",
        "trained on 100% 1,000 of 1,000 right", "never seen 99.50% 1,990 of 2,000 right",
        "malformed 4", "refused 1", "2,500/s problems; 0.4 ms each",
        "Suite standard , version 3, seed 17. What it asks.",
        "Ask the same again: calcgpt evaluate models/one --seed 17", "By operation", "By length", "Special cases",
        "By the longest chain", "99...9+1", "97.50%", "evaluations/f.jsonl", "First wrong digit: tens (position 1)",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.tags.count("figure") == 7


def test_what_matters_comes_first(read_page: Reader) -> None:
    page = read_page(html_report([report()], {"models/one": RECORDS}))
    assert page.of("h1") == ["Evaluation of models/one"]
    assert page.of("h2") == ["Plots", "What failed", "Figures", "Details"]
    assert page.text.endswith(f"Made by CalcGPT {__version__}.")
    order = ("99.67% exact match", "malformed", "Plots", "What failed", "By operation", "Details", "Ask the same again")
    places = [page.text.index(words) for words in order]
    assert places == sorted(places)
    several = read_page(html_report([report(), report("models/two")], {"models/one": RECORDS}))
    assert several.of("h2") == ["What was compared", "Plots", "What failed", "Figures", "Details"]


def test_where_a_model_fails_most_is_said(read_page: Reader, no_plots: None) -> None:
    operations = [row(100, 90, operation="+"), row(100, 40, operation="-")]
    buckets = [row(100, 40, operation="-", digits="3"), row(100, 90, operation="-", digits="2")]
    page = read_page(html_report([report(**row(200, 130), operations=operations, buckets=buckets)]))
    assert "weakest operation: subtraction (-), 40.00%" in page.text
    assert "weakest length: 3 digits of -, 40.00%" in page.text
    assert "weakest carry chain" not in page.text, "there is one only"


def test_what_was_trained_on_is_said_as_far_as_it_is_known(read_page: Reader, no_plots: None) -> None:
    apart: Report = {"trained_on": None, "never_seen": None}
    for unseen in (False, None):
        assert "cannot be told" in read_page(html_report([report(unseen=unseen, **apart)])).text
    none = read_page(html_report([report(unseen=True, trained_on=row(0, 0), never_seen=row(3000, 2990))])).text
    assert "None of the problems was trained on" in none
    assert "cannot be told" not in read_page(html_report([report()])).text


def test_anything_in_a_text_is_only_text(read_page: Reader) -> None:
    wrong = [
        failure(None, "1", None, problem=NASTY, completion=NASTY, case=NASTY),
        failure(None, "1", None, problem=NASTY, completion=None, error=NASTY),
        failure("1" + NASTY, "2", 0, tokens=[{"token": NASTY, "probability": 0.2}], completion="\u202e\n<b>"),
    ]
    parts: Report = {"suite": NASTY, "description": NASTY, "failures_file": NASTY, "command": NASTY, "version": NASTY}
    parts.update(refused=1, wrong=wrong, cases=[row(2, 1, case=NASTY), row(2, 2, case="'\"</td>")])
    parts["operations"] = [row(9, 8, operation=NASTY), row(9, 3, operation="<")]
    parts["buckets"] = [row(9, 8, operation=NASTY, digits="<i>"), row(9, 3, operation="<", digits="1")]
    odd = report(NASTY, **parts)
    pages = html_report([odd], {NASTY: RECORDS}), html_report([odd, report()], {NASTY: RECORDS})
    for page in pages:
        parsed = read_page(page)
        assert parsed.text.count('<script>alert("x")</script> &') > 10
        assert "<script" not in page and "\x00" not in page
        assert "\u202e" not in page and "\\u202e" in parsed.text, "what turns the writing round is seen"
        page.encode("utf-8")
        assert "模型" in page
        assert "<script" not in page._repr_html_()


def test_no_address_is_on_the_page() -> None:
    page = html_report([report(), report("models/two")], {"models/one": RECORDS})
    assert not re.search(r"https?:|//[a-z]|@import", page), "not even a namespace"
    assert "default-src 'none'" in page, "and a browser is told to load nothing"


def plain(pieces: Pieces) -> str:
    return "".join(text for text, _ in pieces)


def test_wrong_digits_are_marked_in_both() -> None:
    assert aligned("12345", "12945") == (
        [("12", ""), ("3", "right"), ("45", "")],
        [("12", ""), ("9", "wrong"), ("45", "")],
    )
    assert aligned("100", "10")[1] == [("·", "wrong"), ("1", "wrong"), ("0", "")], "where the solution has more digits"
    assert aligned("1999", "2000")[1] == [(digit, "wrong") for digit in "2000"], "every one of them"
    assert aligned("7", "7") == ([("7", "")], [("7", "")])


def test_a_wrong_sign_is_marked() -> None:
    assert aligned("-5", "5") == ([("-", "right"), ("5", "")], [("+", "wrong"), ("5", "")])
    assert aligned("-5", "-6") == ([("-", ""), ("5", "right")], [("-", ""), ("6", "wrong")])
    right, wrong = aligned("-123", "4")
    assert plain(right) == "-123" and plain(wrong) == " +·4"[0:1] + "+·4", "digit under digit"
    right, wrong = aligned("3", "-12")
    assert plain(right) == "+·3" and plain(wrong) == "-12"


def test_a_leading_zero_is_no_wrong_digit() -> None:
    """A model may have written it: 8+1 answered with 0109 is wrong in the hundreds, and right in the tens."""
    assert aligned("9", "109") == ([("·", "right"), (" 9", "")], [("1", "wrong"), ("09", "")])
    assert aligned("100", "0") == ([("1", "right"), ("00", "")], [("·", "wrong"), (" 0", "")])


@pytest.mark.parametrize("place", [0, 1, 7, 8, 17, 500, 991, 992, 998, 999])
def test_long_numbers_are_shortened_around_the_wrong_digit(place: int) -> None:
    solution = "".join(str(digit * 7 % 10) for digit in range(1000))
    at = len(solution) - 1 - place
    answer = solution[:at] + str((int(solution[at]) + 1) % 10) + solution[at + 1 :]
    right, wrong = aligned(solution, answer)
    assert len(plain(right)) == len(plain(wrong)) < 40
    assert (solution[at], "right") in right and (answer[at], "wrong") in wrong
    pieces = plain(right).split("…")
    assert solution.startswith(pieces[0]) and solution.endswith(pieces[-1]) and len(pieces) in (2, 3)
    assert solution[max(0, at - 8) : at + 9] in plain(right)
    assert sum(a != b for a, b in zip(plain(right), plain(wrong), strict=True)) == 1


def test_a_short_answer_to_a_long_problem_stays_under_its_places() -> None:
    right, wrong = map(plain, aligned("1" * 1000, "1" * 10))
    assert len(right) == len(wrong)
    assert wrong.strip() == "·" + "1" * 10


def test_failures_that_have_no_answer(read_page: Reader, no_plots: None) -> None:
    assert "No answer could be read." in failure_of(failure(None, "5", None))["said"]
    assert "The sign is wrong." in failure_of(failure("-5", "5", None))["said"]
    assert "It was trained on this problem." in failure_of(failure("4", "5", 0, trained_on=True))["said"]
    assert "Never seen in training." in failure_of(failure("4", "5", 0, trained_on=False))["said"]


def test_refused_problems_are_said_once_for_each_reason(read_page: Reader, no_plots: None) -> None:
    refused = [failure(None, "5", None, error="too long", completion=None, problem=f"{n}+1") for n in range(50)]
    page = read_page(html_report([report(**{**row(50, 0), "refused": 50}, wrong=refused)]))
    assert "All 50 problems were refused." in page.text
    assert page.text.count("too long") == 1 and "Refused, such as 0+1 : too long." in page.text
    assert page.tags.count("article") == 0


def test_the_surest_failures_come_first(read_page: Reader, no_plots: None) -> None:
    page = read_page(html_report([report(**row(3000, 2900), wrong=[failure("4", "5", 0)] * 100)]))
    assert page.tags.count("article") == 20
    assert "20 of 100 wrong answers; those of which the model was most sure come first" in page.text


def test_low_tokens_are_marked() -> None:
    tokens = [{"token": token, "probability": p} for token, p in (("1", 0.9), (" ", 0.899), ("", 1.0), ("7", None))]
    listed = list(tokens_of(tokens))
    assert [each["low"] for each in listed] == [False, True, False, False]
    assert [(each["text"], each["figure"]) for each in listed[1:]] == [("␣", "0.899"), ("∅", "1.000"), ("7", "–")]


def test_of_many_tokens_those_around_the_least_probable_are_shown() -> None:
    tokens = [{"token": str(n % 10), "probability": 0.2 if n == 700 else 0.99} for n in range(1000)]
    listed = list(tokens_of(tokens))
    assert len(listed) == 50 and sum(each.get("low", False) for each in listed) == 1
    assert [each["gap"] for each in listed if each["gap"]] == [676, 276]


def test_several_models_are_compared_first(read_page: Reader, no_plots: None) -> None:
    nearly = report("models/two", **row(10**6, 10**6 - 4), version=4, wrong=[])
    page = read_page(html_report([report(), nearly, report("models/three")], {"models/one": RECORDS}))
    assert page.text.index("Side by side") < page.text.index("What failed") < page.text.index("Figures")
    assert ">99.99%" in page.text and "versions of a suite differ" in page.text
    assert page.tags.count("article") == 2, "of those that have failures"
    assert page.text.count("Ask the same again") == 3
    assert page.of("th")[:1] == ["model"] and page.of("h3")[:3] == ["models/one", "models/two", "models/three"]


RUN: Report = {
    "computes": "+ of 0 to 999", "recipe": "three-digit", "parameters": 26464, "exact_match": 0.98, "seed": 42,
    "steps": 1200, "training_time": 38.2, "created": "2026-11-25T20:00:00+00:00", "version": "0.1.0",
    "settings": {"num_layers": "2", "notation.reverse": "true"},
}  # fmt: skip


def test_a_page_says_what_was_trained(read_page: Reader, no_plots: None) -> None:
    page = read_page(html_report([report(run=RUN, parameters=26464)]))
    first = "Recipe three-digit, trained on + of 0 to 999, 1,200 steps, in 38 s, seed 42, on 2026-11-25, with "
    assert f"{first}CalcGPT 0.1.0." in page.of("p")
    assert "notation.reverse true" in page.text and "26,464" in page.of("td") and "98.00%" in page.of("td")
    unknown = read_page(html_report([report(run=None), report("b", run=RUN)]))
    assert "settings that differ" not in unknown.text


def test_models_that_differ_in_one_setting_do_not_look_the_same(read_page: Reader, no_plots: None) -> None:
    other = {**RUN, "settings": {**RUN["settings"], "num_layers": "1"}, "parameters": 13760}
    page = read_page(html_report([report(run=RUN), report("models/two", run=other)]))
    before = page.text[: page.text.index("What failed")]
    assert "settings that differ" in before and "num_layers 1" in before and "num_layers 2" in before
    assert "notation.reverse" not in before and "All of them:" in before


def test_operations_stand_in_their_order() -> None:
    rows = [row(10, 9, operation=symbol, digits="1") for symbol in ("//", "%", "*", "max", "-", "+")]
    tables = model_tables(report(operations=rows, buckets=rows))
    assert [str(cells[0]) for cells in tables[2].rows] == ["+", "-", "*", "//", "%", "max"]
    assert str(tables[0].rows[0][0]) == "addition (+)" and str(tables[0].rows[-1][0]) == "max"


def test_a_model_that_could_be_asked_nothing_stands_beside_the_others(read_page: Reader, no_plots: None) -> None:
    refused = {"refused": 3000, "milliseconds": None, "problems_per_second": None, "calibration_error": None}
    page = read_page(html_report([report(), report("models/two", **{**row(3000, 0), **refused}, places=[])]))
    assert "No problem could be asked." in page.text and "models/two" in page.text


def test_long_tables_are_folded(read_page: Reader, no_plots: None) -> None:
    buckets = [row(10, 9, operation="+", digits=str(digits)) for digits in range(1, 62)]
    page = read_page(html_report([report(buckets=buckets)]))
    assert page.tags.count("details") == 1 and "By length: 61 rows" in page.text
    assert "details" not in read_page(html_report([report(buckets=buckets[:60])])).tags


def test_same_questions_are_not_called_different(read_page: Reader, no_plots: None) -> None:
    assert "Not asked the same" not in read_page(html_report([report(), report("models/two")])).text


def empty() -> Iterator[Report]:
    nothing: Report = {
        key: [] for key in ("operations", "buckets", "carries", "cases", "grid", "places", "calibration", "wrong")
    }
    none: Report = {"trained_on": None, "never_seen": None, "calibration_error": None, "failures_file": None}
    yield report(**nothing, **none)
    yield report(**nothing, **none, **row(0, 0), milliseconds=0.0, problems_per_second=0.0, seconds=0.0)
    yield report(**nothing, trained_on=row(0, 0), never_seen=row(5, 5), **row(5, 5))


@pytest.mark.parametrize("each", list(empty()), ids=["tables", "problems", "failures"])
def test_reports_with_little_in_them(each: Report, read_page: Reader) -> None:
    for reports in ([each], [each, each], [each, report()]):
        page = read_page(html_report(reports, {}))
        assert "None" not in page.text.replace("None of", "")


def test_all_right_is_said_in_a_sentence(read_page: Reader) -> None:
    right = row(3000, 3000)
    tables: Report = {
        name: [{**right, "operation": "+", "digits": "3", "chain": n, "case": "x"} for n in range(20)]
        for name in ("operations", "buckets", "carries", "cases")
    }
    places = [{"operation": "+", "place": 0, "digits": 3000, "right": 3000, "accuracy": 1.0}]
    whole = report(**right, wrong=[], never_seen=right, trained_on=row(0, 0), places=places, **tables)
    page = read_page(html_report([whole], {"models/one": RECORDS}))
    assert "All 3,000 problems right: 100% exact match." in page.text and "What failed" not in page.text
    assert "None of the problems was trained on" in page.text
    assert page.tags.count("details") == 2 and not any("open" in each for tag, each in page.attributes)
    assert "All is right, in every row of its tables: by operation (20), special cases (20)," in page.text
    opened = page.tags[: page.tags.index("details")]
    assert "table" not in opened and opened.count("figure") == 2, "of the training; the rest is folded"


def test_a_page_is_shown_in_a_notebook_by_itself(read_page: Reader, no_plots: None) -> None:
    page = html_report([report('models/"one" & <two>')])
    assert isinstance(page, str) and isinstance(page, Page) and json.loads(json.dumps(page)) == page
    shown = page._repr_html_()
    assert type(shown) is str
    inner = re.fullmatch(
        r'<iframe srcdoc="([^"<>]*)" title="([^"<>]*)" style="[^"<>]*" onload="[^"<]*"></iframe>', shown
    )
    assert inner, "one element, whose document is its own"
    from html import unescape

    document = unescape(inner[1])
    assert unescape(inner[2]) == 'Evaluation of models/"one" & <two>'
    assert document.replace('\n<base href="about:srcdoc">', "") == page
    assert "html{" not in page and re.search(r"\.calcgpt \{", page), "styles stay inside"


def test_a_template_has_everything_it_names() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render("report.html", title="x")


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
