"""What is written down of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

import calcgpt
from calcgpt.training.config import TrainingConfig
from calcgpt.training.data import TrainingData
from calcgpt.training.records import describe_run, training_loss

Config = Callable[..., Any]


@pytest.mark.parametrize(
    ("steps", "per_epoch", "accumulation", "expected"),
    [
        (20, 5, 1, [16, 17, 18, 19, 20]),
        (20, 5, 2, [18, 19, 20]),
        (3, 5, 1, [1, 2, 3]),
        (30, None, 1, [28, 29, 30]),
        (7, None, 1, [7]),
        (1, None, 1, [1]),
    ],
)
def test_the_training_loss_is_that_of_the_end(
    steps: int, per_epoch: int | None, accumulation: int, expected: list[int]
) -> None:
    losses = [torch.tensor(float(step)) for step in range(1, steps + 1)]
    found = training_loss(losses, per_epoch, TrainingConfig(gradient_accumulation=accumulation))
    assert found == pytest.approx(sum(expected) / len(expected))


def test_run_json_says_all_there_is_to_say(config_of: Config) -> None:
    config = config_of(seed=7)
    data = TrainingData([], [], {"kind": "task"}, [config.task])
    run = describe_run(config, data, {"steps": 3}, {"exact_match": 0.5, "history": [1]})
    assert json.loads(json.dumps(run)) == run
    assert TrainingConfig.from_dict(run["config"]) == config and run["seed"] == 7
    assert run["versions"]["calcgpt"] == calcgpt.__version__ and run["versions"]["torch"] == torch.__version__
    assert run["data"] == {"kind": "task", "tasks": [config.task.to_dict()]}
    assert (run["execution"], run["results"]) == ({"steps": 3}, {"exact_match": 0.5})
