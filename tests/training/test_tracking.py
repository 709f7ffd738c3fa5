"""Listeners: a metrics file that is JSON line by line, and the plain lines of a console."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from calcgpt.training.tracking import Console, Listener, MetricsFile

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
