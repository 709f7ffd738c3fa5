"""Precision and compilation: the rule, what the config says before it, and going on without a compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.runtime.device import Device
from calcgpt.training.execution import plan
from calcgpt.training.tracking import Listener

Config = Callable[..., Any]
CPU = Device("cpu", "a processor", False)


def model() -> GPT:
    return GPT(GPTConfig(11, 8, embedding_dim=8, num_layers=1, num_heads=2, feedforward_dim=8))


def test_the_rule(config_of: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda network: compiled.append(network) or network)
    for device, precision, compiles in [
        (CPU, "float32", False),
        (Device("mps", "an Apple GPU", False), "float32", False),
        (Device("cuda", "an old GPU", False), "float32", True),
        (Device("cuda", "a GPU", True), "bfloat16", True),
    ]:
        monkeypatch.setattr("calcgpt.training.execution._compiled", lambda network, *_: torch.compile(network))
        chosen = plan(config_of(), device, model())
        assert (chosen.precision, chosen.compiled is not None) == (precision, compiles)
        assert plan(config_of(precision="float32", compile=False), device, model()).facts() == {
            "precision": "float32",
            "compile": False,
            "compile_reason": "asked for",
            "threads": torch.get_num_threads(),
        }


def test_what_is_compiled_is_tried_and_leaves_no_gradient(config_of: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[torch.Size, ...]] = []

    def compile(network: GPT) -> Any:
        def run(ids: torch.Tensor, labels: torch.Tensor) -> Any:
            calls.append((ids.shape, labels.shape))
            return network(ids, labels)

        return run

    monkeypatch.setattr(torch, "compile", compile)
    network = model()
    chosen = plan(config_of(compile=True), CPU, network)
    assert chosen.compiled is not None and chosen.reason == "asked for" and len(calls) == 1
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("error", [RuntimeError("no g++\nlong trace"), OSError("cc1 is missing"), ValueError()])
def test_without_a_compiler_it_goes_on(config_of: Config, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(network: GPT) -> Any:
        def run(*_: Any) -> Any:
            raise error

        return run

    monkeypatch.setattr(torch, "compile", broken)
    chosen = plan(config_of(compile=True), CPU, model())
    assert chosen.compiled is None
    assert chosen.reason == f"no working compiler: {str(error).splitlines()[0] if str(error) else 'ValueError'}"


def test_a_compiled_run_is_the_same_run(config_of: Config, train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    eager = train(config_of())
    monkeypatch.setattr(torch, "compile", lambda network: network)
    compiled = train(config_of(compile=True))
    assert compiled.execution.compiled is not None
    losses = [trainer.results["training_loss"] for trainer in (eager, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_bfloat16_is_autocast(config_of: Config, train: Any) -> None:
    trainer = train(config_of(precision="bfloat16"))
    assert all(parameter.dtype == torch.float32 for parameter in trainer.model.parameters())
    exact = train(config_of())
    assert trainer.results["training_loss"] != exact.results["training_loss"]
    assert trainer.results["training_loss"] == pytest.approx(exact.results["training_loss"], rel=0.02)


def test_what_was_not_asked_for_is_noted(config_of: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def noted(device: Device = CPU, **changes: Any) -> list[str]:
        config = config_of(**changes)
        return plan(config, device, GPT(GPTConfig(11, 8, 8, 1, 2, 8, dropout=config.dropout))).notes(config)

    gpu = Device("cuda", "a GPU", True)
    monkeypatch.setattr("calcgpt.training.execution._compiled", lambda network, *_: network)
    assert noted() == noted(compile=True) == noted(compile=False, precision="bfloat16") == []
    assert noted(gpu, precision="float32", compile=True) == []
    assert noted(gpu) == [
        "runs with torch.compile, as on every CUDA device",
        "computes in bfloat16, which is faster on this device",
    ]
    assert noted(compile=True, dropout=0.1) == [
        "runs without torch.compile: dropout draws from the run's own generator"
    ]

    def broken(*_: Any) -> Any:
        raise RuntimeError("no g++")

    monkeypatch.setattr("calcgpt.training.execution._compiled", broken)
    assert (
        noted(compile=True)
        == noted(gpu, precision="float32")
        == ["runs without torch.compile: no working compiler: no g++"]
    )


def test_a_warm_up_that_is_cut_is_noted(config_of: Config, train: Any) -> None:
    heard: list[Any] = []

    class Hearing(Listener):
        def on_start(self, facts: Any) -> None:
            heard.append(facts["notes"])

    train(config_of(warmup_steps=100), listeners=[Hearing()])
    train(config_of(warmup_steps=1), listeners=[Hearing()])
    assert heard == [["warm-up of 1 steps in place of 100: at most half of the run"], []]
