"""Batches of problems in columns: a function of config and step, none of it held out, as large as its tokens allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from calcgpt.arithmetic import traces
from calcgpt.arithmetic.columns import ColumnProblems, Shape
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.model.layouts import IGNORE
from calcgpt.tokens.places import place_shape
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.column_source import (
    ColumnSource,
    PlacedExamples,
    batch_rows,
    draw_columns,
    draw_split,
    encode_columns,
)
from calcgpt.training.config import TrainingConfig

Config = Callable[..., Any]
TOKENIZER = Tokenizer.build(["0123456789=+-*/%"])
ALL = Task(("+", "-", "*", "//", "%"), max_digits=(4, 3), max_operands=4, carry_share=0.3)  # type: ignore[arg-type]
SCHEME = Positions("coupled", "relative", (1,), segments=True, ahead=True)


@pytest.fixture
def columns(config_of: Config) -> Config:
    def make(**changes: Any) -> TrainingConfig:
        settings = {"task": ALL, "notation": Notation(work="columns"), "positions": SCHEME, "batch_tokens": 600}
        return config_of(**{**settings, **changes})

    return make


def texts(batch: PlacedExamples) -> list[str]:
    return [TOKENIZER.decode(row) for row in batch.input_ids.tolist()]


def same(one: Tensor | None, other: Tensor | None) -> bool:
    return one is other if one is None or other is None else torch.equal(one, other)


@pytest.mark.parametrize(
    "positions", [SCHEME, Positions("abacus", "learned", offset="uniform")], ids=["no-offset", "offset"]
)
def test_a_batch_is_a_function_of_config_and_step(columns: Config, positions: Positions) -> None:
    config = columns(positions=positions)
    source, other = ColumnSource(config, TOKENIZER), ColumnSource(columns(positions=positions), TOKENIZER)
    batches = [source.batch(step) for step in range(12)]
    for step in (7, 3, 11, 0):  # in any order, and again
        found, again = other.batch(step), batches[step]
        assert torch.equal(found.input_ids, again.input_ids) and torch.equal(found.labels, again.labels)
        assert found.places is again.places and same(found.offset, again.offset)
    assert len({tuple(texts(batch)) for batch in batches}) == 12
    seeded = ColumnSource(columns(positions=positions, seed=43), TOKENIZER)
    assert [texts(seeded.batch(step)) for step in range(12)] != [texts(batch) for batch in batches]
    assert source.steps_per_epoch is None


def test_a_batch_says_problem_work_and_end(columns: Config) -> None:
    config = columns()
    kinds = set()
    for step in range(80):
        problems, batch = draw_columns(config, step), ColumnSource(config, TOKENIZER).batch(step)
        prompts, work = traces.write_prompts(problems), traces.write(problems)
        expected = [bytes(row).decode() for row in np.concatenate([prompts, work], 1)]
        assert texts(batch) == expected and (batch.input_ids[:, -1] == TOKENIZER.end_id).all()
        assert batch.places is place_shape(problems.shape, SCHEME)
        assert batch.input_ids.shape == (len(problems), len(batch.places)) and batch.offset is None
        for text, expression, row in zip(expected, problems.expressions(), problems.digits, strict=True):
            operands = [int("".join(map(str, digits[::-1]))) for digits in row]
            assert text == traces_of(problems.shape, operands)
            assert expression == problems.shape.symbol.join(map(str, operands))
        kinds.add((problems.shape.symbol, len(problems.shape.widths)))
    assert {symbol for symbol, _ in kinds} == set(ALL.operations) and {count for _, count in kinds} == {2, 3, 4}


def traces_of(shape: Shape, operands: list[int]) -> str:
    problems = ColumnProblems.from_operands(shape.symbol, [operands], shape.widths)
    return bytes(np.concatenate([traces.write_prompts(problems), traces.write(problems)], 1)[0]).decode()


def test_the_loss_is_on_the_answer_or_on_all(columns: Config) -> None:
    for step in range(10):
        answer = ColumnSource(columns(loss_on="answer"), TOKENIZER).batch(step)
        whole = ColumnSource(columns(loss_on="all"), TOKENIZER).batch(step)
        assert torch.equal(answer.input_ids, whole.input_ids) and torch.equal(whole.labels, whole.input_ids)
        equals = int((whole.input_ids[0] == TOKENIZER.vocab["="]).nonzero()[0, 0])
        assert (answer.labels[:, : equals + 1] == IGNORE).all()
        assert torch.equal(answer.labels[:, equals + 1 :], answer.input_ids[:, equals + 1 :])


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_nothing_of_a_batch_is_held_out(columns: Config, share: float) -> None:
    config = columns(test_split=share)
    for step in range(40):
        problems = draw_columns(config, step)
        assert not problems.held_out(share, config.seed).any()
        assert problems.held_out(share, config.seed + 1).any() or len(problems) < 40 or share < 0.5
    test = draw_split(config, Shape("+", (4, 4)), 100, np.random.default_rng(0), test=True)
    assert len(test) == 100 and test.held_out(share, config.seed).all()


def test_a_sum_is_held_out_both_ways_round(columns: Config) -> None:
    trained = {
        text
        for step in range(200)
        for text in draw_columns(columns(task=Task(("+",), max_digits=(1,))), step).expressions()  # type: ignore[arg-type]
    }
    assert trained == {f"{b}+{a}" for a, b in (text.split("+") for text in trained)}
    assert 50 < len(trained) < 100


def test_a_batch_has_as_many_tokens_as_asked_or_examples(columns: Config) -> None:
    sizes = set()
    for step in range(40):
        batch = ColumnSource(columns(batch_tokens=600), TOKENIZER).batch(step)
        size, length = batch.input_ids.shape
        assert size * length <= 600 < (size + 1) * length or size == 1
        sizes.add(size)
        assert len(ColumnSource(columns(batch_tokens=None, batch_size=7), TOKENIZER).batch(step).input_ids) == 7
    assert len(sizes) > 5
    assert batch_rows(columns(batch_tokens=1), Shape("+", (4, 4))) == 1, "one there always is"


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_batch_has_its_share_of_long_carries(columns: Config, share: float) -> None:
    """They are drawn first, and a batch takes some of a draw: it has to be shuffled."""
    task = replace(ALL, operations=("+",), max_operands=2, carry_share=share, max_digits=(6,))
    heavy: list[bool] = []
    for step in range(100):
        problems = draw_columns(columns(task=task, batch_tokens=None, batch_size=64), step)
        if problems.shape.widths == (6, 6):
            heavy += ((problems.digits.sum(1) == 9).sum(1) >= 3).tolist()
    found = sum(heavy) / len(heavy)
    most = {0.0: (0.0, 0.05), 0.5: (0.2, 0.45), 1.0: (0.5, 0.9)}[share]
    assert most[0] <= found <= most[1], found


def test_a_curriculum_widens_the_problems(columns: Config) -> None:
    task = Task(("+",), max_digits=(10,))  # type: ignore[arg-type]
    config = columns(task=task, curriculum_steps=100, batch_tokens=None, batch_size=2)
    widths = [draw_columns(config, step).shape.widths[0] for step in range(300)]
    assert max(widths[:10]) == 1 and max(widths[:50]) <= 5
    assert all(width <= -(-(step + 1) * 10 // 100) for step, width in enumerate(widths[:100]))
    assert set(widths[100:]) == set(range(1, 11))
    plain = columns(task=task, batch_tokens=None, batch_size=2)
    assert max(draw_columns(plain, step).shape.widths[0] for step in range(10)) > 5


# Offsets


def offsets_of(config: TrainingConfig, steps: int) -> list[tuple[int, PlacedExamples]]:
    source = ColumnSource(config, TOKENIZER)
    batches = [source.batch(step) for step in range(steps)]
    assert all(batch.offset is not None and batch.offset.shape == (len(batch.labels),) for batch in batches)
    return [(int(move), batch) for batch in batches for move in batch.offset]  # type: ignore[union-attr]


@pytest.mark.parametrize("ids", ["sequential", "abacus", "coupled"])
@pytest.mark.parametrize("encoding", ["learned", "sinusoidal"])
def test_uniform_offsets_leave_room_for_every_id(columns: Config, ids: Any, encoding: Any) -> None:
    task = Task(("+",), max_digits=(2,))  # type: ignore[arg-type]
    positions = Positions(ids, encoding, offset="uniform", max_id=14)
    found = offsets_of(columns(task=task, positions=positions), 30)
    used: dict[int, set[int]] = {}
    for move, batch in found:
        highest = int(batch.places.ids[~batch.places.anywhere].max())
        assert 0 <= move <= 13 - highest
        used.setdefault(highest, set()).add(move)
    for highest, moves in used.items():
        assert moves == set(range(14 - highest)), "every place that there is"


def test_circular_offsets_go_round_evenly(columns: Config) -> None:
    task = Task(("+",), max_digits=(2,))  # type: ignore[arg-type]
    positions = Positions("abacus", "learned", offset="circular", max_id=8)
    counted = Counter(move for move, _ in offsets_of(columns(task=task, positions=positions, batch_tokens=8000), 8))
    assert set(counted) == set(range(8))
    assert max(counted.values()) < 1.25 * min(counted.values())


def test_a_table_that_is_too_small_is_told(columns: Config) -> None:
    task = Task(("*",), max_digits=(9,))  # type: ignore[arg-type]
    config = columns(task=task, positions=Positions("sequential", "learned", offset="uniform", max_id=6))
    with pytest.raises(ConfigError, match="positions.max_id 6 is too small"):
        for step in range(20):
            ColumnSource(config, TOKENIZER).batch(step)


# The split


def test_a_side_that_is_nearly_empty_gives_what_it_has(columns: Config) -> None:
    task = Task(("+",), max_digits=(1,))  # type: ignore[arg-type]
    found = draw_split(columns(task=task, test_split=0.97), Shape("+", (1, 1)), 5, np.random.default_rng(0), test=False)
    assert len(found) and not found.held_out(0.97, 42).any()
    with pytest.raises(ConfigError, match=r"no training problems with \+ of \(1, 1\) digits: lower test_split"):
        draw_split(columns(task=task, test_split=0.9999), Shape("+", (1, 1)), 5, np.random.default_rng(0), test=False)
    empty = draw_split(columns(task=task, test_split=0.0), Shape("+", (1, 1)), 5, np.random.default_rng(0), test=True)
    assert len(empty) == 0, "a test side may be empty"


def test_encoded_problems_have_no_offset(columns: Config) -> None:
    problems = ColumnProblems.from_operands("-", [(45, 7), (7, 45)])
    config = columns(positions=Positions("coupled", "learned", offset="uniform"))
    batch = encode_columns(problems, config, TOKENIZER)
    assert batch.offset is None and texts(batch) == ["45-07=83+83", "07-45=26-83"]
    assert batch.labels[:, :6].eq(IGNORE).all() and batch.labels[:, 6:].equal(batch.input_ids[:, 6:])
