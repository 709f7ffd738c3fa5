"""What is told of a run: its loss in one figure, run.json, and the results that training returns."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from calcgpt import __version__
from calcgpt.runtime.figures import percent_text
from calcgpt.runtime.summary import Summarised
from calcgpt.runtime.table import Cell, Column, Table
from calcgpt.training.config import TrainingConfig
from calcgpt.training.data import TrainingData

_SHOWN = 5  # answers to held-out problems that a notebook shows


class TrainingResults(Summarised):
    """The results of a training: a dict with the documented keys, shown as a few figures."""

    def summary(self) -> str:
        """The figures in a line."""
        shown = [f"{name} {text}" for name, text in self._figures() if name in ("exact match", "training loss")]
        shown += [text for name, text in self._figures() if name in ("steps", "parameters", "model")]
        return f"training results: {', '.join(shown)}" if shown else "training results"

    def tables(self) -> list[Table]:
        """The figures, and some of the answers to held-out problems, wrong ones first."""
        figures = Table("Training results", [Column(""), Column("")])
        for name, text in self._figures():
            figures.add(name, text)
        answers = Table("Held-out problems", [Column(name) for name in ("problem", "answer", "solution", "")])
        tested = self.get("test_results")
        for row in tested[:_SHOWN] if isinstance(tested, list) else ():
            right = row.get("is_correct")
            verdict = Cell(right, "right" if right else "wrong", "good" if right else "bad")
            answers.add(*(row.get(name) for name in ("problem", "answer", "solution")), verdict)
        return [figures, answers] if answers.rows else [figures]

    def _figures(self) -> list[tuple[str, str]]:
        """Names and texts of what is there."""
        made: dict[str, tuple[str, Callable[[Any], str]]] = {
            "exact match": ("exact_match", percent_text),
            "training loss": ("training_loss", "{:.4g}".format),
            "validation loss": ("eval_loss", "{:.4g}".format),
            "steps": ("steps", self._steps),
            "parameters": ("model_params", "{:,} parameters".format),
            "vocabulary": ("vocab_size", "{:,} tokens".format),
            "examples": ("dataset_size", "{:,}".format),
            "model": ("output_dir", str),
        }
        return [(name, shown(self[key])) for name, (key, shown) in made.items() if self.get(key) is not None]

    def _steps(self, steps: int) -> str:
        seconds = self.get("training_time")
        return f"{steps:,} steps" + ("" if seconds is None else f" in {seconds:,.1f} s")


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
