"""Several models as one figure each."""

from __future__ import annotations

from typing import Any

from calcgpt.evaluation.comparing import compare
from calcgpt.evaluation.report_text import comparison_text
from calcgpt.evaluation.tally import row_of


def report(model: str, right: int, problems: int = 10) -> dict[str, Any]:
    return {"model": model, **row_of([problems, right, 0, 0])}


def test_mean_worst_and_how_many_succeeded() -> None:
    found = compare([report("a", 10), report("b", 4), report("c", 10), report("d", 7), report("e", 0, 0)])
    assert found == {"models": 4, "succeeded": 2, "mean": 0.775, "worst": 0.4, "worst_model": "b"}
    assert compare([report("a", 0)]) == {"models": 1, "succeeded": 0, "mean": 0, "worst": 0, "worst_model": "a"}


def test_nothing_was_asked() -> None:
    nothing = {"models": 0, "succeeded": 0, "mean": None, "worst": None, "worst_model": None}
    assert compare([]) == compare([report("a", 0, 0)]) == nothing
    assert comparison_text([report("a", 0, 0)]) == ""


def test_in_words() -> None:
    assert comparison_text([report("a", 10)] * 2) == "2 of 2 models answer everything rightly"
    almost = report("b", 999, 1000)
    told = "1 of 2 models answer everything rightly; mean 99.95%, worst 99.90% (b)"
    assert comparison_text([report("a", 10), almost]) == told
