"""Batches: what a row holds, against a writer of one example; and that a batch depends on data, seed and step alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import held_out, sample
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError, DataError, TokenError
from calcgpt.model.gpt import IGNORE
from calcgpt.tokens.tokenizer import Tokenizer, create_vocab
from calcgpt.training.source import FileSource, OptimizedDataset, TaskSource, draw_problems, longest, written_texts

Config = Callable[..., Any]
EXAMPLES = ["1+2=3", "12+34=46", "99+1=100", "5-7=-2", "7=", "no arithmetic"]


def row(tokenizer: Tokenizer, text: str, maxlen: int, loss_on: str) -> tuple[list[int], list[int]]:
    """Ids and labels of one example, by the definition."""
    cut = text.find("=") + 1
    prompt, answer = tokenizer.encode(text[:cut]), [*tokenizer.encode(text[cut:]), tokenizer.end_id]
    ids = prompt + answer
    labels = ([IGNORE] * len(prompt) if loss_on == "answer" else prompt) + answer
    gap = maxlen - len(ids)
    return ids + [tokenizer.pad_id] * gap, labels + [IGNORE] * gap


@pytest.mark.parametrize("mode", ["char", "number"])
@pytest.mark.parametrize("loss_on", ["answer", "all"])
def test_rows_are_prompt_answer_end_padding(mode: str, loss_on: str) -> None:
    tokenizer = Tokenizer.build(EXAMPLES, mode)
    maxlen = longest(tokenizer, EXAMPLES, Notation())
    assert maxlen == max(len(tokenizer.encode(example)) for example in EXAMPLES) + 1, "the end is counted"
    for width in (maxlen, maxlen + 5):
        dataset = OptimizedDataset(EXAMPLES, width, tokenizer, loss_on)
        assert len(dataset) == len(EXAMPLES)
        for index, example in enumerate(EXAMPLES):
            item = dataset[index]
            assert list(item) == ["input_ids", "labels"]
            assert (item["input_ids"].tolist(), item["labels"].tolist()) == row(tokenizer, example, width, loss_on)
            assert item["input_ids"].dtype == item["labels"].dtype == torch.int64


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_a_notation_is_applied(seed: int, interleave: bool, reverse: bool) -> None:
    notation = Notation(3, 4, interleave, reverse)
    problems = sample(("+", "-"), 0, 999, 20, np.random.default_rng(seed))
    texts = written_texts(problems.examples(), notation)
    prompts, answers = (
        notation.write_prompts(problems).texts(),
        notation.write_answers(problems, problems.solutions()).texts(),
    )
    assert texts == [a + b for a, b in zip(prompts, answers, strict=True)]
    tokenizer = Tokenizer.build(["0123456789+-="])
    written = OptimizedDataset(problems.examples(), 14, tokenizer, notation=notation)
    assert torch.equal(written.input_ids, OptimizedDataset(texts, 14, tokenizer).input_ids)
    assert torch.equal(written.labels, OptimizedDataset(texts, 14, tokenizer).labels)


def test_a_vocabulary_does_as_well_as_a_tokenizer() -> None:
    vocab, _ = create_vocab(EXAMPLES)
    one, other = OptimizedDataset(EXAMPLES, 20, vocab), OptimizedDataset(EXAMPLES, 20, Tokenizer.build(EXAMPLES))
    assert torch.equal(one.input_ids, other.input_ids) and torch.equal(one.labels, other.labels)


def test_torch_loads_it() -> None:
    dataset = OptimizedDataset(EXAMPLES, 20, create_vocab(EXAMPLES)[0])
    batches = list(DataLoader(dataset, batch_size=4))
    assert [batch["input_ids"].shape for batch in batches] == [(4, 20), (2, 20)]


def test_what_a_dataset_refuses() -> None:
    vocab, _ = create_vocab(EXAMPLES)
    cases: list[tuple[type[Exception], str, tuple[Any, ...]]] = [
        (
            ConfigError,
            "maxlen 13 is too short: the longest example has 14 tokens, its end counted",
            (EXAMPLES, 13, vocab),
        ),
        (ConfigError, "there are no examples to encode", ([], 13, vocab)),
        (ConfigError, "loss_on must be one of answer, all, not 'prompt'", (EXAMPLES, 20, vocab, "prompt")),
        (TokenError, r"unknown character '\*' at position 2", (["2*2=4"], 20, vocab)),
        (TokenError, "lacks <pad>", (EXAMPLES, 20, {"a": 0})),
        (DataError, "a notation needs arithmetic", (EXAMPLES, 20, vocab, "answer", Notation(2, 3))),
        (
            ConfigError,
            "1 examples do not fit the notation: .*100 has more",
            (["100+1=101"], 20, vocab, "all", Notation(2)),
        ),
        (ConfigError, "no place for the answer 101", (["100+1=101"], 20, vocab, "all", Notation(3, 2))),
    ]
    for error, reason, arguments in cases:
        with pytest.raises(error, match=reason):
            OptimizedDataset(*arguments)


def file_source(count: int = 53, batch_size: int = 8, seed: int = 0) -> FileSource:
    examples = [f"{a}+0={a}" for a in range(count)]
    return FileSource(OptimizedDataset(examples, 8, create_vocab(examples)[0]), batch_size, seed)


def test_an_epoch_shows_every_example_once() -> None:
    source = file_source()
    assert source.steps_per_epoch == 7
    epochs = []
    for epoch in range(3):
        batches = [source.batch(7 * epoch + step) for step in range(7)]
        assert [len(ids) for ids, _ in batches] == [8] * 6 + [5]
        rows = torch.cat([ids for ids, _ in batches])
        assert sorted(rows.tolist()) == sorted(source.dataset.input_ids.tolist())
        epochs.append(rows.tolist())
    assert epochs[0] != epochs[1] != epochs[2], "in another order"


def test_batches_of_a_file_depend_on_the_step_alone() -> None:
    one, other = file_source(), file_source()
    forward = [one.batch(step) for step in range(20)]
    backward = [other.batch(step) for step in reversed(range(20))][::-1]
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(forward, backward, strict=True))
    assert not torch.equal(file_source(seed=1).batch(0)[0], forward[0][0])


def test_batches_of_a_task_depend_on_the_step_alone(config_of: Config) -> None:
    config = config_of(notation=Notation(1, 2, True, True), batch_size=32)
    tokenizer = Tokenizer.build(["0123456789+-="])
    one, other = TaskSource(config, tokenizer, 8), TaskSource(config, tokenizer, 8)
    assert one.steps_per_epoch is None
    forward = [one.batch(step) for step in range(5)]
    backward = [other.batch(step) for step in reversed(range(5))][::-1]
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(forward, backward, strict=True))
    assert not torch.equal(forward[0][0], forward[1][0])
    assert forward[0][0].shape == (32, 8)
    texts = [tokenizer.decode(ids) for ids in forward[2][0].tolist()]
    assert texts == written_texts(draw_problems(config, 2).examples(), config.notation)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_held_out_problems_are_never_drawn(config_of: Config, share: float) -> None:
    config = config_of(task=Task(max_value=30, carry_share=0.5), notation=Notation(2, 2), test_split=share, seed=7)
    for step in range(60):
        assert not held_out(draw_problems(config, step), share, 7).any()
