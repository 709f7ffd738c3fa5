"""Optimisers against PyTorch's own, and the learning rate by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT, LossBatch
from calcgpt.training.config import TrainingConfig
from calcgpt.training.optimizer import Muon, build_optimizer, build_schedule, orthogonalize

Config = Callable[..., Any]


def model() -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(11, 8, embedding_dim=12, num_layers=2, num_heads=2, feedforward_dim=20))


def batch(seed: int) -> LossBatch:
    ids = torch.randint(2, 11, (6, 8), generator=torch.Generator().manual_seed(seed))
    return LossBatch(ids, ids)


def test_orthogonalize_brings_singular_values_near_1() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 16, 40) * torch.tensor([1e-4, 1.0, 1e4])[:, None, None]
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert values.min() > 0.4 and values.max() < 1.3
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    assert ((u @ v) * orthogonalize(matrices)).sum((1, 2)).div(16).min() > 0.7, "the same directions"
    assert torch.equal(orthogonalize(torch.zeros(1, 4, 6)), torch.zeros(1, 4, 6))


@pytest.mark.parametrize("shape", [(16, 16), (16, 40), (40, 16), (8, 24)])
def test_muon_is_torchs_muon(shape: tuple[int, int]) -> None:
    """PyTorch keeps a matrix (out, in), we (in, out); a matrix three times as wide as high is three of theirs."""
    torch.manual_seed(0)
    ours = nn.Parameter(torch.randn(shape))
    parts = ours.detach().split(shape[0], 1) if shape[1] == 3 * shape[0] else (ours.detach(),)
    theirs = [nn.Parameter(part.T.contiguous().clone()) for part in parts]
    rest = [{"params": [nn.Parameter(torch.zeros(1))], "lr": 0.1}]
    mine = Muon([ours], rest, lr=0.05, momentum=0.9, weight_decay=0.1)
    reference = torch.optim.Muon(theirs, lr=0.05, momentum=0.9, weight_decay=0.1, adjust_lr_fn="original")
    start = ours.detach().clone()
    for _ in range(6):
        ours.grad = torch.randn(shape)
        for parameter, part in zip(theirs, ours.grad.split(parts[0].shape[1], 1), strict=True):
            parameter.grad = part.T.contiguous()
        mine.step()
        reference.step()
    expected = torch.cat([parameter.detach().T for parameter in theirs], 1)
    # Theirs iterates in bfloat16, so it agrees to two digits of what was moved.
    assert (ours - expected).norm() < 0.03 * (expected - start).norm()


def test_muon_runs_adamw_on_the_rest() -> None:
    ours, theirs = model(), model()
    config = TrainingConfig(optimizer="muon", learning_rate=3e-3, adam_beta2=0.97)
    mine = build_optimizer(ours, config)
    rest = {name: value for name, value in theirs.named_parameters() if not is_matrix(name, value)}
    reference = torch.optim.AdamW(rest.values(), lr=3e-3, betas=(0.9, 0.97), weight_decay=0.0)
    for step in range(3):
        mine.zero_grad()
        assert all(value.grad is None for value in ours.parameters())
        ours.loss(batch(step)).backward()
        for name, value in theirs.named_parameters():
            value.grad = dict(ours.named_parameters())[name].grad.clone()
        mine.step()
        reference.step()
    for name, value in rest.items():
        torch.testing.assert_close(dict(ours.named_parameters())[name], value, atol=1e-6, rtol=1e-5)


def is_matrix(name: str, value: torch.Tensor) -> bool:
    return value.ndim == 2 and name.startswith("h.")


def test_muon_goes_on_from_its_state() -> None:
    """Two steps, then two more with fresh objects, are four steps."""

    def run(steps: range, network: GPT, optimizer: torch.optim.Optimizer) -> None:
        for step in steps:
            optimizer.param_groups[-1]["lr"] = 0.01 / (step + 1)
            network.loss(batch(step)).backward()
            optimizer.step()
            optimizer.zero_grad()

    settings = TrainingConfig(optimizer="muon")
    whole, first, second = model(), model(), model()
    run(range(4), whole, build_optimizer(whole, settings))
    optimizer = build_optimizer(first, settings)
    run(range(2), first, optimizer)
    second.load_state_dict(first.state_dict())
    later = build_optimizer(second, settings)
    later.load_state_dict(optimizer.state_dict())
    run(range(2, 4), second, later)
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_weight_decay_falls_on_the_blocks_matrices_alone(kind: Any) -> None:
    network = model()
    optimizer = build_optimizer(network, TrainingConfig(optimizer=kind, weight_decay=0.3, learning_rate=2e-3))
    names = {id(value): name for name, value in network.named_parameters()}
    decayed, kept = (
        [
            names.pop(id(value))
            for group in optimizer.param_groups
            if group["weight_decay"] == decay
            for value in group["params"]
        ]
        for decay in (0.3, 0.0)
    )
    assert not names, "every parameter is in one group"
    assert sorted(decayed) == sorted(name for name, value in network.named_parameters() if is_matrix(name, value))
    assert {"wte.weight", "wpe.weight", "ln_f.bias", "h.0.attn.c_attn.bias"} <= set(kept)
    rates = {group["lr"] for group in optimizer.param_groups}
    assert rates == ({2e-3} if kind == "adamw" else {2e-3, 0.02})


def test_adamw_is_torchs_adamw() -> None:
    ours, theirs = model(), model()
    mine = build_optimizer(ours, TrainingConfig(weight_decay=0.1, learning_rate=1e-2, adam_beta2=0.98))
    matrices = [value for name, value in theirs.named_parameters() if is_matrix(name, value)]
    others = [value for name, value in theirs.named_parameters() if not is_matrix(name, value)]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.98), foreach=False, fused=False)
    for step in range(4):
        for network, optimizer in ((ours, mine), (theirs, reference)):
            optimizer.zero_grad()
            network.loss(batch(step)).backward()
            optimizer.step()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_loss_falls(kind: Any) -> None:
    network = model()
    optimizer = build_optimizer(network, TrainingConfig(optimizer=kind, learning_rate=1e-2))
    losses = []
    for _ in range(25):
        loss = network.loss(batch(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def schedule(total: int | None, **changes: Any) -> list[float]:
    factor = build_schedule(TrainingConfig(**changes), total)
    return [factor(step) for step in range(total or 12)]


def test_schedules_by_hand() -> None:
    ramp = [0.25, 0.5, 0.75]
    assert schedule(7, warmup_steps=3) == pytest.approx([*ramp, 1.0, 0.75, 0.5, 0.25])
    cosine = [0.5 * (1 + math.cos(math.pi * part)) for part in (0, 0.25, 0.5, 0.75)]
    assert schedule(7, warmup_steps=3, schedule="cosine") == pytest.approx([*ramp, *cosine])
    assert schedule(7, warmup_steps=3, schedule="quadratic") == pytest.approx([*ramp, 1.0, 0.5625, 0.25, 0.0625])
    assert schedule(7, warmup_steps=3, schedule="constant") == pytest.approx([*ramp, 1, 1, 1, 1])
    assert schedule(None, warmup_steps=3) == pytest.approx([*ramp] + [1.0] * 9), "no end is known"
    assert schedule(4, warmup_steps=0) == pytest.approx([1.0, 0.75, 0.5, 0.25])


@pytest.mark.parametrize("total", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("kind", ["linear", "cosine", "quadratic", "constant"])
def test_a_schedule_stays_in_its_bounds(total: int, kind: Any) -> None:
    factors = schedule(total, warmup_steps=100, schedule=kind)
    assert all(0 < factor <= 1 for factor in factors)
    peak = factors.index(max(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1]) and factors[peak:] == sorted(factors[peak:], reverse=True)
    assert peak <= total // 2, "warm-up takes no more than half of a short run"
