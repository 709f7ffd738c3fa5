"""Choosing a token from logits, and what is kept of completions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.errors import ConfigError
from calcgpt.inference.choosing import Chooser, gather
from calcgpt.model.gpt import GPT

Lively = Callable[..., GPT]


def test_greedy_takes_the_most_probable_token_but_never_padding(lively: Lively) -> None:
    logits = torch.randn(50, 9, generator=torch.Generator().manual_seed(0))
    logits[::2, 0] = 9.0  # padding, which the model would rather write
    tokens, scores = Chooser(lively(), 0.0, None)(logits.clone())
    for row in range(50):
        weights = {token: float(logits[row, token].exp()) for token in range(1, 9)}
        best = max(weights, key=lambda token: weights[token])
        assert int(tokens[row]) == best
        assert scores[row].exp().item() == pytest.approx(weights[best] / sum(weights.values()), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_temperature_and_are_scored_without_it(lively: Lively, temperature: float) -> None:
    logits = torch.tensor([5.0, 0.0, 0.7, -0.5, 1.5, 0.2, 0.9, -1.0, 0.4])
    tokens, scores = Chooser(lively(), temperature, 0)(logits.repeat(20_000, 1))
    weights = [0.0] + [float((value / temperature).exp()) for value in logits[1:]]
    expected = torch.tensor(weights) / sum(weights)
    torch.testing.assert_close(torch.bincount(tokens, minlength=9) / 20_000, expected, atol=0.015, rtol=0)
    alone = logits[1:].log_softmax(0)
    torch.testing.assert_close(scores, alone[tokens - 1], atol=1e-5, rtol=1e-5)


def test_a_seed_fixes_the_draws_one_after_the_other(lively: Lively) -> None:
    logits, model = torch.zeros(40, 9), lively()
    state = torch.get_rng_state()
    one, same, other = (Chooser(model, 1.0, seed) for seed in (3, 3, 4))
    first, second = one(logits.clone())[0], one(logits.clone())[0]
    assert torch.equal(same(logits.clone())[0], first) and torch.equal(same(logits.clone())[0], second)
    assert not torch.equal(first, second) and not torch.equal(other(logits.clone())[0], first)
    assert torch.equal(torch.get_rng_state(), state)


def test_completions_end_where_the_end_was_written() -> None:
    tokens = torch.tensor([[5, 6, 1, 0], [1, 0, 0, 0], [5, 6, 7, 8], [5, 0, 0, 0]])
    found = gather(tokens, torch.arange(16.0).view(4, 4), pad_id=0, end_id=1)
    assert found.lengths.tolist() == [2, 0, 4, 1] and found.ended.tolist() == [True, True, False, False]
    assert found.tokens.tolist() == [[5, 6, 0, 0], [0, 0, 0, 0], [5, 6, 7, 8], [5, 0, 0, 0]]


def test_completions_are_as_wide_as_the_longest() -> None:
    tokens = torch.tensor([[5, 6, 1, 0, 0], [1, 0, 0, 0, 0]])
    found = gather(tokens, torch.zeros(2, 5), pad_id=0, end_id=1)
    assert found.tokens.tolist() == [[5, 6], [0, 0]] and found.log_probabilities.shape == (2, 3)
    none = gather(tokens[:0], torch.zeros(0, 5), pad_id=0, end_id=1)
    assert len(none.tokens) == len(none.lengths) == len(none.ended) == len(none.log_probabilities) == 0


@pytest.mark.parametrize("temperature", [1e-320, 1e-38, 1e-9])
def test_towards_0_only_the_most_probable_token_is_drawn(lively: Lively, temperature: float) -> None:
    logits = torch.randn(200, 9, generator=torch.Generator().manual_seed(1)) * 30
    best = Chooser(lively(), 0.0, None)(logits.clone())[0]
    tokens, scores = Chooser(lively(), temperature, 5)(logits.clone())
    assert torch.equal(tokens, best) and scores.isfinite().all()


@pytest.mark.parametrize("temperature", [1e9, 1e39, 1e308, 10**30])
def test_towards_infinity_all_tokens_are_drawn_alike_but_padding(lively: Lively, temperature: float) -> None:
    logits = (torch.randn(9, generator=torch.Generator().manual_seed(1)) * 30).repeat(16_000, 1)
    tokens, scores = Chooser(lively(), temperature, 5)(logits)
    counts = torch.bincount(tokens, minlength=9) / 16_000
    torch.testing.assert_close(counts, torch.tensor([0.0] + [1 / 8] * 8), atol=0.015, rtol=0)
    assert scores.isfinite().all()


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf"), -float("inf"), "warm", True, None])
def test_a_temperature_that_cannot_be(lively: Lively, temperature: Any) -> None:
    with pytest.raises(ConfigError, match="temperature must be a finite number of 0 or more, not"):
        Chooser(lively(), temperature, None)


@pytest.mark.parametrize("seed", [2**63, 99999999999999999999, -1, 1.5, "x"])
def test_a_seed_that_cannot_be(lively: Lively, seed: Any) -> None:
    with pytest.raises(ConfigError, match=r"seed must be a whole number of 0 to 2\^63 - 1, not"):
        Chooser(lively(), 1.0, seed)
    assert Chooser(lively(), 1.0, 2**63 - 1)(torch.zeros(2, 9))[0].shape == (2,)


def test_a_draw_depends_on_its_problem_and_not_on_the_others(lively: Lively) -> None:
    logits, rows = torch.zeros(40, 9), np.arange(40) + 7
    choose = Chooser(lively(), 1.0, 3)
    whole = choose(logits.clone(), rows, 5)[0]
    assert torch.equal(choose(logits[:15].clone(), rows[10:25], 5)[0], whole[10:25])
    assert not torch.equal(choose(logits.clone(), rows, 6)[0], whole)


def test_without_a_seed_draws_differ_and_follow_torchs_own(lively: Lively) -> None:
    model = lively()
    torch.manual_seed(4)
    one, other = (Chooser(model, 1.0)(torch.zeros(40, 9))[0] for _ in range(2))
    torch.manual_seed(4)
    assert not torch.equal(one, other) and torch.equal(Chooser(model, 1.0)(torch.zeros(40, 9))[0], one)
