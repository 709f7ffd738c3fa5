"""What the tests of evaluation share: models that write columns, and what a suite asks a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.evaluation.portions import Batch, Drawer
from calcgpt.evaluation.subjects import subject_of
from calcgpt.evaluation.suites import Part, Suite
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer

TASK = {"operations": ["+", "-", "*", "//", "%"], "max_digits": [3, 2], "max_operands": 3}
SCHEME = Positions("coupled", "relative", (1,), segments=True, ahead=True)


def make_columns(
    signed: bool = False, scheme: Positions = SCHEME, characters: str = "0123456789+-*/%=", **task: Any
) -> CalcGPT:
    """A solver that writes columns, with random weights."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.build([characters])
    model = GPT(GPTConfig(len(tokenizer), 99, 16, 1, 2, 16, positions=scheme))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    tasks = {**TASK, **task}
    config: dict[str, Any] = {"notation": {"work": "columns", "signed": signed}, "task": tasks, "max_steps": 1}
    config["positions"] = asdict(scheme)
    run = {"config": config, "data": {"tasks": [tasks]}}
    return CalcGPT.from_parts(model, tokenizer, run)


@pytest.fixture(scope="session")
def columns_of() -> Callable[..., CalcGPT]:
    return make_columns


@pytest.fixture(scope="session")
def asked_of() -> Callable[..., dict[str, list[Batch]]]:
    """What a part of a kind asks a model, by the portion's name: `seen` are sorted keys of what it was trained on."""

    def ask(
        model: Any, kind: str, seen: np.ndarray | None = None, seed: int = 0, tasks: Any = (), **part: Any
    ) -> dict[str, list[Batch]]:
        suite = Suite("x", (Part(kind, **part),), seed=seed)
        portions = Drawer(subject_of(model, tasks), suite, seen).portions()
        assert len({portion.name for portion in portions}) == len(portions), "a name is a stream"
        return {portion.name: list(portion.batches()) for portion in portions}

    return ask


def texts_of(batches: Iterator[Batch] | list[Batch]) -> list[str]:
    return [text for batch in batches for text in batch.problems.expressions()]


@pytest.fixture(scope="session")
def texts() -> Callable[..., list[str]]:
    """The expressions of some batches."""
    return texts_of
