"""Runs that do not end as planned: Ctrl-C, a loss that is no number, an error on the way, and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from calcgpt import CalcGPT
from calcgpt.errors import CalcGPTError
from calcgpt.model.store import list_models, read_model
from calcgpt.training.config import TrainingConfig
from calcgpt.training.tracking import Listener
from calcgpt.training.trainer import CalcGPTTrainer, TrainingInterrupted

Config = Callable[..., Any]


class Raising(Listener):
    """Raises an error where it hears an event for the n-th time."""

    def __init__(self, event: str, error: BaseException, at: int = 1):
        def hear(content: Any) -> None:
            self.count += 1
            if self.count == at:
                raise error

        self.count = 0
        setattr(self, event, hear)


@pytest.mark.parametrize(
    ("event", "at", "steps"), [("on_start", 1, 0), ("on_step", 2, 2), ("on_evaluation", 1, 4), ("on_evaluation", 2, 6)]
)
def test_ctrl_c_leaves_a_usable_model_and_says_where(
    config_of: Config, train: Any, tmp_path: Path, event: str, at: int, steps: int
) -> None:
    """During a step, a validation, and the last evaluation too."""
    old = train(config_of(max_steps=1))
    with pytest.raises(KeyboardInterrupt, match="interrupted; the model as it was is in .*model") as caught:
        train(config_of(max_steps=6, eval_steps=4), listeners=[Raising(event, KeyboardInterrupt(), at)])
    assert isinstance(caught.value, TrainingInterrupted)
    folder = caught.value.output_dir
    assert folder.resolve() == old.output_dir.resolve()
    run = read_model(folder).run
    assert run["status"] == "interrupted" and run["execution"]["steps"] == steps
    assert run["results"]["stopped"] == "interrupted"
    assert CalcGPT(folder).solve("1+1")["error"] is None
    kept = read_model(folder.with_name("model.previous")).run
    assert kept["results"]["training_loss"] == old.results["training_loss"], "the model before is kept"
    train(config_of(max_steps=1))
    kinds = {summary.name: summary.kind for summary in list_models(folder.parent)}
    assert kinds == {"model": "model", "model.previous": "previous", "model.interrupted": "interrupted"}


def test_ctrl_c_while_the_model_is_written(config_of: Config, train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from calcgpt.model.runs import RunFolder

    finish, calls = RunFolder.finish, []

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Path:
        calls.append(options)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return finish(self, *arguments, **options)

    monkeypatch.setattr(RunFolder, "finish", interrupted)
    with pytest.raises(TrainingInterrupted) as caught:
        train(config_of())
    assert read_model(caught.value.output_dir).run["execution"]["steps"] == 3


def test_a_loss_that_is_no_number_is_one_clear_error(config_of: Config, train: Any, tmp_path: Path) -> None:
    class Exploding(CalcGPTTrainer):
        def compute_loss(self, model: Any, batch: Any) -> torch.Tensor:
            return super().compute_loss(model, batch) * (float("nan") if self._done >= 2 else 1.0)

    old = train(config_of())
    for changes in ({}, {"save_steps": 3}, {"max_steps": None, "max_seconds": 0.2}):
        with pytest.raises(
            CalcGPTError, match="the loss is nan at step .*: expected a finite number; try a lower"
        ) as caught:
            train(config_of(**{"max_steps": 2000, **changes}), kind=Exploding)
        assert "\n" not in str(caught.value)
    assert read_model(old.output_dir).run["status"] == "finished"
    assert [entry.name for entry in old.output_dir.parent.iterdir() if not entry.name.startswith(".")] == ["model"]


def test_a_rate_that_is_far_too_high(config_of: Config, train: Any) -> None:
    with pytest.raises(CalcGPTError, match="the loss is (nan|inf) at step"):
        train(config_of(learning_rate=1e30, warmup_steps=0, max_steps=40))


def test_save_steps_leave_usable_models_on_the_way(config_of: Config, train: Any) -> None:
    found: list[tuple[int, str]] = []

    class Looking(Listener):
        def on_save(self, path: Path) -> None:
            run = read_model(path).run
            found.append((run["execution"]["steps"], run["status"]))
            assert CalcGPT(path).solve("1+1")["error"] is None

    train(config_of(max_steps=7, save_steps=2), listeners=[Looking()])
    assert found == [(2, "running"), (4, "running"), (6, "running"), (7, "finished")]


def test_an_error_on_the_way_leaves_the_last_checkpoint(config_of: Config, train: Any) -> None:
    old = train(config_of(max_steps=1))
    with pytest.raises(ZeroDivisionError):
        train(config_of(max_steps=7, save_steps=2), listeners=[Raising("on_step", ZeroDivisionError(), 5)])
    run = read_model(old.output_dir.with_name("model.interrupted")).run
    assert (run["status"], run["execution"]["steps"]) == ("interrupted", 4)
    assert read_model(old.output_dir).run["results"]["training_loss"] == old.results["training_loss"]


def test_training_again_with_the_same_trainer(config_of: Config, train: Any) -> None:
    trainer = train(config_of())
    again = trainer.train()
    assert again["training_loss"] == trainer.results["training_loss"]
    assert len(again["history"]) == len(trainer.results["history"])


def test_going_on_after_ctrl_c(config_of: Config, train: Any) -> None:
    """The interrupted model is one to start from."""
    with pytest.raises(TrainingInterrupted) as caught:
        train(config_of(), listeners=[Raising("on_step", KeyboardInterrupt(), 2)])
    config: TrainingConfig = config_of(init_from=str(caught.value.output_dir))
    assert train(config).results["stopped"] == "max_steps"
