"""`calcgpt train --seeds`: every seed, the worst and the mean."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from calcgpt.cli import seeds
from calcgpt.cli.main import main
from calcgpt.cli.train_options import Job
from calcgpt.errors import ConfigError

Output = pytest.CaptureFixture[str]

_RESULTS: dict[int, dict[str, Any] | Exception] = {
    5: {"exact_match": 1.0, "training_loss": 0.25, "training_time": 2.0, "output_dir": "models/r-seed-5"},
    6: {"exact_match": 0.5, "training_loss": 0.5, "training_time": 4.0, "output_dir": "models/r-seed-6"},
    7: ConfigError("it cannot work"),
    8: ZeroDivisionError("division by zero"),
}


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Seeds are not trained but looked up; gives the folders that were asked for."""
    folders: list[Path] = []

    def train(job: Job, title: str, quiet: bool) -> tuple[dict[str, Any], None]:
        folders.append(job.output)
        found = _RESULTS[job.config.seed]
        if isinstance(found, Exception):
            raise found
        return found, None

    monkeypatch.setattr(seeds, "train", train)
    return folders


def test_each_seed_the_worst_and_the_mean(capsys: Output, trained: list[Path]) -> None:
    assert main(["train", "-o", "models/r", "--seed", "5", "--seeds", "2"]) == 0
    assert trained == [Path("models/r-seed-5"), Path("models/r-seed-6")]
    shown = capsys.readouterr().out
    assert "seed 5: exact match 100%, loss 0.2500, 2.0 s, models/r-seed-5" in shown
    rows = {cells[0]: cells[1:] for line in shown.splitlines() if (cells := re.split(r" {2,}", line))}
    assert rows["worst"] == ["50.00%", "0.5000", "4.0 s"] and rows["mean"] == ["75.00%", "0.3750", "3.0 s"]
    assert "2 trained, 0 failed" in shown


def test_a_seed_that_fails_does_not_end_the_others(capsys: Output, trained: list[Path]) -> None:
    assert main(["train", "--seed", "6", "--seeds", "3"]) == 1
    caught = capsys.readouterr()
    assert len(trained) == 3 and "1 trained, 2 failed" in caught.out
    assert caught.err == (
        "calcgpt: seed 7 failed: it cannot work\ncalcgpt: seed 8 failed: ZeroDivisionError: division by zero\n"
    )


def test_json(capsys: Output) -> None:
    assert main(["train", "--seed", "5", "--seeds", "3", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in found["seeds"]] == [5, 6, 7]
    assert found["seeds"][2] == {"seed": 7, "error": "it cannot work"}
    assert found["worst"] == {"exact_match": 0.5, "training_loss": 0.5, "training_time": 4.0}
    assert found["mean"]["exact_match"] == 0.75 and found["failed"] == 1


def test_where_all_fail_the_reason_decides_the_code(capsys: Output) -> None:
    assert main(["train", "--seed", "7", "--seeds", "1", "--quiet"]) == 2
    assert capsys.readouterr() == ("", "calcgpt: seed 7 failed: it cannot work\ncalcgpt: it cannot work\n")


def test_a_seed_without_exact_match(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setitem(_RESULTS, 9, {**_RESULTS[5], "exact_match": None})  # type: ignore[dict-item]
    assert main(["train", "--seed", "9", "--seeds", "1"]) == 0
    assert "exact match –" in capsys.readouterr().out
