"""The documented import path of the CalcGPT training library; everything lives in the package `calcgpt`."""

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
