"""Runs side by side in one process: each as if it were alone, and nothing of the program's changed even meanwhile."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.tokens.scheme import Positions
from calcgpt.training.config import TrainingConfig
from calcgpt.training.tracking import Listener
from calcgpt.training.trainer import CalcGPTTrainer

Config = Callable[..., TrainingConfig]


@pytest.fixture
def configs(config_of: Config) -> list[TrainingConfig]:
    """Dropout, both optimisers, plain positions and columns."""
    columns = {
        "task": Task(operations=("+",), max_digits=(3,)),
        "notation": Notation(work="columns"),
        "positions": Positions(ids="coupled", encoding="fire", window=(1,), segments=True),
        "batch_tokens": 300,
    }
    shared: dict[str, Any] = {"max_steps": 6, "eval_steps": 3, "eval_examples": 9, "test_split": 0.05, "dropout": 0.1}
    return [
        config_of(seed=1, optimizer="muon", **shared),
        config_of(seed=2, **shared),
        config_of(seed=3, **columns, **shared),
        config_of(seed=1, optimizer="muon", **shared),
    ]


def weights(config: TrainingConfig, folder: Path, listeners: Any = ()) -> dict[str, torch.Tensor]:
    trainer = CalcGPTTrainer(config, None, folder, verbose=False, listeners=listeners)
    trainer.train()
    return trainer.model.state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_runs_side_by_side_are_those_alone(configs: list[TrainingConfig], tmp_path: Path) -> None:
    alone = [weights(config, tmp_path / f"alone-{number}") for number, config in enumerate(configs)]
    assert equal(alone[0], alone[3]) and not equal(alone[0], alone[1])
    together: dict[int, Any] = {}
    stop = threading.Event()

    def draw() -> None:  # whatever else the program does
        while not stop.is_set():
            torch.rand(100), np.random.rand(100), random.random()

    def run(number: int) -> None:
        together[number] = weights(configs[number], tmp_path / f"together-{number}")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(configs))]
    other = threading.Thread(target=draw)
    for thread in (other, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    other.join()
    assert [equal(alone[number], together[number]) for number in range(len(configs))] == [True] * len(configs)


def test_the_programs_draws_are_its_own_while_a_run_lasts(configs: list[TrainingConfig], tmp_path: Path) -> None:
    def seed() -> None:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)

    def draw(_: Any = None) -> None:
        drawn.append((random.random(), float(np.random.rand()), float(torch.rand(1))))

    class Drawing(Listener):
        def __init__(self) -> None:
            for event in ("on_start", "on_evaluation", "on_end"):
                setattr(self, event, draw)

    drawn: list[Any] = []
    seed()
    for config in configs[:3]:
        weights(config, tmp_path / "model", [Drawing()])
    during, drawn = drawn, []
    seed()
    for _ in during:
        draw()
    assert len(during) == 3 * 4 and during == drawn


def test_settings_of_the_program_do_not_change_while_a_run_lasts(configs: list[TrainingConfig], tmp_path: Path) -> None:
    """As another thread sees them, a new one each time."""

    def look() -> None:
        tiny = float(torch.tensor([1e-40], dtype=torch.float32).mul(1))
        seen.append((torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), tiny))

    seen: list[Any] = []
    look()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for config in configs[:3]:
            weights(config, tmp_path / "model")
    finally:
        stop.set()
        watcher.join()
    assert len(seen) > 10 and set(seen) == {seen[0]}
