"""What the tests of other forms share: models of sums that were trained for a second or two, and are mostly wrong."""

from __future__ import annotations

from typing import Any

import pytest

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.inference.solver import CalcGPT
from calcgpt.tokens.scheme import Positions
from calcgpt.training.config import TrainingConfig

COLUMNS: dict[str, Any] = {
    "task": Task(operations=("+",), max_digits=(4,)),
    "notation": Notation(work="columns"),
    "positions": Positions(ids="coupled", encoding="relative", window=(1,), segments=True, ahead=True),
    "batch_tokens": 1000,
    "max_steps": 100,
}
PADDED: dict[str, Any] = {
    "task": Task(operations=("+",), max_value=9_999_999_999),
    "notation": Notation(width=10, answer_width=11, interleave=True, reverse=True),
    "batch_size": 32,
    "max_steps": 500,
    "optimizer": "muon",
}


@pytest.fixture(scope="session", params=[COLUMNS, PADDED], ids=["columns", "padded"])
def ten_digits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CalcGPT:
    """A model that writes a number after any sum of ten-digit numbers. It is shared: leave it as it is."""
    from calcgpt.training.trainer import CalcGPTTrainer

    sizes = {"embedding_dim": 32, "num_layers": 1, "num_heads": 4, "feedforward_dim": 64}
    pace = {"eval_steps": 100, "eval_examples": 20, "learning_rate": 5e-3, "warmup_steps": 10}
    folder = tmp_path_factory.mktemp("models") / "sums"
    CalcGPTTrainer(TrainingConfig(**request.param, **sizes, **pace, device="cpu"), None, folder, verbose=False).train()
    return CalcGPT(folder, device="cpu")
