"""What a run reports while it lasts, and the listeners that the library brings: a metrics file, and plain lines."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, TextIO


class Listener:
    """Hears what a trainer reports; every method may be left as it is.

    Records are flat dicts. Those of `on_step` have step, epoch (where there are epochs), loss (mean since the last
    record), learning_rate and seconds; those of `on_evaluation` have step, seconds, eval_loss and exact_match.
    """

    def on_start(self, facts: dict[str, Any]) -> None:
        """The run begins: total_steps (or None), model_params, vocab_size, dataset_size, device, precision, compile."""

    def on_step(self, record: dict[str, Any]) -> None:
        """Some steps are done."""

    def on_evaluation(self, record: dict[str, Any]) -> None:
        """A validation is done."""

    def on_save(self, path: Path) -> None:
        """A checkpoint, or the model, was written."""

    def on_end(self, results: dict[str, Any]) -> None:
        """The run ended, and its model is in its place."""


class MetricsFile(Listener):
    """Writes every record as a line of JSON."""

    def __init__(self, path: Path):
        self.path = path

    def on_step(self, record: dict[str, Any]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({name: _number(value) for name, value in record.items()}, allow_nan=False) + "\n")

    on_evaluation = on_step


class Console(Listener):
    """Plain lines, about twenty a run: what `verbose=True` shows.

    Args:
        stream: where to; standard output as it is when the line is written.
    """

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream
        self.total: int | None = None
        self._next = 0

    def on_start(self, facts: dict[str, Any]) -> None:
        self.total = facts["total_steps"]
        steps = f"{self.total:,} steps" if self.total else "until its time is up"
        size, device = f"{facts['model_params']:,} parameters", f"{facts['device']}, {facts['precision']}"
        self._write(f"training {size} on {device}: {steps}")

    def on_step(self, record: dict[str, Any]) -> None:
        if record["step"] < self._next:
            return
        self._next = record["step"] + max(1, (self.total or 2000) // 20)
        left = ""
        if self.total and record["step"]:
            left = f"  {record['seconds'] / record['step'] * (self.total - record['step']):.0f} s left"
        self._write(f"step {record['step']:,}  loss {record['loss']:.4g}  {record['seconds']:.1f} s{left}")

    def on_evaluation(self, record: dict[str, Any]) -> None:
        match = record.get("exact_match")
        right = "" if match is None else f"  exact match {match:.2%}"
        loss = record.get("eval_loss")
        self._write(f"step {record['step']:,}  " + ("" if loss is None else f"validation loss {loss:.4g}") + right)

    def on_end(self, results: dict[str, Any]) -> None:
        self._write(f"done in {results['training_time']:.1f} s: {results['output_dir']}")

    def _write(self, line: str) -> None:
        stream = self.stream or sys.stdout
        if stream is not None:  # a program without a console has none
            stream.write(line + "\n")
            stream.flush()


def _number(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
