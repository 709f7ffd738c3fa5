"""Reports: figures that add up, whatever the model gets wrong; and a trained model against a random one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation.evaluate import describe_wrong, evaluate_exhaustive, evaluate_fresh
from calcgpt.inference.solver import CalcGPT
from calcgpt.training.seen import trained_problems

Stub = Callable[..., Any]
TASK = Task(("+", "-"), 0, 30, negative_results=True)


def carries(problems: Problems) -> np.ndarray:
    return problems.carries() > 0


def keys_of(*problems: Problems) -> np.ndarray:
    return np.unique(Problems.concatenate(problems).keys())


def test_exhaustive_counts_exactly(stub: Stub) -> None:
    every = [(a, b) for a in range(31) for b in range(31)]
    wrong = {symbol: sum(carry(a, b) for a, b in every) for symbol, carry in (("+", carries_of), ("-", borrows_of))}
    trained = TASK.sample(900, np.random.default_rng(0))
    calls: list[tuple[int, int]] = []
    report = evaluate_exhaustive(stub(TASK, wrong=carries), keys_of(trained), lambda *call: calls.append(call))
    total = 2 * 31 * 31
    assert report["suite"] == "exhaustive" and report["problems"] == total
    assert report["right"] == total - sum(wrong.values()) and report["exact_match"] == report["right"] / total
    for key in ("problems", "right"):
        assert report["trained_on"][key] + report["never_seen"][key] == report[key]
    seen = {(symbol, *pair) for symbol, pair in asked(trained)} | {
        ("+", b, a) for symbol, (a, b) in asked(trained) if symbol == "+"
    }
    assert report["trained_on"]["problems"] == len(seen)
    assert [row["operation"] for row in report["operations"]] == ["+", "-"]
    assert [row["problems"] - row["right"] for row in report["operations"]] == list(wrong.values())
    assert calls[-1] == (total, total)
    assert len(report["wrong"]) == 100 and report["seconds"] > 0
    assert report["wrong"][0] == {"problem": "1+9", "answer": "11", "solution": "10", "error": None}
    assert json.loads(json.dumps(report)) == report


def asked(problems: Problems) -> list[tuple[str, tuple[int, int]]]:
    symbols = [problems.symbols[index] for index in problems.operation]
    return [(symbol, (a, b)) for symbol, (a, b) in zip(symbols, problems.operands.tolist(), strict=True)]


def carries_of(a: int, b: int) -> bool:
    return a % 10 + b % 10 > 9


def borrows_of(a: int, b: int) -> bool:
    return max(a, b) % 10 < min(a, b) % 10


def test_fresh_counts_exactly(stub: Stub) -> None:
    report = evaluate_fresh(stub(TASK, wrong=carries), keys_of(TASK.sample(300, np.random.default_rng(0))), 80, seed=3)
    assert report["suite"] == "fresh" and report["unseen"] is True and report["seed"] == 3
    assert report["problems"] == sum(row["problems"] for row in report["buckets"]) > 160
    assert report["right"] == sum(row["right"] for row in report["buckets"])
    assert report["problems"] - report["right"] == len(report["wrong"])
    assert all(int(row["answer"]) == int(row["solution"]) + 1 for row in report["wrong"])
    assert json.loads(json.dumps(report)) == report
    again = evaluate_fresh(stub(TASK, wrong=carries), keys_of(TASK.sample(300, np.random.default_rng(0))), 80, seed=3)
    assert {**again, "seconds": 0} == {**report, "seconds": 0}


def test_what_was_trained_on_may_be_unknown(stub: Stub) -> None:
    solver = stub(TASK)
    report = evaluate_exhaustive(solver, None)
    assert report["exact_match"] == 1.0 and report["wrong"] == []
    assert report["trained_on"] is None and report["never_seen"] is None
    assert evaluate_fresh(solver, None, 20)["unseen"] is False


def test_nothing_to_ask(stub: Stub) -> None:
    for evaluate in (evaluate_fresh, evaluate_exhaustive):
        with pytest.raises(ConfigError, match="trained on text without arithmetic"):
            evaluate(stub(), None)
    task = Task(("+",), 0, 3)
    every = keys_of(*[task.sample(2000, np.random.default_rng(0))])
    with pytest.raises(ConfigError, match="no unseen problem is left"):
        evaluate_fresh(stub(task), every)
    assert evaluate_exhaustive(stub(task), every)["never_seen"] == {"problems": 0, "right": 0, "exact_match": None}
    assert describe_wrong(stub(task), Problems.concatenate([])) == []


def test_a_trained_model_is_told_from_a_random_one(tiny_model: Path) -> None:
    solver = CalcGPT(tiny_model, device="cpu")
    seen = trained_problems(solver.run)
    report = evaluate_exhaustive(solver, seen)
    assert report["problems"] == 200 and report["trained_on"]["problems"] + report["never_seen"]["problems"] == 200
    assert report["never_seen"]["problems"] > 10, "a fifth is held out"
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in solver.model.parameters():
            parameter.normal_(std=0.1)
    random = evaluate_exhaustive(solver, seen)
    assert report["right"] > 60 and random["right"] < 30
    assert random["trained_on"]["problems"] == report["trained_on"]["problems"]
    fresh = evaluate_fresh(solver, seen, 1000)
    assert fresh["problems"] == report["never_seen"]["problems"], "all that is left"
