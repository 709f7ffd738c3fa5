"""Every wrong answer is kept, with what the model wrote, how sure it was, and where it first went wrong."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.evaluation import evaluate, failures, judging, load_suite
from calcgpt.evaluation.failures import first_wrong, worst
from calcgpt.evaluation.suites import Part, Suite

KEYS = ["problem", "answer", "solution", "completion", "confidence", "tokens", "first_wrong", "case", "trained_on"]
KEYS += ["error"]
INTEGER = st.integers(-120, 120) | st.integers(-(10**20), 10**20)


def kept(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "failures.jsonl").read_text(encoding="utf-8").splitlines()]


def carries(problems: Problems) -> np.ndarray:
    return problems.carries() > 0


def big(problems: Problems) -> np.ndarray:
    return np.asarray(problems.operands[:, 0] >= 40)


@pytest.mark.parametrize("reverse", [False, True])
def test_every_failure_is_there(
    stub: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reverse: bool
) -> None:
    task = Task(("+",), 0, 49)
    seen = np.unique(task.sample(200, np.random.default_rng(0)).keys())
    monkeypatch.setattr(judging, "trained_problems", lambda run: seen)
    solver = stub(task, notation=Notation(reverse=reverse), wrong=carries, mute=big)
    report = evaluate(solver, "exhaustive", folder=tmp_path / "new" / "folder")
    records = kept(tmp_path / "new" / "folder")
    expected = {f"{a}+{b}" for a in range(50) for b in range(50) if a >= 40 or a % 10 + b % 10 > 9}
    assert {record["problem"] for record in records} == expected
    assert len(records) == len(expected) == report["problems"] - report["right"]
    sure = sorted(records, key=lambda record: -record["confidence"])
    assert report["wrong"] == sure[:100], "those of which it was most sure, and else in order"
    assert report["failures_file"] == str(tmp_path / "new" / "folder" / "failures.jsonl")
    assert report["trained_on"]["problems"] - report["trained_on"]["right"] == sum(r["trained_on"] for r in records)
    for record in records:
        a, b = map(int, record["problem"].split("+"))
        check(record, a, b, reverse)


def check(record: dict[str, Any], a: int, b: int, reverse: bool) -> None:
    assert list(record) == KEYS and record["solution"] == str(a + b)
    assert record["case"] is None and record["error"] is None
    tokens = record["tokens"]
    assert "".join(token["token"] for token in tokens if token["token"] != "<eos>") == record["completion"]
    assert tokens[-1]["token"] == "<eos>" and len(tokens) == len(record["completion"]) + 1
    assert all(token["probability"] == pytest.approx(np.exp(-0.01)) for token in tokens)
    assert record["confidence"] == pytest.approx(np.prod([token["probability"] for token in tokens]))
    if a >= 40:
        assert record["answer"] is record["first_wrong"] is None and record["completion"].startswith("=")
    else:
        assert record["answer"] == str(a + b + 1)
        assert record["completion"] == (record["answer"][::-1] if reverse else record["answer"])
        assert record["first_wrong"] == 0


def test_what_the_report_says_is_kept(stub: Callable[..., Any], tmp_path: Path) -> None:
    report = evaluate(stub(Task(("-",), 0, 99), wrong=carries), "standard", folder=tmp_path)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["failures.jsonl", "report.json"]
    assert len(kept(tmp_path)) == report["problems"] - report["right"] > len(report["wrong"]) == 100
    assert {record["case"] for record in kept(tmp_path)} >= {None, "10...0 - 1", "brackets"}
    memory = evaluate(stub(Task(("-",), 0, 99), wrong=carries), "standard")
    assert memory["failures_file"] is None and memory["wrong"] == report["wrong"]


def test_right_answers_leave_an_empty_file(stub: Callable[..., Any], tmp_path: Path) -> None:
    for model, count in ((stub(Task(("+",), 0, 9), wrong=carries), 45), (stub(Task(("+",), 0, 9)), 0)):
        evaluate(model, "exhaustive", folder=tmp_path)
        assert len(kept(tmp_path)) == count, "those of the evaluation before are gone"


def test_what_was_refused_and_how_it_was_typed(stub: Callable[..., Any], tmp_path: Path) -> None:
    solver = stub(Task(("+",), 0, 99), notation=Notation(1, 2))
    robust = Suite("x", (Part("robustness", 5),))
    report = evaluate(solver, robust, folder=tmp_path)
    assert report["refused"] == report["problems"] - report["right"] == len(kept(tmp_path)) > 0
    assert {record["problem"] for record in report["wrong"]} == {record["problem"] for record in kept(tmp_path)}
    for record in report["wrong"]:
        assert record["answer"] is record["completion"] is record["tokens"] is record["first_wrong"] is None
        assert record["error"] and record["case"] is not None
    typed = {record["problem"] for record in report["wrong"]}
    assert any(text.startswith("  ") for text in typed) and any(text.endswith("=") for text in typed)


def test_columns_have_completions_too(columns_of: Callable[..., Any], tmp_path: Path) -> None:
    report = evaluate(columns_of(operations=["+"], max_operands=2), load_suite("quick").changed(5), folder=tmp_path)
    assert len(kept(tmp_path)) == report["problems"] - report["right"] > 0
    different = {record["problem"]: record["confidence"] for record in kept(tmp_path)}
    assert {record["problem"]: record["confidence"] for record in report["wrong"]} == different
    for record in report["wrong"]:
        names = [token["token"] for token in record["tokens"]]
        assert "".join(name for name in names if name != "<eos>") == record["completion"]
        probability = np.prod([token["probability"] for token in record["tokens"]])
        assert record["confidence"] == pytest.approx(probability, rel=1e-3)


def test_the_worst_come_first_and_each_once() -> None:
    rows = [("a", 0.2, None), ("b", None, "too long"), ("a", 0.2, None), ("c", 0.9, None), ("d", None, None)]
    rows += [("e", 0.2, None), ("f", 0.0, "too long")]
    found = [{"problem": problem, "confidence": sure, "error": error} for problem, sure, error in rows]
    assert "".join(row["problem"] for row in worst(found, 10)) == "caedbf"
    assert "".join(row["problem"] for row in worst(found, 2)) == "ca"
    halves = worst([*worst(found[:3], 4), *found[3:]], 4)
    assert halves == worst(found, 4), "a part at a time is as good as all at once"


@given(INTEGER, INTEGER)
def test_the_first_wrong_digit_from_the_units(answer: int, solution: int) -> None:
    place = first_wrong(str(answer), str(solution))
    a, b = abs(answer), abs(solution)
    if place is None:
        assert a == b
    else:
        assert a % 10**place == b % 10**place
        digits = [str(value)[::-1][place : place + 1] for value in (a, b)]
        assert digits[0] != digits[1]


def test_the_examples_of_the_module() -> None:
    found = doctest.testmod(failures)
    assert found.attempted and not found.failed
