"""What the benchmarks share: the same GPT-2, the same rows and the same settings in transformers' Trainer."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import calcgpt

# The checkout's folder datasets/ would pass for the package `datasets`, which transformers then tries to use.
sys.path = [place for place in sys.path if not (Path(place) / "datasets" / "ds-calcgpt.txt").exists()]

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

from calcgpt.model.config import GPTConfig
from calcgpt.training.source import OptimizedDataset
from calcgpt.training.tracking import Listener

DATASET = "datasets/ds-calcgpt.txt"


class Rows(torch.utils.data.Dataset):
    """An OptimizedDataset with the attention mask that a padded batch needs in transformers."""

    def __init__(self, dataset: OptimizedDataset, pad_id: int):
        self.rows = [{**row, "attention_mask": (row["input_ids"] != pad_id).long()} for row in dataset]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.rows[index]


class Stopwatch(TrainerCallback):
    """Seconds between the first step's begin and the last one's end."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.started = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds = time.perf_counter() - self.started


class OurStopwatch(Listener):
    """The same for our trainer, from the loop's begin to its last step's record; and the losses on the way."""

    def on_start(self, facts: dict[str, Any]) -> None:
        self.started = time.perf_counter()
        self.losses: list[float] = []

    def on_step(self, record: dict[str, Any]) -> None:
        self.seconds = time.perf_counter() - self.started
        self.losses.append(record["loss"])


def their_model(config: GPTConfig) -> GPT2LMHeadModel:
    """The same shape in transformers."""
    return GPT2LMHeadModel(GPT2Config(**config.to_dict()))


def train_theirs(
    model: GPT2LMHeadModel, rows: Rows, config: calcgpt.TrainingConfig, max_steps: int = -1
) -> tuple[float, float]:
    """Train with Trainer as its documentation shows it; returns seconds, and the mean loss of the last tenth."""
    watch = Stopwatch()
    steps = max_steps if max_steps > 0 else config.epochs * -(-len(rows) // config.batch_size)
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=config.batch_size,
        num_train_epochs=config.epochs,
        max_steps=max_steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        warmup_steps=config.warmup_steps,
        adam_beta2=config.adam_beta2,
        max_grad_norm=config.gradient_clip,
        lr_scheduler_type="linear",
        logging_steps=max(1, steps // 10),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        seed=config.seed,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[watch])
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return watch.seconds, float(losses[-1])


def train_ours(config: calcgpt.TrainingConfig, dataset: str = DATASET) -> tuple[float, float, calcgpt.CalcGPTTrainer]:
    """Train with CalcGPTTrainer; returns seconds of its steps, the mean loss of the last tenth, and the trainer."""
    watch = OurStopwatch()
    with tempfile.TemporaryDirectory() as folder:
        trainer = calcgpt.CalcGPTTrainer(config, dataset, f"{folder}/model", verbose=False, listeners=[watch])
        trainer.train()
    last = watch.losses[-max(1, len(watch.losses) // 10) :]
    return watch.seconds, sum(last) / len(last), trainer
