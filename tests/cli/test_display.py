"""Progress: a Rich display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from calcgpt.cli import display
from calcgpt.cli.display import RichDisplay, counting, in_words, training_display
from calcgpt.training import tracking

_FACTS = {"total_steps": 200, "model_params": 1234, "device": "a machine", "precision": "float32"}


def _terminal(width: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False, color_system=None)


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _step(step: int, seconds: float) -> dict[str, Any]:
    return {"step": step, "loss": 0.5, "learning_rate": 1e-3, "seconds": seconds}


def test_the_display_shows_what_a_run_tells() -> None:
    console = _terminal()
    with RichDisplay("three-digit", None, console) as (listener,):
        listener.on_start(_FACTS)
        listener.on_step(_step(50, 10.0))
        listener.on_evaluation({"step": 50, "seconds": 10.0, "eval_loss": 0.4, "exact_match": 0.9876})
    shown = _text(console)
    assert "three-digit: preparing" in shown
    assert "three-digit: training 1,234 parameters on a machine, float32: 200 steps" in shown
    assert "step 50/200" in shown and "loss 0.5000" in shown and "exact match 98.76%" in shown


def test_the_display_shows_when_places_are_learnt() -> None:
    console = _terminal()
    with RichDisplay("three-digit", None, console) as (listener,):
        listener.on_start(_FACTS)
        for step, shares in [(50, [0.9, 0.1]), (100, [0.99, 0.1]), (150, [1.0, 0.4]), (200, [1.0, 1.0])]:
            record = {"step": step, "seconds": 10.0, "eval_loss": 0.4, "exact_match": 0.5, "digit_accuracy": shares}
            listener.on_evaluation(record)
        listener.on_end({"training_time": 1.0, "output_dir": "x"})
    lines = [line.strip() for line in _text(console).replace("\r", "\n").splitlines() if "learnt" in line]
    shown = [line[line.index("three-digit") :] for line in lines]
    assert shown == ["three-digit: learnt: units at step 100", "three-digit: learnt: tens at step 200"]
    assert all(len(line) <= 80 for line in shown)


def test_nothing_is_cut_in_80_columns() -> None:
    console = _terminal()
    with RichDisplay("x", None, console) as (listener,):
        listener.on_start({**_FACTS, "total_steps": 1_234_567})
        listener.on_step(_step(123_456, 10.0))
        listener.on_evaluation({"step": 50, "seconds": 10.0, "eval_loss": 0.4, "exact_match": 0.9876})
    last = _text(console)
    assert "step 123,456/1,234,567" in last and "loss 0.5000" in last and "exact match 98.76%" in last
    assert "…" not in last


@pytest.mark.parametrize(
    ("total", "max_seconds", "expected"), [(200, None, 0.25), (None, 20.0, 0.5), (200, 20.0, 0.5), (None, None, 0.0)]
)
def test_the_bar_follows_the_end_that_is_nearer(total: int | None, max_seconds: float | None, expected: float) -> None:
    shown = RichDisplay("x", max_seconds, _terminal())
    shown.on_start({**_FACTS, "total_steps": total})
    shown.on_step(_step(50, 10.0))
    assert shown.progress.tasks[0].completed == expected


def test_elsewhere_there_are_lines_and_for_quiet_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with training_display("x", None, quiet=False) as listeners:
        assert [type(listener) for listener in listeners] == [tracking.Console]
        listeners[0].on_start(_FACTS)
    assert "1,234 parameters" in capsys.readouterr().err
    with training_display("x", None, quiet=True) as listeners:
        assert listeners == []


def test_counting_in_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(display, "_PATIENCE", 0.0)
    with counting("evaluating") as report:
        assert report is not None
        for done in (0, 500, 1000):
            report(done, 1000)
    assert capsys.readouterr().err == "evaluating: 500 of 1,000, 0 s left\n"
    with counting("evaluating", quiet=True) as report:
        assert report is None


def test_counting_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    console = _terminal()
    monkeypatch.setattr(display, "terminal", lambda: console)
    with counting("evaluating") as report:
        assert report is not None
        report(500, 1000)
    assert "evaluating" in _text(console) and "500/1,000" in _text(console)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_a_duration_in_words(seconds: float, expected: str) -> None:
    assert in_words(seconds) == expected
