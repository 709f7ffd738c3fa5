"""Models that are really trained on at most four digits, in seconds, and asked forty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt import CalcGPT
from calcgpt.arithmetic import columns, rows
from calcgpt.arithmetic import digits as d
from calcgpt.arithmetic.columns import Numbers
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.evaluation import evaluate, load_suite
from calcgpt.tokens.scheme import Positions

Config = Callable[..., Any]


@pytest.fixture
def config(config_of: Config) -> Any:
    """Sums of at most four digits."""
    return config_of(
        task=Task(("+",), max_digits=(4,), carry_share=0.3),  # type: ignore[arg-type]
        notation=Notation(work="columns"),
        positions=Positions("coupled", "relative", (1,), segments=True, ahead=True),
        batch_tokens=800,
        test_split=0.05,
        embedding_dim=48,
        num_layers=1,
        num_heads=4,
        feedforward_dim=192,
        max_steps=600,
        warmup_steps=20,
        optimizer="muon",
        learning_rate=0.04,
        muon_learning_rate=0.05,
        adam_beta2=0.98,
        weight_decay=0.0,
        eval_steps=1000,
        seed=1,
    )


def exact_match(solver: CalcGPT, count: int = 200) -> tuple[float, float]:
    """At four digits and at forty, of problems that were not trained on."""
    report = evaluate(solver, load_suite("lengths").changed(count, ["4", "40"]))
    assert report["unseen"] and report["problems"] == 2 * count
    assert [row["digits"] for row in report["buckets"]] == ["4", "40"] and not report["trained_on"]["problems"]
    four, forty = (row["exact_match"] for row in report["buckets"])
    return four, forty


def randomize(solver: CalcGPT) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in solver.model.parameters():
            parameter.normal_(std=float(parameter.std()) + 0.02)


def test_sums_ten_times_as_long_as_those_it_saw(config: Any, train: Any) -> None:
    trainer = train(config)
    solver = CalcGPT(trainer.output_dir, device="cpu")
    four, forty = exact_match(solver)
    assert four >= 0.9 and forty >= 0.8
    assert trainer.results["exact_match"] == pytest.approx(four, abs=0.1)
    text = f"{10**39 + 7}+{8 * 10**39 + 5}"
    assert solver.solve(text)["in_distribution"] is False and solver.solve("12+34")["answer"] == "46"
    randomize(solver)
    assert exact_match(solver) == (0, 0), "it was the weights that knew"


def test_an_operation_that_nobody_knows_is_learnt_as_well(
    config: Any, train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where + means a + b + 1, in what is shown and in what is judged, a model that learns answers a + b + 1."""
    solve, plain = columns.solve, rows.sum_rows

    def one_more(a: Any, b: Any) -> Any:
        one = np.zeros_like(a)
        one[:, 0] = 1
        return d.add(d.add(a, b), np.pad(one, ((0, 0), (0, 1))))[:, :-1]

    def strange_solve(symbol: str, operands: Any) -> Numbers:
        assert symbol == "+" and len(operands) == 2
        return Numbers(one_more(*operands), np.zeros(len(operands[0]), bool))

    monkeypatch.setattr(columns, "solve", strange_solve)
    monkeypatch.setattr(rows, "sum_rows", lambda operands: [one_more(*operands) + rows.ZERO])
    solver = CalcGPT(train(config).output_dir, device="cpu")
    four, forty = exact_match(solver)
    assert four >= 0.9 and forty >= 0.8
    asked = [(12, 34), (0, 0), (499, 500), (10**39 - 1, 10**38), (4 * 10**39, 33)]
    answers = [solver.solve(f"{a}+{b}")["answer"] for a, b in asked]
    right = sum(answer == str(a + b + 1) for answer, (a, b) in zip(answers, asked, strict=True))
    assert right >= 4, answers
    monkeypatch.setattr(columns, "solve", solve)
    monkeypatch.setattr(rows, "sum_rows", plain)
    assert max(exact_match(solver)) <= 0.02, "it learnt no sums"
