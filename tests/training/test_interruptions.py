"""Runs that do not end as planned: Ctrl-C, a loss that is no number, an error on the way, and checkpoints."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from calcgpt import CalcGPT
from calcgpt.arithmetic.notation import Notation
from calcgpt.errors import CalcGPTError
from calcgpt.model.runs import REHEARSAL
from calcgpt.model.store import RunFolder, list_models, read_model
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
    ("event", "at", "steps"), [("on_step", 2, 2), ("on_evaluation", 1, 4), ("on_evaluation", 2, 6)]
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


def test_before_the_first_step_there_is_nothing_to_keep(config_of: Config, train: Any) -> None:
    old = train(config_of(max_steps=1))

    class Unlucky(CalcGPTTrainer):
        def load_data(self) -> Any:
            raise KeyboardInterrupt

    for options in ({"listeners": [Raising("on_start", KeyboardInterrupt())]}, {"kind": Unlucky}):
        with pytest.raises(TrainingInterrupted, match="before the first step was done: nothing was written") as caught:
            train(config_of(), **options)
        assert caught.value.output_dir is None
    assert read_model(old.output_dir).run["results"]["training_loss"] == old.results["training_loss"]
    assert names_beside(old.output_dir) == ["model"]


def names_beside(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.parent.iterdir() if not entry.name.startswith("."))


@pytest.mark.skipif(sys.platform == "win32", reason="threads are interrupted differently there")
@pytest.mark.parametrize("moment", ["_write", "_install", "close"])
def test_ctrl_c_while_the_model_takes_its_place(
    config_of: Config, train: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Again and again, and the model is written once, whole, and the one before it is kept."""
    old, calls = train(config_of(max_steps=1)), []
    original = getattr(RunFolder, moment)

    def disturbed(self: Any, *arguments: Any) -> Any:
        if moment == "_write" and arguments[0].name.startswith(REHEARSAL):
            return original(self, *arguments)
        calls.append(threading.current_thread())
        for _ in range(5):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.01)
        return original(self, *arguments)

    monkeypatch.setattr(RunFolder, moment, disturbed)
    with pytest.raises(
        TrainingInterrupted, match="interrupted; the model, which was finished, is in .*model"
    ) as caught:
        train(config_of())
    assert threading.main_thread() not in calls and len(calls) == (2 if moment == "close" else 1)
    run = read_model(caught.value.output_dir).run
    assert (run["execution"]["steps"], run["status"]) == (3, "finished")
    kept = read_model(old.output_dir.with_name("model.previous")).run
    assert kept["results"]["training_loss"] == old.results["training_loss"]
    assert names_beside(old.output_dir) == ["model", "model.previous"]


class Stopping(Listener):
    """Calls its trainer's `stop` at an event."""

    def __init__(self, event: str, **options: Any):
        def hear(_: Any) -> None:
            self.heeded = self.trainer.stop("enough", **options)

        self.trainer: Any = None
        self.heeded: bool | None = None
        setattr(self, event, hear)


def stopped(config: TrainingConfig, folder: Path, event: str, **options: Any) -> tuple[CalcGPTTrainer, Stopping]:
    listener = Stopping(event, **options)
    trainer = listener.trainer = CalcGPTTrainer(config, None, folder, verbose=False, listeners=[listener])
    return trainer, listener


@pytest.mark.parametrize(("event", "steps"), [("on_start", 1), ("on_step", 1), ("on_evaluation", 5)])
def test_a_listener_ends_the_run(config_of: Config, tmp_path: Path, event: str, steps: int) -> None:
    trainer, listener = stopped(config_of(max_steps=90, eval_steps=4), tmp_path / "model", event)
    results = trainer.train()
    assert (results["stopped"], results["steps"]) == ("enough", steps) and listener.heeded is True
    assert results["exact_match"] is not None and results["test_results"]
    run = read_model(results["output_dir"]).run
    assert (run["status"], run["results"]["stopped"]) == ("finished", "enough")
    assert trainer.stop("no run is going on") is False


@pytest.mark.parametrize(("event", "steps"), [("on_start", 1), ("on_step", 1), ("on_evaluation", 5)])
def test_a_listener_interrupts_the_run(config_of: Config, tmp_path: Path, event: str, steps: int) -> None:
    trainer, _ = stopped(config_of(max_steps=90, eval_steps=4), tmp_path / "model", event, interrupt=True)
    with pytest.raises(TrainingInterrupted, match="interrupted by enough; the model as it was is in") as caught:
        trainer.train()
    assert caught.value.reason == "enough" and caught.value.output_dir is not None
    run = read_model(caught.value.output_dir).run
    assert (run["status"], run["results"]["stopped"], run["execution"]["steps"]) == ("interrupted", "enough", steps)


def test_another_thread_ends_the_run_while_it_is_prepared(config_of: Config, tmp_path: Path) -> None:
    class Slow(CalcGPTTrainer):
        def load_data(self) -> Any:
            thread = threading.Thread(target=lambda: self.stop("the scheduler", interrupt=True))
            thread.start()
            thread.join()
            return super().load_data()

        def build_model(self, vocab_size: int, maxlen: int) -> Any:
            pytest.fail("it was to end")

    with pytest.raises(TrainingInterrupted, match="interrupted by the scheduler before the first step"):
        Slow(config_of(), None, tmp_path / "model", verbose=False).train()
    assert not (tmp_path / "model").exists()


def test_an_interruption_does_not_wait_for_the_last_evaluation(config_of: Config, tmp_path: Path) -> None:
    class Patient(CalcGPTTrainer):
        def evaluate(self, limit: int | None = None) -> dict[str, Any]:
            if limit is None:
                self.stop("impatience", interrupt=True)
            return super().evaluate(limit)

    with pytest.raises(TrainingInterrupted) as caught:
        Patient(config_of(), None, tmp_path / "model", verbose=False).train()
    assert caught.value.output_dir is not None
    assert read_model(caught.value.output_dir).run["status"] == "interrupted"


@pytest.mark.parametrize("event", ["on_start", "on_step", "on_evaluation", "on_save", "on_end"])
def test_a_listener_that_fails_is_named_and_left_out(
    config_of: Config, train: Any, caplog: pytest.LogCaptureFixture, event: str
) -> None:
    class Sensitive(Raising):
        pass

    bad, good = Sensitive(event, ZeroDivisionError("by zero")), Raising(event, KeyError(), at=10**9)
    trainer = train(config_of(save_steps=1, eval_steps=1), listeners=[bad, good])
    assert trainer.results["stopped"] == "max_steps" and bad.count == 1
    assert good.count == {"on_start": 1, "on_end": 1}.get(event, 3)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("calcgpt")]
    assert lines == [f"Sensitive failed at {event} and hears no more of this run: by zero"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_records_that_cannot_be_written_do_not_end_the_run(
    config_of: Config, train: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Filling(CalcGPTTrainer):
        def load_data(self) -> Any:
            os.symlink("/dev/full", self.output_dir.with_name("model.running") / "metrics.jsonl")
            return super().load_data()

    trainer = train(config_of(), kind=Filling)
    assert trainer.results["stopped"] == "max_steps" and len(trainer.results["history"]) == 6
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("calcgpt")]
    assert len(lines) == 1 and "metrics.jsonl: No space left on device; the run goes on" in lines[0]


@pytest.mark.parametrize("changes", [{}, {"task": None, "notation": Notation(), "test_split": 0.0}])
def test_weights_that_are_not_finite_take_no_models_place(
    config_of: Config, train: Any, data_file: Path, changes: Any
) -> None:
    """The loss of the last step was finite: it was that of the weights before."""
    path = data_file if changes else None
    old = train(config_of(**changes), path)
    spoilt = {**changes, "max_steps": 1, "learning_rate": 1e38, "gradient_clip": 0.0, "warmup_steps": 0}
    ends: list[Any] = []

    class Ending(Listener):
        on_save = on_end = ends.append  # type: ignore[assignment]

    interrupt = Raising("on_step", KeyboardInterrupt())
    for listeners in ([Ending()], [Ending(), interrupt]):
        with pytest.raises(
            CalcGPTError, match="not finite after step 1: expected finite numbers; try a lower"
        ) as caught:
            train(config_of(**spoilt), path, listeners=listeners)
        assert "\n" not in str(caught.value)
    assert not ends and names_beside(old.output_dir) == ["model"]
    assert read_model(old.output_dir).run["results"]["training_loss"] == old.results["training_loss"]


def test_a_model_whose_loss_is_not_finite_takes_no_models_place(config_of: Config, train: Any, tmp_path: Path) -> None:
    class Huge(CalcGPTTrainer):
        """Weights that are finite, and too large to compute with."""

        def evaluate(self, limit: int | None = None) -> dict[str, Any]:
            with torch.no_grad():
                self.model.wte.weight.fill_(3e38)
            return super().evaluate(limit)

    with pytest.raises(CalcGPTError, match="the loss is (nan|inf) at step 1: expected a finite number"):
        train(config_of(), kind=Huge)
    assert not (tmp_path / "models" / "model").exists()


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
    class Failing(CalcGPTTrainer):
        def compute_loss(self, model: Any, batch: Any) -> torch.Tensor:
            return super().compute_loss(model, batch) * (1 // int(self._done < 4))

    old = train(config_of(max_steps=1))
    with pytest.raises(ZeroDivisionError):
        train(config_of(max_steps=7, save_steps=2), kind=Failing)
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
