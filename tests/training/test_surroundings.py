"""A run leaves the program around it as it was, and can be anywhere in it."""

from __future__ import annotations

import logging
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.task import Task
from calcgpt.training.config import TrainingConfig
from calcgpt.training.trainer import CalcGPTTrainer, TrainingInterrupted

Config = Callable[..., Any]


def state_of_the_program() -> list[Any]:
    kind, keys, *rest = np.random.get_state()
    return [
        random.getstate(),
        (kind, keys.tolist(), *rest),
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        sys.float_info.min / 2 == 0.0,
        [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        logging.getLogger().handlers[:],
        threading.active_count(),
    ]


def test_the_program_is_as_before(config_of: Config, train: Any) -> None:
    before = state_of_the_program()
    train(config_of(dropout=0.1))
    assert state_of_the_program() == before

    class Stopping:
        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt if name == "on_step" else AttributeError

        def on_start(self, facts: Any) -> None:
            pass

        on_save = on_evaluation = on_start

    with pytest.raises(TrainingInterrupted):
        train(config_of(), listeners=[Stopping()])
    assert state_of_the_program() == before


def test_a_callers_seed_does_not_matter_and_is_not_used_up(config_of: Config, train: Any) -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    first = train(config_of(dropout=0.2)).results["training_loss"]
    assert torch.equal(torch.rand(4), expected)
    assert train(config_of(dropout=0.2)).results["training_loss"] == first


def test_off_the_main_thread(config_of: Config, train: Any) -> None:
    found: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: found.update(train(config_of()).results))
    thread.start()
    thread.join(60)
    assert found["training_loss"] == train(config_of()).results["training_loss"]


def test_quiet_means_quiet(config_of: Config, train: Any, capfd: pytest.CaptureFixture[str]) -> None:
    train(config_of(save_steps=1))
    assert capfd.readouterr() == ("", "")


def test_verbose_shows_plain_lines(config_of: Config, train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = train(config_of(), verbose=True)
    out = capsys.readouterr().out
    assert out.startswith(f"training {trainer.results['model_params']:,} parameters on ")
    assert "step 3  loss" in out and "exact match" in out and str(trainer.results["output_dir"]) in out
    assert "\x1b" not in out and "\r" not in out


def test_it_trains_whatever_its_caller_is_in_the_middle_of(tmp_path: Path) -> None:
    config = TrainingConfig(
        task=Task(max_value=9), max_steps=3, embedding_dim=8, num_layers=1, num_heads=1, feedforward_dim=8
    )
    for number, surroundings in enumerate((torch.no_grad(), torch.inference_mode())):
        with surroundings:
            assert CalcGPTTrainer(config, None, tmp_path / f"model-{number}", verbose=False).train()["steps"] == 3
            assert not torch.is_grad_enabled()
    torch.set_default_dtype(torch.float64)
    try:
        CalcGPTTrainer(config, None, tmp_path / "model-2", verbose=False).train()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
