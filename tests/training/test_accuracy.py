"""A model that is really trained, in seconds, and asked every problem there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcgpt import CalcGPT
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.evaluation import evaluate

Config = Callable[..., Any]


def test_two_digit_sums_it_never_saw(config_of: Config, train: Any) -> None:
    config = config_of(
        task=Task(("+",), 0, 99),
        notation=Notation(2, 3, interleave=True, reverse=True),
        embedding_dim=32,
        num_layers=2,
        num_heads=4,
        feedforward_dim=64,
        batch_size=128,
        optimizer="muon",
        learning_rate=5e-3,
        warmup_steps=20,
        max_steps=350,
        test_split=0.2,
        eval_steps=1000,
    )
    trainer = train(config)
    solver = CalcGPT(trainer.output_dir, device="cpu")
    report = evaluate(solver, "exhaustive")
    assert report["problems"] == 10_000 and report["never_seen"]["problems"] > 1500
    assert report["never_seen"]["exact_match"] >= 0.99
    assert report["exact_match"] >= 0.99
    assert trainer.results["exact_match"] == pytest.approx(report["never_seen"]["exact_match"], abs=0.01)


def test_a_small_file_is_learnt(file_config_of: Config, train: Any, data_file: Path) -> None:
    """The documented way: a data file, plain notation, character tokens."""
    sizes = {"embedding_dim": 32, "feedforward_dim": 64}
    config = file_config_of(**sizes, epochs=60, optimizer="muon", learning_rate=5e-3, test_split=0.05, warmup_steps=20)
    trainer = train(config, data_file)
    solver = CalcGPT(trainer.output_dir, device="cpu")
    report = evaluate(solver, "exhaustive")
    assert report["problems"] == 128 and report["trained_on"]["exact_match"] >= 0.99
