"""CalcGPT: generate arithmetic, train a small GPT on it from scratch, and find out exactly what it can compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calcgpt.runtime.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
