"""`calcgpt evaluate`: tables and JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcgpt.cli.evaluate import _percent
from calcgpt.cli.main import main

Output = pytest.CaptureFixture[str]


def _rows(shown: str) -> list[list[str]]:
    lines = [line for line in shown.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_fresh_problems_by_operation_and_digits(tiny_model: Path, capsys: Output) -> None:
    assert main(["evaluate", str(tiny_model), "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "that it was never trained on" in shown
    rows = _rows(shown)
    assert [row[:2] for row in rows] == [["+", "1"], ["-", "1"]]
    total, right = (sum(int(row[place]) for row in rows) for place in (2, 3))
    assert f"{right} of {total} right" in shown


def test_the_json_says_the_same(tiny_model: Path, capsys: Output) -> None:
    assert main(["evaluate", str(tiny_model), "--json", "--count", "5", "--seed", "3"]) == 0
    caught = capsys.readouterr()
    report = json.loads(caught.out)
    assert report["suite"] == "fresh" and report["unseen"] and report["seed"] == 3
    assert [(row["operation"], row["digits"], row["problems"]) for row in report["buckets"]] == [
        ("+", 1, 5),
        ("-", 1, 5),
    ]
    assert report["model"] == str(tiny_model) and caught.err == ""


def test_every_problem_with_what_was_trained_on_apart(tiny_model: Path, capsys: Output) -> None:
    assert main(["evaluate", str(tiny_model), "--exhaustive"]) == 0
    shown = capsys.readouterr().out
    assert "every problem of its range, 200" in shown
    assert [row[:2] for row in _rows(shown)] == [["+", "100"], ["-", "100"]]
    assert main(["evaluate", str(tiny_model), "--exhaustive", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    for name, title in (("trained_on", "trained on"), ("never_seen", "never seen")):
        assert f"{title}: {report[name]['right']} of {report[name]['problems']} right" in shown
    assert f"{report['right']} of 200 right" in shown
    assert report["trained_on"]["problems"] + report["never_seen"]["problems"] == 200


def test_wrong_answers_are_shown(tiny_model: Path, capsys: Output) -> None:
    assert main(["evaluate", str(tiny_model), "--exhaustive", "--json"]) == 0
    wrong = json.loads(capsys.readouterr().out)["wrong"]
    assert main(["evaluate", str(tiny_model), "--exhaustive"]) == 0
    shown = capsys.readouterr().out
    for row in wrong[:10]:
        assert f"{row['problem']}={row['solution']}: " in shown
    assert ("wrong answers:" in shown) == bool(wrong)


def test_the_newest_model_is_meant_where_none_is_named(tiny_model: Path, own_folder: Path, capsys: Output) -> None:
    shutil.copytree(tiny_model, own_folder / "models" / "mine")
    assert main(["evaluate", "--count", "2"]) == 0
    assert capsys.readouterr().out.startswith(str(Path("models/mine")))
    assert main(["evaluate", "mine", "--count", "2", "--json"]) == 0


def test_in_a_terminal(tiny_model: Path, in_terminal: Callable[..., tuple[int, str]]) -> None:
    code, screen = in_terminal("evaluate", str(tiny_model), "--count", "3")
    assert code == 0 and "evaluating" in screen and "operation" in screen


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothing"], "there is no model 'nothing'"),
        (["--count", "0"], "--count must be at least 1, not 0"),
        (["--count", "many"], "--count must be a whole number"),
    ],
)
def test_what_cannot_work_is_one_line(capsys: Output, arguments: list[str], expected: str) -> None:
    assert main(["evaluate", *arguments]) == 2
    caught = capsys.readouterr()
    assert caught.err.startswith("calcgpt: ") and expected in caught.err and caught.err.count("\n") == 1


@pytest.mark.parametrize(
    ("right", "total", "expected"),
    [(3, 3, "100%"), (2, 3, "66.667%"), (1_999_999, 2_000_000, "99.999%"), (0, 3, "0.000%"), (0, 0, "-")],
)
def test_a_share_is_100_only_where_all_are_right(right: int, total: int, expected: str) -> None:
    row: dict[str, Any] = {"right": right, "problems": total, "exact_match": right / total if total else None}
    assert _percent(row) == expected
