"""Batches of problems written out in columns: one shape a batch, drawn afresh for every step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from calcgpt.arithmetic import traces
from calcgpt.arithmetic.cells import lay_out
from calcgpt.arithmetic.columns import ColumnProblems, Shape, written_widths
from calcgpt.arithmetic.drawing import draw, draw_shape
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.model.layouts import IGNORE
from calcgpt.tokens.places import Places, place_shape
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.config import TrainingConfig

_ATTEMPTS = 100  # draws until a batch of problems that are not held out is full


class PlacedExamples(NamedTuple):
    """A batch of one shape: `input_ids` and `labels` (B, T), the `places` of its tokens, and the `offset` (B,) of its
    ids, or None."""

    input_ids: Tensor
    labels: Tensor
    places: Places
    offset: Tensor | None


class ColumnSource:
    """Batches of a config's task, each of one shape, none of their problems on the test side of the split.

    Args:
        config: the task, its seed and split, how many tokens or examples a batch has, what the loss is on.
        tokenizer: of the characters that columns are written with.
    """

    steps_per_epoch: int | None = None

    def __init__(self, config: TrainingConfig, tokenizer: Tokenizer):
        self.config, self.tokenizer = config, tokenizer
        assert config.task is not None
        for shape in widest_shapes(config.task, config.notation.signed):
            self._check_ids(place_shape(shape, config.positions))

    def _check_ids(self, places: Places) -> None:
        scheme = self.config.positions
        needed = int(places.ids[~places.anywhere].max(initial=-1)) + 1
        if scheme.encoding == "learned" and scheme.offset != "circular" and needed > scheme.max_id:
            raise ConfigError(f"positions.max_id {scheme.max_id} is too small: the task's problems have {needed} ids")

    def batch(self, step: int) -> PlacedExamples:
        batch = encode_columns(draw_columns(self.config, step), self.config, self.tokenizer)
        return batch._replace(offset=self._offset(batch.places, step, len(batch.labels)))

    def _offset(self, places: Places, step: int, size: int) -> Tensor | None:
        scheme = self.config.positions
        if scheme.offset == "none":
            return None
        room = scheme.max_id - (1 if scheme.offset == "circular" else int(places.ids[~places.anywhere].max()) + 1)
        rng = np.random.default_rng((self.config.seed, step, 1))
        return torch.from_numpy(rng.integers(0, room + 1, size))


def widest_shapes(task: Task, signed: bool) -> list[Shape]:
    """For each operator the shape with the most digits."""
    shapes = []
    for symbol in task.operations:
        widths = task.widths(symbol)
        operands = widths[:1] * task.max_operands if symbol == "+" else widths
        shapes.append(Shape(symbol, written_widths(symbol, operands), signed))
    return shapes


def encode_columns(problems: ColumnProblems, config: TrainingConfig, tokenizer: Tokenizer) -> PlacedExamples:
    """Problems with their work and answers as rows of tokens, without an offset."""
    prompts, completions = traces.write_prompts(problems), traces.write(problems)
    places = place_shape(problems.shape, config.positions)
    ids = np.full((len(problems), len(places)), tokenizer.end_id)
    ids[:, :-1] = tokenizer.encode_characters(np.concatenate([prompts, completions], 1))
    labels = ids.copy()
    if config.loss_on == "answer":
        labels[:, : places.prompt] = IGNORE
    return PlacedExamples(torch.from_numpy(ids), torch.from_numpy(labels), places, None)


def draw_columns(config: TrainingConfig, step: int) -> ColumnProblems:
    """The problems of a batch: of one shape, and as many as its tokens allow."""
    assert config.task is not None
    rng = np.random.default_rng((config.seed, step))
    share = min(1.0, (step + 1) / config.curriculum_steps) if config.curriculum_steps else 1.0
    shape = draw_shape(config.task, rng, share, config.notation.signed)
    return draw_split(config, shape, batch_rows(config, shape), rng, test=False)


def batch_rows(config: TrainingConfig, shape: Shape) -> int:
    """How many examples of a shape a batch has."""
    return max(1, config.batch_tokens // len(lay_out(shape).ids)) if config.batch_tokens else config.batch_size


def draw_split(
    config: TrainingConfig, shape: Shape, count: int, rng: np.random.Generator, test: bool
) -> ColumnProblems:
    """Problems of a shape from one side of the split; fewer where that side has hardly any."""
    assert config.task is not None
    found: list[ColumnProblems] = []
    missing = count
    for _ in range(_ATTEMPTS):
        drawn = draw(shape, 2 * missing + 8, rng, config.task.carry_share)
        drawn = drawn[rng.permutation(len(drawn))]  # the carry-heavy ones stand first
        found.append(drawn[drawn.held_out(config.test_split, config.seed) == test][:missing])
        missing -= len(found[-1])
        if not missing:
            break
    if not sum(map(len, found)) and not test:
        raise ConfigError(f"no training problems with {shape.symbol} of {shape.widths} digits: lower test_split")
    return ColumnProblems.concatenate(found)
