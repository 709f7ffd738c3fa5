"""Every setting of a training run: one dataclass, from which flags, help and recipes come. Imports no torch."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

import numpy as np

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError, check_seed, shown_value
from calcgpt.tokens.scheme import Positions

_LARGEST = 2**63 - 1  # what a seed, and a size, may be


@dataclass
class TrainingConfig:
    """All settings of a run. Every field is a flag of `calcgpt train`, `_` written as `-`.

    Args:
        epochs: passes over the training examples (a data file only).
        batch_size: examples a step; not looked at where batch_tokens is set.
        learning_rate: the highest learning rate, after warm-up.
        embedding_dim: width of the model.
        num_layers: blocks of the model.
        num_heads: attention heads a block; divides embedding_dim.
        feedforward_dim: width of the feed-forward part of a block.
        warmup_steps: steps in which the learning rate rises from 0.
        weight_decay: decoupled weight decay of the matrices.
        save_steps: steps between two checkpoints, each a usable model; 0 saves at the end only.
        test_split: share held out for the test, a+b and b+a together, chosen by a hash of the problem.
        seed: of data order, split, initial weights and dropout.
        no_augmentation: leave out the b+a that is added for every a+b of a data file.
        max_steps: optimiser steps after which to stop; needed with a task.
        max_seconds: seconds after which to stop, wherever the run is.
        loss_on: what the loss looks at: the answer with its end, or all of the text.
        tokenizer: one token a character, or a token for every number from 0 to 99.
        notation: how problems are written for the model.
        task: draw problems afresh instead of reading a data file.
        positions: the position scheme: which tokens belong together, and what attention sees of it.
        batch_tokens: with task.max_digits, tokens a step in place of batch_size examples, so that short and long
            problems have their share.
        curriculum_steps: with task.max_digits, steps in which the widths rise to their most; with 0 all come from the
            first step on.
        device: cuda, mps or cpu; without it the best there is.
        precision: float32 or bfloat16 (autocast); without it bfloat16 where the device gains from it.
        compile: torch.compile on or off; without it on for CUDA only.
        optimizer: AdamW for everything, or Muon for the matrices inside the blocks and AdamW for the rest.
        muon_learning_rate: Muon's highest learning rate.
        adam_beta2: AdamW's decay of squared gradients.
        schedule: the learning rate after warm-up: falls to 0 linearly, as a cosine, as a square (low for long), or
            stays.
        gradient_clip: largest norm of the gradient; 0 leaves it as it is.
        gradient_accumulation: batches added up for one step.
        dropout: share of activations dropped in training.
        eval_steps: steps between two validations; without it each epoch, or a tenth of a task's steps.
        eval_examples: most held-out examples a validation during training looks at; the last looks at all of a file.
        target_exact_match: stop once a validation, on held-out problems of the training range, reaches this share.
        init_from: model folder whose weights to start from.
        skip_invalid: leave out invalid lines of a data file instead of refusing it.
        plain_text: train on lines that are no arithmetic, as plain characters.
        overwrite: replace files in the output folder that are not a model of ours (they are kept as NAME.previous).

    Raises:
        ConfigError: a value that cannot work, with what was expected and what came.
    """

    epochs: int = 50
    batch_size: int = 8
    learning_rate: float = 1e-3
    embedding_dim: int = 128
    num_layers: int = 6
    num_heads: int = 8
    feedforward_dim: int = 512
    warmup_steps: int = 100
    weight_decay: float = 0.01
    save_steps: int = 0
    test_split: float = 0.2
    seed: int = 42
    no_augmentation: bool = False
    max_steps: int | None = None
    max_seconds: float | None = None
    loss_on: Literal["answer", "all"] = "answer"
    tokenizer: Literal["char", "number"] = "char"
    notation: Notation = field(default_factory=Notation)
    task: Task | None = None
    positions: Positions = field(default_factory=Positions)
    batch_tokens: int | None = None
    curriculum_steps: int = 0
    device: Literal["cuda", "mps", "cpu"] | None = None
    precision: Literal["float32", "bfloat16"] | None = None
    compile: bool | None = None
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_learning_rate: float = 0.02
    adam_beta2: float = 0.98
    schedule: Literal["linear", "cosine", "quadratic", "constant"] = "linear"
    gradient_clip: float = 1.0
    gradient_accumulation: int = 1
    dropout: float = 0.0
    eval_steps: int | None = None
    eval_examples: int = 1000
    target_exact_match: float | None = None
    init_from: str | None = None
    skip_invalid: bool = False
    plain_text: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.init_from, os.PathLike):
            self.init_from = os.fspath(self.init_from)
        self.check()

    def check(self) -> None:
        """Raise ConfigError unless everything can work; to be called after a field was set."""
        self._check_kinds()
        self._check_choices()
        self._check_numbers()
        self._check_together()

    def _check_kinds(self) -> None:
        for name in ("no_augmentation", "skip_invalid", "plain_text", "overwrite"):
            _check(isinstance(getattr(self, name), bool), name, "true or false", getattr(self, name))
        _check(self.compile is None or isinstance(self.compile, bool), "compile", "true or false", self.compile)
        good = self.init_from is None or (isinstance(self.init_from, str) and bool(self.init_from))
        _check(good, "init_from", "a model's folder or name", self.init_from)
        _check(isinstance(self.notation, Notation), "notation", "a Notation", self.notation)
        _check(self.task is None or isinstance(self.task, Task), "task", "a Task", self.task)
        _check(isinstance(self.positions, Positions), "positions", "a Positions", self.positions)

    def _check_numbers(self) -> None:
        sizes = ("epochs", "batch_size", "embedding_dim", "num_layers", "num_heads", "feedforward_dim")
        for name in (*sizes, "gradient_accumulation", "eval_examples"):
            _check_whole(name, getattr(self, name), 1)
        check_seed(self.seed)
        for name in ("warmup_steps", "save_steps", "curriculum_steps"):
            _check_whole(name, getattr(self, name), 0)
        for name in ("learning_rate", "muon_learning_rate"):
            _check_number(name, getattr(self, name), above=True)
        for name in ("weight_decay", "gradient_clip"):
            _check_number(name, getattr(self, name), above=False)
        for name in ("test_split", "dropout", "adam_beta2"):
            _check_share(name, getattr(self, name))
        for name in ("max_steps", "eval_steps", "batch_tokens"):
            if getattr(self, name) is not None:
                _check_whole(name, getattr(self, name), 1)
        if self.max_seconds is not None:
            _check_number("max_seconds", self.max_seconds, above=True)
        if self.target_exact_match is not None:
            _check_share("target_exact_match", self.target_exact_match, upper_included=True)

    def _check_choices(self) -> None:
        choices = {
            "loss_on": ("answer", "all"),
            "tokenizer": ("char", "number"),
            "device": (None, "cuda", "mps", "cpu"),
            "precision": (None, "float32", "bfloat16"),
            "optimizer": ("adamw", "muon"),
            "schedule": ("linear", "cosine", "quadratic", "constant"),
        }
        for name, allowed in choices.items():
            expected = "one of " + ", ".join(str(choice) for choice in allowed if choice)
            _check(getattr(self, name) in allowed, name, expected, getattr(self, name))

    def _check_together(self) -> None:
        if self.embedding_dim % self.num_heads:
            raise ConfigError(
                f"num_heads must divide embedding_dim: {self.embedding_dim} channels cannot be shared by "
                f"{self.num_heads} heads"
            )
        if self.task is not None and self.max_steps is None and self.max_seconds is None:
            raise ConfigError("a task has no end of its own: set max_steps or max_seconds")
        if self.plain_text and (self.task is not None or not self.notation.plain):
            raise ConfigError("plain_text is for a data file in its own notation; leave task and notation away")
        self._check_columns()
        if self.task is not None and self.notation.work == "none":
            ends = np.array([[self.task.min_value, self.task.max_value]], dtype=object)
            reason = self.notation.unsupported(Problems(self.task.operations[:1], np.zeros(1, np.uint8), ends))[0]
            if reason:
                raise ConfigError(f"the notation cannot write the task's operands: {reason}")
        if self.target_exact_match is not None and self.task is None and not self.test_split:
            raise ConfigError("target_exact_match is measured on held-out examples: set test_split above 0")

    def _check_columns(self) -> None:
        columns, drawn = self.notation.work == "columns", self.task is not None and bool(self.task.max_digits)
        if columns != drawn:
            raise ConfigError(
                "notation.work columns and task.max_digits need each other: columns are as wide as the problem that is "
                "drawn"
            )
        if self.notation.signed and self.task is not None and self.task.max_operands > 2:
            raise ConfigError("notation.signed has two operands: leave task.max_operands away")
        if columns and self.task is not None and not self.task.negative_results:
            raise ConfigError("columns write differences of either sign: leave task.negative_results on")
        if columns and self.positions.plain:
            raise ConfigError(
                "columns need another position scheme than GPT-2's own, which ends with the longest problem it saw: "
                "set positions.encoding, or positions.offset to uniform"
            )
        if columns and self.tokenizer != "char":
            raise ConfigError("columns are written digit by digit: set tokenizer to char")
        if not columns and (self.positions.needs_shape or self.positions.offset != "none"):
            name = "ids" if self.positions.ids != "sequential" else "segments" if self.positions.segments else "offset"
            raise ConfigError(f"positions.{name} depends on a problem's columns: set notation.work to columns")
        if not columns and (self.batch_tokens or self.curriculum_steps):
            name = "batch_tokens" if self.batch_tokens else "curriculum_steps"
            raise ConfigError(f"{name} is for problems drawn by their number of digits: set task.max_digits")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `run.json` and YAML hold them; `from_dict` reads them back."""
        values = dataclasses.asdict(self)
        if self.task:
            values["task"] = self.task.to_dict()
        values["positions"] = self.positions.to_dict()
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingConfig:
        """Build a config from plain values; what is not named keeps its default.

        Raises:
            ConfigError: a name that is no setting, or a value that cannot work.
        """
        if not isinstance(values, dict):
            raise ConfigError(f"expected settings by name, not {shown_value(values)}")
        values = dict(values)
        for name, kind in (("notation", Notation), ("task", Task), ("positions", Positions)):
            if isinstance(values.get(name), dict):
                values[name] = _build(kind, values[name], f"{name}.")
        return _build(cls, values, "")


def _build(kind: type, values: dict[str, Any], prefix: str) -> Any:
    names = [entry.name for entry in dataclasses.fields(kind)]
    unknown = [
        f"{prefix}{name}" if isinstance(name, str) else shown_value(name) for name in values if name not in names
    ]
    if unknown:
        shown = " ".join(", ".join(unknown).split())  # on one line
        raise ConfigError(f"no such setting: {shown}; there are {', '.join(names)}")
    return kind(**values)


def _check(good: bool, name: str, expected: str, value: object) -> None:
    if not good:
        raise ConfigError(f"{name} must be {expected}, not {shown_value(value)}")


def _check_whole(name: str, value: object, least: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST
    _check(whole, name, "a positive integer" if least else "an integer of 0 or more", value)


def _check_number(name: str, value: object, above: bool) -> None:
    good = _is_number(value) and (value > 0 if above else value >= 0)
    _check(good, name, "a finite number above 0" if above else "a finite number of 0 or more", value)


def _check_share(name: str, value: object, upper_included: bool = False) -> None:
    good = _is_number(value) and value >= 0 and (value <= 1 if upper_included else value < 1)
    _check(good, name, f"at least 0 and {'at most' if upper_included else 'less than'} 1", value)


def _is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) <= _LARGEST  # more does not fit into a float
    return isinstance(value, float) and math.isfinite(value)
