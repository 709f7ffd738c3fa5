"""Training, by its documented names; each is defined, and used, in the package `calcgpt`."""

from typing import TYPE_CHECKING

from calcgpt.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from calcgpt.arithmetic.datasets import augment_data, load_dataset
    from calcgpt.model.gpt import GPT
    from calcgpt.runtime.device import detect_device
    from calcgpt.tokens.tokenizer import create_vocab
    from calcgpt.training.config import TrainingConfig
    from calcgpt.training.source import OptimizedDataset
    from calcgpt.training.trainer import CalcGPTTrainer, create_model_config

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
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "GPT": "calcgpt.model.gpt",
            "CalcGPTTrainer": "calcgpt.training.trainer",
            "OptimizedDataset": "calcgpt.training.source",
            "TrainingConfig": "calcgpt.training.config",
            "augment_data": "calcgpt.arithmetic.datasets",
            "create_model_config": "calcgpt.training.trainer",
            "create_vocab": "calcgpt.tokens.tokenizer",
            "detect_device": "calcgpt.runtime.device",
            "load_dataset": "calcgpt.arithmetic.datasets",
        },
    )
del TYPE_CHECKING, lazy_names
