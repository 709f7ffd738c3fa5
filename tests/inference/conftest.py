"""What the tests of decoding and solving share: models with lively random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from calcgpt.inference.solver import CalcGPT
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.tokenizer import Tokenizer


def make_model(vocab_size: int = 9, max_length: int = 14, seed: int = 0, scale: float = 0.4) -> GPT:
    """A model that writes varied completions, and ends some of them early."""
    torch.manual_seed(seed)
    sizes = {"embedding_dim": 16, "num_layers": 2, "num_heads": 2, "feedforward_dim": 32}
    model = GPT(GPTConfig(vocab_size, max_length, **sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * scale)
    return model.eval()


def make_solver(characters: str = "0123456789+-=()", mode: str = "char", max_length: int = 16, **run: Any) -> CalcGPT:
    """A solver that answers at random; `run` is what run.json would say."""
    tokenizer = Tokenizer.build([characters], mode)
    torch.manual_seed(0)
    return CalcGPT.from_parts(make_model(len(tokenizer), max_length), tokenizer, run)


@pytest.fixture(scope="session")
def lively() -> Callable[..., GPT]:
    return make_model


@pytest.fixture(scope="session")
def solver_of() -> Callable[..., CalcGPT]:
    return make_solver
