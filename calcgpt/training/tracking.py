"""What a run reports while it lasts, and the listeners that the library brings: a metrics file, and plain lines."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from calcgpt.runtime.figures import percent_text

logger = logging.getLogger(__name__)

LEARNT = 0.99  # the digit accuracy from which on a place counts as learnt
_NAMES = ("units", "tens", "hundreds", "thousands")
_WIDTH = 80


class Listener:
    """Hears what a trainer reports; every method may be left as it is.

    A listener that raises an exception is named in a warning, and hears no more of the run. To end the run it calls the
    trainer's `stop`.

    Records are dicts. Those of `on_step` have step, epoch (where there are epochs), loss (mean since the last record),
    learning_rate and seconds. Those of `on_evaluation` have step, seconds, eval_loss, exact_match and digit_accuracy: a
    list, by place from the units, of the share of the solutions' digits there that the answers have; what is None could
    not be measured.
    """

    def on_start(self, facts: dict[str, Any]) -> None:
        """The run begins: total_steps (or None), model_params, vocab_size, dataset_size, device, precision, compile;
        and notes, lines on what the run decided without having been asked."""

    def on_step(self, record: dict[str, Any]) -> None:
        """Some steps are done."""

    def on_evaluation(self, record: dict[str, Any]) -> None:
        """A validation is done."""

    def on_save(self, path: Path) -> None:
        """A checkpoint, or the model, was written."""

    def on_end(self, results: dict[str, Any]) -> None:
        """The run ended, and its model is in its place."""


class MetricsFile(Listener):
    """Writes every record as a line of JSON.

    Where that fails, on a full disk say, a warning names the file, which keeps its whole lines, and nothing more is
    written: records are no reason to lose a run.
    """

    def __init__(self, path: Path):
        self.path = path
        self._size = 0  # bytes of whole lines
        self._failed = False

    def on_step(self, record: dict[str, Any]) -> None:
        if self._failed:
            return
        line = json.dumps({name: _number(value) for name, value in record.items()}, allow_nan=False) + "\n"
        payload = line.encode()
        try:
            with open(self.path, "ab") as file:
                file.write(payload)
            self._size += len(payload)
        except OSError as error:
            self._failed = True
            logger.warning("%s: %s; the run goes on without its records", self.path, error.strerror or error)
            with suppress(OSError):
                os.truncate(self.path, self._size)

    on_evaluation = on_step


class Console(Listener):
    """Plain lines, about twenty a run: what `verbose=True` shows.

    Args:
        stream: where to; standard output as it is when the line is written.
    """

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream
        self.total: int | None = None
        self.learnt: dict[int, int] = {}  # place from the units: the step since which it has been learnt
        self._next = 0

    def on_start(self, facts: dict[str, Any]) -> None:
        self.total, self.learnt = facts["total_steps"], {}
        steps = f"{self.total:,} steps" if self.total else "until its time is up"
        size, device = f"{facts['model_params']:,} parameters", f"{facts['device']}, {facts['precision']}"
        self._write(f"training {size} on {device}: {steps}")
        for note in facts.get("notes", ()):
            self._write(note)

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
        right = "" if match is None else f"  exact match {percent_text(match)}"
        loss = record.get("eval_loss")
        self._write(f"step {record['step']:,}  " + ("" if loss is None else f"validation loss {loss:.4g}") + right)
        self._learn(record)

    def on_end(self, results: dict[str, Any]) -> None:
        if len(set(self.learnt.values())) > 1:  # else a line above says it all
            self._write(describe_learnt(self.learnt))
        self._write(f"done in {results['training_time']:.1f} s: {results['output_dir']}")

    def _learn(self, record: dict[str, Any]) -> None:
        """Say which digit positions a validation found learnt that were not at the one before, and which were lost."""
        shares = record.get("digit_accuracy")
        if not isinstance(shares, list):  # there is none, or an override measures another thing by this name
            return
        lost = [position for position, share in enumerate(shares) if share < LEARNT and position in self.learnt]
        new = [position for position, share in enumerate(shares) if share >= LEARNT and position not in self.learnt]
        for position in lost:
            del self.learnt[position]
        if lost:
            self._write(f"no longer learnt: {_places(lost)} at step {record['step']:,}")
        if new:
            self.learnt.update(dict.fromkeys(new, record["step"]))
            self._write(describe_learnt(dict.fromkeys(new, record["step"])))

    def _write(self, line: str) -> None:
        stream = self.stream or sys.stdout
        if stream is not None:  # a program without a console has none
            stream.write(line + "\n")
            stream.flush()


def describe_learnt(learnt: dict[int, int]) -> str:
    """The step at which each place was learnt, in lines of at most 80 columns.

    >>> describe_learnt({0: 200, 1: 300, 2: 300, 3: 450, 4: 450, 5: 450})
    'learnt: units at step 200, tens and hundreds at 300, thousands to 10^5 at 450'
    """
    steps = sorted(set(learnt.values()))
    groups = [(_places([place for place in learnt if learnt[place] == step]), f"{step:,}") for step in steps]
    parts = [f"{places} at {'' if number else 'step '}{step}" for number, (places, step) in enumerate(groups)]
    whole = "learnt: " + ", ".join(part.replace(" ", "\xa0") for part in parts)  # lines end between parts only
    return "\n".join(textwrap.wrap(whole, _WIDTH, subsequent_indent=" " * 8)).replace("\xa0", " ")


def _places(places: Sequence[int]) -> str:
    """Places in words, three or more in a row as `units to hundreds`."""
    runs: list[list[int]] = []
    for place in sorted(places):
        if not runs or runs[-1][-1] != place - 1:
            runs.append([])
        runs[-1].append(place)
    words = [f"{_name(run[0])} to {_name(run[-1])}" if len(run) > 2 else " and ".join(map(_name, run)) for run in runs]
    return " and ".join(words)


def _name(place: int) -> str:
    return _NAMES[place] if place < len(_NAMES) else f"10^{place}"


def _number(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
