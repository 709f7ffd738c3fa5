"""CalcGPT: generate arithmetic, train a small GPT on it from scratch, and find out exactly what it can compute."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calcgpt.inference.solver import CalcGPT
    from calcgpt.training.config import TrainingConfig
    from calcgpt.training.trainer import CalcGPTTrainer

__version__ = "0.1.0"

_HOMES = {
    "CalcGPT": "calcgpt.inference.solver",
    "CalcGPTTrainer": "calcgpt.training.trainer",
    "TrainingConfig": "calcgpt.training.config",
}
__all__ = ["CalcGPT", "CalcGPTTrainer", "TrainingConfig", "__version__"]


def __getattr__(name: str) -> Any:  # imported when asked for: the command's help must not wait for torch
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'calcgpt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
