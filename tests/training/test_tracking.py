"""Listeners: a metrics file that is JSON line by line, and the plain lines of a console."""

from __future__ import annotations

import doctest
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from calcgpt.training import tracking
from calcgpt.training.tracking import Console, Listener, MetricsFile, describe_learnt

FACTS = {"total_steps": 40, "model_params": 12345, "device": "a processor", "precision": "float32"}


def test_metrics_are_strict_json(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.on_step({"step": 1, "loss": float("nan"), "rate": float("inf")})
    file.on_evaluation({"step": 2, "exact_match": None, "note": "é"})
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    records = [json.loads(line, parse_constant=refuse) for line in lines]
    assert records == [{"step": 1, "loss": None, "rate": None}, {"step": 2, "exact_match": None, "note": "é"}]


def test_a_listener_may_leave_everything_as_it_is(tmp_path: Path) -> None:
    for listener in (Listener(), Console(io.StringIO())):
        listener.on_start(FACTS)
        listener.on_step({"step": 1, "loss": 1.0, "seconds": 0.1})
        listener.on_evaluation({"step": 1})
        listener.on_save(tmp_path)
        listener.on_end({"training_time": 1.0, "output_dir": "x"})


def test_the_lines_of_a_console() -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.on_start(FACTS)
    for step in range(1, 41):
        console.on_step({"step": step, "loss": 1 / step, "seconds": step / 10})
    console.on_evaluation({"step": 40, "eval_loss": 0.5, "exact_match": 0.98765})
    console.on_end({"training_time": 4.0, "output_dir": "models/x"})
    lines = stream.getvalue().splitlines()
    assert lines[0] == "training 12,345 parameters on a processor, float32: 40 steps"
    assert lines[1] == "step 1  loss 1  0.1 s  4 s left"
    assert len(lines) == 1 + 20 + 2
    assert lines[-2:] == ["step 40  validation loss 0.5  exact match 98.77%", "done in 4.0 s: models/x"]


def test_a_run_with_a_time_limit_has_no_number_of_steps() -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.on_start({**FACTS, "total_steps": None})
    console.on_step({"step": 7, "loss": 1.0, "seconds": 1.0})
    assert stream.getvalue().splitlines() == [
        "training 12,345 parameters on a processor, float32: until its time is up",
        "step 7  loss 1  1.0 s",
    ]


def test_it_writes_to_standard_output_as_it_is_just_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console()
    console.on_start(FACTS)
    assert "12,345 parameters" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdout", None)  # as in a program without a console
    console.on_end({"training_time": 4.0, "output_dir": "models/x"})


# Places that are learnt


def validation(step: int, shares: Any) -> dict[str, Any]:
    return {"step": step, "eval_loss": 0.5, "exact_match": 0.5, "digit_accuracy": shares, "seconds": 1.0}


def learnt_lines(*records: dict[str, Any]) -> list[str]:
    """The lines that a run with these validations adds to its console."""
    stream = io.StringIO()
    console = Console(stream)
    console.on_start(FACTS)
    for record in records:
        console.on_evaluation(record)
    console.on_end({"training_time": 4.0, "output_dir": "models/x"})
    return [line for line in stream.getvalue().splitlines() if line.startswith(("learnt", " "))]


def test_it_says_when_a_place_is_learnt() -> None:
    records = [
        validation(100, [0.9, 0.5, 0.1]),
        validation(200, [0.99, 0.5, 0.1]),
        validation(300, [1.0, 0.989, 0.1]),
        validation(1_400, [1.0, 1.0, 1.0]),
        validation(1_500, [1.0, 1.0, 1.0]),
    ]
    assert learnt_lines(*records) == [
        "learnt: units at step 200",
        "learnt: tens and hundreds at step 1,400",
        "learnt: units at step 200, tens and hundreds at 1,400",
    ]


def test_a_place_that_is_lost_counts_from_when_it_is_back() -> None:
    records = [
        validation(100, [0.99, 0.5]),
        validation(200, [0.9, 1.0]),
        validation(300, [1.0, 1.0]),
        validation(400, [1.0, 0.9]),
    ]
    assert learnt_lines(*records) == [
        "learnt: units at step 100",
        "learnt: tens at step 200",
        "learnt: units at step 300",
    ]
    assert learnt_lines(*records[:3])[-1] == "learnt: tens at step 200, units at 300", "as in the plot of a report"


def test_it_says_when_a_digit_position_is_lost_again() -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.on_start(FACTS)
    for step, shares in [(200, [1.0, 0.5, 1.0]), (400, [0.98, 1.0, 0.5]), (600, [1.0, 1.0, 1.0])]:
        console.on_evaluation(validation(step, shares))
    assert [line for line in stream.getvalue().splitlines() if "learnt" in line] == [
        "learnt: units and hundreds at step 200",
        "no longer learnt: units and hundreds at step 400",
        "learnt: tens at step 400",
        "learnt: units and hundreds at step 600",
    ]


def test_what_the_run_decided_is_a_line() -> None:
    stream = io.StringIO()
    Console(stream).on_start({**FACTS, "notes": ["runs without torch.compile: no working compiler"]})
    assert stream.getvalue().splitlines()[1:] == ["runs without torch.compile: no working compiler"]


def test_one_line_is_not_said_again() -> None:
    assert learnt_lines(validation(100, [1.0, 1.0])) == ["learnt: units and tens at step 100"]
    assert learnt_lines(validation(100, [0.5, 0.5])) == []


@pytest.mark.parametrize("shares", [None, 0.995, "0.995", []])
def test_a_run_without_digits_says_nothing_of_them(shares: Any) -> None:
    assert learnt_lines(validation(100, shares), {"step": 200}) == []


def test_a_run_begins_anew() -> None:
    stream = io.StringIO()
    console = Console(stream)
    for _ in range(2):
        console.on_start(FACTS)
        console.on_evaluation(validation(10, [1.0]))
    assert stream.getvalue().count("learnt: units at step 10") == 2


def test_ten_digits_in_80_columns() -> None:
    one_by_one = describe_learnt({place: 100 * place + 12_300 for place in range(11)})
    assert one_by_one.splitlines() == [
        "learnt: units at step 12,300, tens at 12,400, hundreds at 12,500,",
        "        thousands at 12,600, 10^4 at 12,700, 10^5 at 12,800, 10^6 at 12,900,",
        "        10^7 at 13,000, 10^8 at 13,100, 10^9 at 13,200, 10^10 at 13,300",
    ]
    assert describe_learnt(dict.fromkeys(range(11), 1_200)) == "learnt: units to 10^10 at step 1,200"
    assert (
        describe_learnt({0: 9, 3: 9, 10: 8, 9: 8, 8: 8}) == "learnt: 10^8 to 10^10 at step 8, units and thousands at 9"
    )


def test_the_example_of_the_module() -> None:
    assert doctest.testmod(tracking).failed == 0
