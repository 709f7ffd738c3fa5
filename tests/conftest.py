"""What tests of several folders share: a small model that was trained for them."""

from __future__ import annotations

import os

# Before torch is loaded. What is tested is small; a second thread only waits, and beside other processes for long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.training.config import TrainingConfig


@pytest.fixture(scope="session")
def tiny_config() -> TrainingConfig:
    """Sums and differences of one digit, trained in a second or two; not all that it answers is right."""
    return TrainingConfig(
        task=Task(max_value=9),
        notation=Notation(width=1, answer_width=2),
        embedding_dim=32,
        num_layers=1,
        num_heads=4,
        feedforward_dim=64,
        batch_size=64,
        learning_rate=5e-3,
        warmup_steps=20,
        max_steps=200,
        eval_steps=100,
        device="cpu",
    )


@pytest.fixture(scope="session")
def tiny_model(tiny_config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished model of `tiny_config`. It is shared: read it, and leave it as it is."""
    from calcgpt.training.trainer import CalcGPTTrainer

    folder = tmp_path_factory.mktemp("models") / "tiny"
    CalcGPTTrainer(tiny_config, None, folder, verbose=False).train()
    return folder
