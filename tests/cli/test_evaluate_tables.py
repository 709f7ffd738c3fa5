"""What a person sees of an evaluation: shares that never say more than was counted, and nothing left out in silence."""

from __future__ import annotations

import re
from typing import Any

import pytest

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.cli.evaluate_tables import show
from calcgpt.evaluation import Part, Suite, evaluate, load_suite
from calcgpt.evaluation.tally import row_of

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_malformed_and_places_and_what_is_unknown(stub: Any, capsys: Output) -> None:
    mute = stub(Task(("+",), 0, 99), mute=lambda problems: problems.operands[:, 0] == 7)
    show([evaluate(mute, load_suite("quick").changed(20))])
    shown = capsys.readouterr().out
    assert "malformed" in shown and "nothing readable" in shown and "what it was trained on cannot be told" in shown
    assert "every digit of every answer is right" in shown
    show([evaluate(stub(Task(("+",), 0, 99)), load_suite("quick").changed(20))])
    shown = capsys.readouterr().out
    assert "malformed" not in shown and "100%" in shown and "wrong answers" not in shown


def test_the_worst_place_and_the_first_wrong_ones(stub: Any, capsys: Output) -> None:
    solver = stub(Task(("+",), 0, 99), wrong=lambda problems: problems.operands[:, 0] % 2 == 1)
    report = evaluate(solver, "exhaustive")
    show([report])
    shown = capsys.readouterr().out
    units = report["places"][0]
    assert f"worst at the units of +: {units['right']:,} of {units['digits']:,}" in shown
    assert (
        "10 of 5,000 wrong answers, those of which it was most sure:" in shown and shown.count("the model says") == 10
    )


def test_a_grid_shows_its_worst_cells(stub: Any, capsys: Output) -> None:
    solver = stub(Task(("*",), 0, 999), wrong=lambda problems: problems.operands[:, 0] > 99)
    show([evaluate(solver, load_suite("length-grid").changed(5))])
    assert "* up to 3 x 3 digits: 6 of 9 cells all right" in capsys.readouterr().out


def test_what_is_all_right_is_a_line_and_what_is_not_a_row(stub: Any, capsys: Output) -> None:
    right, wrong = ({**row_of([5, count, 0, 0]), "operation": "+"} for count in (5, 4))
    report = evaluate(stub(Task(("+",), 0, 9)), "quick")

    def shown(chains: list[dict[str, Any]]) -> list[str]:
        show([{**report, "carries": chains}])
        return capsys.readouterr().out.splitlines()

    lines = shown([{**right, "chain": chain} for chain in range(60)])
    assert "every carry chain from 0 to 59: all right" in lines and "by carry chain" not in lines
    lines = shown([{**(wrong if chain == 7 else right), "chain": chain} for chain in range(60)])
    at = lines.index("by carry chain")
    assert lines[at + 2].split()[:4] == ["+", "7", "5", "4"]
    assert lines[at + 3] == "every other carry chain (0 to 6, 8 to 59 of +): all right"
    lines = shown([{**wrong, "chain": chain} for chain in range(60)])
    assert "... and 20 more that are not all right" in lines and not any("every other" in line for line in lines)
    lines = shown([{**right, "chain": 3}, {**right, "chain": 3, "operation": "-"}, {**right, "chain": 5}])
    assert "every carry chain (3, 5 of +; 3 of -): all right" in lines


def test_colour_says_what_the_words_say_and_can_be_turned_off(
    stub: Any, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    report = evaluate(stub(Task(("+",), 0, 99), wrong=lambda problems: problems.carries() > 0), "exhaustive")
    shown = {}
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.setenv(name, "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        show([report])
        shown[name] = capsys.readouterr().out
    assert "\x1b[31m" in shown["FORCE_COLOR"] and "\x1b[32m" in shown["FORCE_COLOR"]
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", shown["NO_COLOR"])
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown["FORCE_COLOR"])
    assert plain == re.sub(r"\x1b\[[0-9;]*m", "", shown["NO_COLOR"]) and max(map(len, plain.splitlines())) <= 80


def test_refused_ones_and_slow_ones(stub: Any, capsys: Output) -> None:
    report = evaluate(stub(Task(("+",), 0, 99), notation=Notation(2, 3)), load_suite("lengths").changed(4, ["1", "3"]))
    assert report["refused"] == 4
    show([{**report, "problems_per_second": 0.25, "seconds": 32.0}])
    shown = capsys.readouterr().out
    assert "refused" in shown and "malformed" not in shown and "32.0 s, 4 s a problem" in shown
    assert "4 refused, such as " in shown and "wrong answers" not in shown
    assert "places for 2 digits" in shown, "why"


def test_a_suite_of_two_ranges_and_what_was_kept(stub: Any, capsys: Output) -> None:
    suite = Suite("mine", (Part("exhaustive", digits=("1",)), Part("exhaustive", operations=("-",))))
    show([{**evaluate(stub(Task(("+", "-"), 0, 20)), suite), "resumed": 7}])
    shown = capsys.readouterr().out
    assert (
        "every problem of two operands of 0 to 9 and of its range with -: 641 problems" in shown
        and "interval" not in shown
    )
    assert "went on after 7 problems" in shown


def test_models_side_by_side(stub: Any, capsys: Output) -> None:
    task = Task(("+",), 0, 9)
    good = evaluate(stub(task), "exhaustive")
    bad = evaluate(stub(task, wrong=lambda problems: problems.carries() > 0), "exhaustive")
    show([good, {**bad, "model": "the bad one"}])
    shown = capsys.readouterr().out
    assert "1 of 2 models answer everything rightly; mean 77.50%, worst 55.00% (the bad one)" in shown
    show([good, good])
    assert "2 of 2 models answer everything rightly\n" in capsys.readouterr().out


def test_nothing_was_asked(stub: Any, capsys: Output) -> None:
    report = evaluate(stub(Task(("+",), 0, 9)), "quick")
    nothing = {**row_of([0, 0, 0, 0]), "problems_per_second": None}
    empty = {key: [] for key in ("operations", "buckets", "carries", "cases", "grid", "places", "wrong")}
    for reports in ([{**report, **nothing, **empty}], [{**report, **nothing, **empty}] * 2):
        show(reports)
        assert "0" in capsys.readouterr().out
