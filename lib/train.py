"""Training, by its documented names; each is defined, and used, in the package `calcgpt`."""

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
