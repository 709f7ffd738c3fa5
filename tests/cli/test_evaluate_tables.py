"""What a person sees of an evaluation: shares that never say more than was counted, and nothing left out in silence."""

from __future__ import annotations

from typing import Any

import pytest

from calcgpt.arithmetic.task import Task
from calcgpt.cli.evaluate_tables import percent, show
from calcgpt.evaluation import evaluate, load_suite
from calcgpt.evaluation.tally import row_of

Output = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("right", "total", "expected"),
    [
        (3, 3, "100%"),
        (2, 3, "66.67%"),
        (1_999_999, 2_000_000, "99.99995%"),
        (1, 10_000_000, "0.00001%"),
        (0, 3, "0%"),
        (0, 0, "-"),
    ],
)
def test_a_share_is_100_only_where_all_are_right(right: int, total: int, expected: str) -> None:
    row: dict[str, Any] = {"right": right, "problems": total, "exact_match": right / total if total else None}
    assert percent(row) == expected


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
    assert f"the worst place is 10^0 of +: {units['right']:,} of {units['digits']:,}" in shown
    assert "the first of 5,000 wrong answers:" in shown and shown.count("the model says") == 10


def test_a_grid_shows_its_worst_cells(stub: Any, capsys: Output) -> None:
    solver = stub(Task(("*",), 0, 999), wrong=lambda problems: problems.operands[:, 0] > 99)
    show([evaluate(solver, load_suite("length-grid").changed(5))])
    assert "* up to 3 x 3 digits: 6 of 9 cells all right" in capsys.readouterr().out


def test_a_long_table_is_cut_aloud(stub: Any, capsys: Output) -> None:
    row = {**row_of([5, 5, 0]), "operation": "+"}  # type: ignore[arg-type]
    report = evaluate(stub(Task(("+",), 0, 9)), "quick")
    show([{**report, "carries": [{**row, "chain": length} for length in range(60)]}])
    assert "... and 20 rows more, 20 of them all right" in capsys.readouterr().out


def test_nothing_was_asked(stub: Any, capsys: Output) -> None:
    report = evaluate(stub(Task(("+",), 0, 9)), "quick")
    nothing = {"problems": 0, "right": 0, "malformed": 0, "exact_match": None, "interval": None}
    empty = {key: [] for key in ("operations", "buckets", "carries", "cases", "grid", "places", "wrong")}
    for reports in ([{**report, **nothing, **empty}], [{**report, **nothing, **empty}] * 2):
        show(reports)
        assert "0" in capsys.readouterr().out
