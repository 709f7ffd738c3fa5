"""Decoding with a cache, in batches, against a full pass of the model for every token of every prompt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from calcgpt.inference import decoding
from calcgpt.inference.decoding import CHUNK, decode
from calcgpt.model.gpt import GPT

Lively = Callable[..., GPT]


def prompts_of(rows: int, longest: int, vocab: int = 9, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random prompts of lengths 1 to `longest`, over so few tokens that many begin alike and some are the same."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (rows,), generator=generator)
    prompts = torch.randint(2, vocab, (rows, longest), generator=generator)
    return prompts.masked_fill(torch.arange(longest) >= lengths[:, None], 0), lengths


@torch.no_grad()
def one_by_one(model: GPT, prompt: list[int], max_new: int | None = None) -> tuple[list[int], list[float], bool]:
    """Greedy decoding as its definition says: tokens before the end, log-probabilities, whether it ended."""
    config, ids, scores = model.config, list(prompt), []
    while len(ids) < config.max_length and (max_new is None or len(scores) < max_new):
        logits = model(torch.tensor([ids])).logits[0, -1].double()
        logits[config.pad_id] = -torch.inf
        token = int(logits.argmax())
        scores.append(float(logits.log_softmax(0)[token]))
        if token == config.end_id:
            return ids[len(prompt) :], scores, True
        ids.append(token)
    return ids[len(prompt) :], scores, False


@pytest.mark.parametrize("rows", [1, 40, 300])
@pytest.mark.parametrize("max_new", [None, 3])
def test_a_batch_with_a_cache_writes_what_full_passes_write(lively: Lively, rows: int, max_new: int | None) -> None:
    model = lively()
    prompts, lengths = prompts_of(rows, 7)
    found = decode(model, prompts, lengths, max_new)
    ends = set()
    for row in range(0, rows, max(1, rows // 60)):
        tokens, scores, ended = one_by_one(model, prompts[row, : lengths[row]].tolist(), max_new)
        assert found.tokens[row].tolist() == tokens + [0] * (found.tokens.shape[1] - len(tokens))
        assert (int(found.lengths[row]), bool(found.ended[row])) == (len(tokens), ended)
        expected = torch.zeros(found.log_probabilities.shape[1])
        expected[: len(scores)] = torch.tensor(scores)
        torch.testing.assert_close(found.log_probabilities[row], expected, atol=2e-5, rtol=1e-4)
        ends.add(ended)
    assert rows == 1 or max_new or ends == {True, False}, "both kinds of completion were compared"


def test_a_prompt_does_not_depend_on_its_neighbours(lively: Lively) -> None:
    model = lively(seed=3)
    prompts, lengths = prompts_of(CHUNK + 200, 3, vocab=7)  # more of a length than are decoded together
    lengths[: CHUNK + 100] = 3
    prompts[: CHUNK + 100, 1:] = prompts[: CHUNK + 100, 1:].clamp(min=2)
    together = decode(model, prompts, lengths)
    for row in [0, 1, 17, CHUNK - 1, CHUNK, CHUNK + 99, CHUNK + 150, CHUNK + 199]:
        alone = decode(model, prompts[row : row + 1, : lengths[row]], lengths[row : row + 1])
        length = int(alone.lengths[0])
        assert together.tokens[row, :length].tolist() == alone.tokens[0].tolist()
        assert int(together.lengths[row]) == length and bool(together.ended[row]) == bool(alone.ended[0])
        width = alone.log_probabilities.shape[1]
        torch.testing.assert_close(
            together.log_probabilities[row, :width], alone.log_probabilities[0], atol=2e-5, rtol=1e-4
        )


def test_order_and_repetition_do_not_matter(lively: Lively) -> None:
    model = lively(seed=1)
    prompts, lengths = prompts_of(200, 5, vocab=5)
    found = decode(model, prompts, lengths)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0)).repeat(2)
    again = decode(model, prompts[order], lengths[order])
    assert torch.equal(again.tokens, found.tokens[order]) and torch.equal(again.lengths, found.lengths[order])
    torch.testing.assert_close(again.log_probabilities, found.log_probabilities[order], atol=2e-5, rtol=1e-4)


def test_nothing_stands_after_the_end_and_padding_is_never_written(lively: Lively) -> None:
    model = lively(seed=2)
    with torch.no_grad():
        model.ln_f.bias.copy_(model.wte.weight[0] * 3)  # it would like to pad
    prompts, lengths = prompts_of(400, 6)
    for temperature in (0.0, 1.0):
        found = decode(model, prompts, lengths, temperature=temperature, seed=0)
        place = torch.arange(found.tokens.shape[1])
        assert ((found.tokens != 0) == (place < found.lengths[:, None])).all()
        written = found.lengths + found.ended.int()
        after = torch.arange(found.log_probabilities.shape[1]) >= written[:, None]
        assert (found.log_probabilities[after] == 0).all() and (found.log_probabilities <= 0).all()
        assert not (found.tokens == 1).any(), "the end is no part of the completion"


def test_limits(lively: Lively) -> None:
    model = lively(max_length=9)
    prompts, lengths = prompts_of(30, 8)
    found = decode(model, prompts, lengths)
    assert (lengths + found.lengths <= 9).all()
    assert (found.ended | (lengths + found.lengths == 9)).all(), "it stops at the end, or where no position is left"
    assert decode(model, prompts, lengths, max_new=1).tokens.shape[1] <= 1
    with pytest.raises(ValueError, match="a prompt of 9 tokens leaves no room: the model has 9 positions"):
        decode(model, torch.full((1, 9), 2), torch.tensor([9]))


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_an_impossible_temperature(lively: Lively, temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be a finite number of 0 or more"):
        decode(lively(), *prompts_of(2, 3), temperature=temperature)


def test_no_prompts_give_no_completions(lively: Lively) -> None:
    found = decode(lively(), torch.zeros(0, 4, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    assert len(found.tokens) == len(found.lengths) == len(found.ended) == len(found.log_probabilities) == 0


def test_draws_follow_the_seed_and_leave_the_global_state(lively: Lively) -> None:
    model, data = lively(scale=0.2), prompts_of(100, 4)
    state = torch.get_rng_state()
    drawn = [decode(model, *data, temperature=1.0, seed=seed).tokens for seed in (1, 1, 2)]
    greedy = decode(model, *data).tokens
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(drawn[0], drawn[1])
    width = min(drawn[0].shape[1], drawn[2].shape[1])
    assert not torch.equal(drawn[0][:, :width], drawn[2][:, :width])
    torch.testing.assert_close(decode(model, *data, temperature=1e-4, seed=3).tokens, greedy)


def test_draws_have_the_models_frequencies(lively: Lively) -> None:
    model = lively(scale=0.25)
    prompt = torch.tensor([[2, 5, 3]]).repeat(6000, 1)
    logits = model(prompt[:1]).logits[0, -1]
    logits[0] = -torch.inf
    for temperature in (1.0, 0.5):
        found = decode(model, prompt, torch.full((6000,), 3), max_new=1, temperature=temperature, seed=0)
        first = torch.where(found.lengths > 0, found.tokens[:, 0], 1)
        counted = torch.bincount(first, minlength=9) / 6000
        torch.testing.assert_close(counted, (logits / temperature).softmax(0), atol=0.025, rtol=0)
        expected = logits.log_softmax(0)[first]
        torch.testing.assert_close(found.log_probabilities[:, 0], expected, atol=1e-4, rtol=1e-4)


def test_progress_counts_every_prompt(lively: Lively) -> None:
    calls: list[tuple[int, int]] = []
    decode(lively(), *prompts_of(50, 5), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (50, 50) and calls == sorted(calls) and {total for _, total in calls} == {50}


def test_chunks_on_several_threads_are_those_on_one(lively: Lively, monkeypatch: pytest.MonkeyPatch) -> None:
    model, (prompts, lengths) = lively(seed=5), prompts_of(700, 4, vocab=7)
    monkeypatch.setattr(decoding, "CHUNK", 100)
    found, before = [], torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            found.append(decode(model, prompts, lengths))
        finally:
            torch.set_num_threads(before)
    for name in ("tokens", "lengths", "ended"):
        assert torch.equal(*(getattr(each, name) for each in found)), name
    torch.testing.assert_close(*(each.log_probabilities for each in found))


def test_chunks_are_written_at_the_same_time(lively: Lively, monkeypatch: pytest.MonkeyPatch) -> None:
    model, (prompts, _) = lively(seed=5), prompts_of(200, 4, vocab=7)
    write, together, sizes = decoding._write, threading.Barrier(2), []

    def meet(*arguments: Any) -> Any:
        chunk = arguments[-1]
        sizes.append(len(chunk[0]))
        together.wait(20)  # for the other one, which a single thread would never begin
        return write(*arguments)

    monkeypatch.setattr(decoding, "CHUNK", 100)
    monkeypatch.setattr(decoding, "_write", meet)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        decode(model, prompts.clamp(min=2), torch.full((200,), 4))
    finally:
        torch.set_num_threads(before)
    assert sizes == [100, 100]


def test_draws_do_not_depend_on_threads(lively: Lively, monkeypatch: pytest.MonkeyPatch) -> None:
    model, (prompts, lengths) = lively(seed=5), prompts_of(300, 4, vocab=7)
    monkeypatch.setattr(decoding, "CHUNK", 64)
    found, before = [], torch.get_num_threads()
    for threads in (1, 3, 3):
        torch.set_num_threads(threads)
        try:
            found.append(decode(model, prompts, lengths, temperature=1.0, seed=7).tokens)
        finally:
            torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[1], found[2])
