"""What is written down of a run: its loss in one figure, and run.json."""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor

from calcgpt import __version__
from calcgpt.training.config import TrainingConfig
from calcgpt.training.data import TrainingData


def training_loss(losses: list[Tensor], steps_per_epoch: int | None, config: TrainingConfig) -> float:
    """The mean loss over the last epoch, or over the last tenth of the steps where data is sampled."""
    if steps_per_epoch is None:
        span = max(1, len(losses) // 10)
    else:
        span = max(1, -(-steps_per_epoch // config.gradient_accumulation))
    return float(torch.stack(losses[-span:]).mean())


def describe_run(
    config: TrainingConfig,
    data: TrainingData,
    facts: dict[str, Any],
    results: dict[str, Any],
    classes: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The content of run.json: config, versions, seed, data identity, how it was computed, results, and which classes
    are the user's own (`own_classes`).
    """
    return {
        "config": config.to_dict(),
        "seed": config.seed,
        "versions": {"calcgpt": __version__, "python": platform.python_version(), "torch": torch.__version__},
        "data": {**data.identity, "tasks": [task.to_dict() for task in data.tasks]},
        "execution": facts,
        "results": {name: value for name, value in results.items() if name != "history"},
        "classes": classes or {},
    }
