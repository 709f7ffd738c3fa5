"""What the tests of training share: a config that trains in a moment, a data file, and a run into a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.training.config import TrainingConfig

settings.register_profile("calcgpt", deadline=None)
settings.load_profile("calcgpt")

TINY = {"embedding_dim": 16, "num_layers": 1, "num_heads": 2, "feedforward_dim": 32, "device": "cpu"}
SUMS = [f"{a}+{b}={a + b}" for a in range(8) for b in range(8)]
DIFFERENCES = [f"{a}-{b}={a - b}" for a in range(8) for b in range(8)]


def make_config(**changes: Any) -> TrainingConfig:
    """One-digit sums and differences, three steps, a few hundred parameters."""
    task = {"task": Task(max_value=9), "notation": Notation(width=1, answer_width=2)}
    return TrainingConfig(**{**TINY, **task, "batch_size": 16, "max_steps": 3, "warmup_steps": 2, **changes})


def make_file_config(**changes: Any) -> TrainingConfig:
    """For a data file: one epoch."""
    return TrainingConfig(**{**TINY, "batch_size": 16, "epochs": 1, "warmup_steps": 2, **changes})


@pytest.fixture(scope="session")
def config_of() -> Callable[..., TrainingConfig]:
    return make_config


@pytest.fixture(scope="session")
def file_config_of() -> Callable[..., TrainingConfig]:
    return make_file_config


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    """Sums and differences of 0 to 7, negative answers among them."""
    path = tmp_path / "data.txt"
    path.write_text("\n".join(SUMS + DIFFERENCES) + "\n")
    return path


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Any]:
    """Runs a config quietly into a new folder, and gives the trainer; its results are in `results`."""
    from calcgpt.training.trainer import CalcGPTTrainer

    def run(config: TrainingConfig, path: Path | None = None, kind: Any = CalcGPTTrainer, **options: Any) -> Any:
        folder = options.pop("folder", tmp_path / "models" / "model")
        trainer = kind(config, path, folder, **{"verbose": False, **options})
        trainer.results = trainer.train()
        return trainer

    return run
