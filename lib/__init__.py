"""The documented import path of the CalcGPT training library; everything lives in the package `calcgpt`."""

from typing import TYPE_CHECKING

import lib.train as __train
from calcgpt.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from lib.train import (
        GPT,
        CalcGPTTrainer,
        OptimizedDataset,
        TrainingConfig,
        augment_data,
        create_model_config,
        create_vocab,
        detect_device,
        load_dataset,
    )

__all__ = [
    "GPT",
    "CalcGPTTrainer",
    "OptimizedDataset",
    "TrainingConfig",
    "augment_data",
    "create_model_config",
    "create_vocab",
    "detect_device",
    "load_dataset",
]

if not TYPE_CHECKING:  # imported when asked for: settings and data need no torch
    __getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__train.__all__, "lib.train"))
del TYPE_CHECKING, lazy_names, __train
