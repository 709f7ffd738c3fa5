"""What an evaluation has so far: its counts and failures, and on disk what it needs to go on after an interruption."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from calcgpt.errors import ConfigError
from calcgpt.evaluation.failures import worst
from calcgpt.evaluation.subjects import Subject
from calcgpt.evaluation.suites import Suite
from calcgpt.evaluation.tally import Tally
from calcgpt.inference.solver import CalcGPT
from calcgpt.runtime.files import make_folder, write_atomic

_LISTED = 100  # failures that a report lists, the worst of them; the file has all
_INTERVAL = 2.0  # seconds between two writings of the state
STATE, FAILURES, REPORT = "state.json", "failures.jsonl", "report.json"


class Kept:
    """Counts and failures; with a folder they are there too, portion by portion.

    Args:
        folder: where; created with its parents. None keeps nothing on disk.
        subject, suite, model: what is asked of whom. Another answer than the one that the folder is about begins anew.
        seen: keys of what the model was trained on, where that is known.
    """

    def __init__(
        self, folder: str | Path | None, subject: Subject, suite: Suite, model: Any, seen: np.ndarray | None = None
    ):
        self.folder = None if folder is None else Path(folder)
        self.tally, self.portions, self.seconds = Tally(), 0, 0.0
        self.listed: list[dict[str, Any]] = []
        self.resumed = 0  # problems that an interrupted evaluation had asked
        self._written = time.monotonic()
        if self.folder is not None:
            self._identity = _identity(subject, suite, model, seen)
            self._open()

    def _open(self) -> None:
        assert self.folder is not None
        try:
            make_folder(self.folder)
            length = self._resume()
            if not self.portions:
                for old in (STATE, REPORT):  # they say something else than the failures will
                    (self.folder / old).unlink(missing_ok=True)
            with open(self.folder / FAILURES, "ab") as file:
                file.truncate(length)
        except OSError as error:
            raise ConfigError(f"cannot write the evaluation to {self.folder}: {error.strerror or error}") from error

    def _resume(self) -> int:
        """Take up what an interrupted evaluation left; returns how many bytes of its failures count."""
        assert self.folder is not None
        try:
            state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
            length = int(state["failures"])
            if state["identity"] != self._identity or (self.folder / FAILURES).stat().st_size < length:
                return 0
            self.tally = Tally.from_dict(state["tally"])
            self.portions, self.seconds = int(state["portions"]), float(state["seconds"])
            self.listed = list(state["listed"])
            self.resumed = self.tally.total()[0]
            return length
        except (OSError, ValueError, KeyError, TypeError):
            self.tally, self.portions, self.seconds, self.listed, self.resumed = Tally(), 0, 0.0, [], 0
            return 0

    def add(self, seconds: float, found: Iterable[dict[str, Any]]) -> None:
        """Count the seconds that some answers took, and keep those that are wrong."""
        self.seconds += seconds
        records = iter(found)
        while some := list(islice(records, 1000)):
            self.listed = worst([*self.listed, *some], _LISTED)
            if self.folder is not None:
                with open(self.folder / FAILURES, "a", encoding="utf-8") as file:
                    file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in some)

    def portion_done(self) -> None:
        """A portion is counted: from here an interrupted evaluation goes on."""
        self.portions += 1
        if self.folder is not None and time.monotonic() - self._written >= _INTERVAL:
            self._write_state()
            self._written = time.monotonic()

    def _write_state(self) -> None:
        assert self.folder is not None
        state = {
            "identity": self._identity,
            "portions": self.portions,
            "seconds": self.seconds,
            "failures": (self.folder / FAILURES).stat().st_size,
            "listed": self.listed,
            "tally": self.tally.to_dict(),
        }
        write_atomic(self.folder / STATE, json.dumps(state))

    def end(self) -> dict[str, Any]:
        """What a report says of the failures and the time."""
        problems, _, _, refused = self.tally.total()
        asked = problems - refused
        return {
            "resumed": self.resumed,
            "wrong": self.listed,
            "failures_file": None if self.folder is None else str(self.folder / FAILURES),
            "seconds": self.seconds,
            "milliseconds": 1000 * self.seconds / asked if asked else None,
            "problems_per_second": asked / self.seconds if asked and self.seconds else None,
        }

    def finish(self, report: dict[str, Any]) -> None:
        """Everything was asked: keep the report, and nothing to go on from."""
        if self.folder is None:
            return
        keep_report(self.folder, report)
        (self.folder / STATE).unlink(missing_ok=True)


def kept_problems(folder: Path) -> int:
    """How many problems an interrupted evaluation has counted in a folder, from which the same one goes on."""
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        return Tally.from_dict(state["tally"]).total()[0]
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def keep_report(folder: Path, report: dict[str, Any]) -> None:
    """Write `report.json`, whole or not at all. Raises OSError."""
    write_atomic(folder / REPORT, json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _identity(subject: Subject, suite: Suite, model: Any, seen: np.ndarray | None) -> str:
    """What tells one evaluation from another: the suite, its data files, the ranges, and of the model its weights, how
    it reads and writes, and what it was trained on.

    A function has nothing that could tell, so its evaluation never goes on.
    """
    asked = json.dumps([suite.to_dict(), [task.to_dict() for task in subject.tasks], subject.name], sort_keys=True)
    key = hashlib.sha256(asked.encode("utf-8"))
    if isinstance(model, CalcGPT):
        key.update(json.dumps([vars(model.notation), model.tokenizer.id_to_token], sort_keys=True).encode("utf-8"))
        key.update(b"unknown" if seen is None else seen.tobytes())
        for name, weights in sorted(model.model.state_dict().items()):
            key.update(name.encode("utf-8") + weights.detach().cpu().float().numpy().tobytes())
    else:
        key.update(_unknown())
    for part in suite.parts:
        if part.path is not None:
            key.update(part.dataset.sha256.encode("ascii"))
    return key.hexdigest()


def _unknown() -> bytes:
    """What stands for something that nothing can be told of: never twice the same."""
    return os.urandom(16)
