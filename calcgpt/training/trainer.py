"""The trainer: from a config and its data to a model folder.

`CalcGPTTrainer.train` does everything; the methods under "made to be overridden" are its steps.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calcgpt.errors import CalcGPTError, ConfigError
from calcgpt.model.classes import NETWORK, own_classes
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.model.store import RunFolder
from calcgpt.runtime.device import flushed_denormals, resolve_device, thread_count, without_autocast
from calcgpt.runtime.undisturbed import Undisturbed, undisturbed
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training import optimizer as optimizers
from calcgpt.training.column_source import ColumnSource, PlacedExamples
from calcgpt.training.config import TrainingConfig
from calcgpt.training.data import TrainingData, load_file_data, load_task_data
from calcgpt.training.execution import Execution, plan
from calcgpt.training.initial import initial_model, initial_tokenizer, read_initial
from calcgpt.training.records import TrainingResults, describe_run, training_loss
from calcgpt.training.source import Batch, FileSource, OptimizedDataset, Source, TaskSource, on_device
from calcgpt.training.tracking import Console, Listener, MetricsFile
from calcgpt.training.validation import shown_records, validate

logger = logging.getLogger(__name__)

_RECORD = 50  # most steps between two records: a display should move each second
_CTRL_C = "interrupted"  # the reason of an end that came as a KeyboardInterrupt


class TrainingInterrupted(KeyboardInterrupt):
    """A run was ended by Ctrl-C, or by `CalcGPTTrainer.stop` with interrupt=True.

    output_dir: the folder with the model as it was then; None where no step was done, and so nothing written. reason:
    what `stop` was given; "interrupted" for Ctrl-C.
    """

    def __init__(self, output_dir: Path | None, reason: str = _CTRL_C, finished: bool = False):
        how = reason if reason == _CTRL_C else f"interrupted by {reason}"
        what = "the model, which was finished," if finished else "the model as it was"
        super().__init__(
            f"{how}; {what} is in {output_dir}"
            if output_dir
            else f"{how} before the first step was done: nothing was written"
        )
        self.output_dir, self.reason = output_dir, reason


class CalcGPTTrainer:
    """Trains a model from scratch, or from another model, and leaves it in a folder.

    Args:
        config: every setting of the run.
        dataset_path: the data file; None where the config has a task.
        output_dir: the model's folder. A finished model there is kept as NAME.previous.
        verbose: show plain lines on standard output.
        listeners: what else hears the run's events.

    Attributes:
        model, tokenizer: there during and after `train`.
        data: what is trained and tested on, there during and after `train`.
        generator: what initial weights and dropout draw from, seeded with the config's seed. An override that draws
            from it is as repeatable as the rest; PyTorch's global generator is the caller's, and not seeded.

    Raises:
        ConfigError: both a task and a data file, or neither.
    """

    model: GPT
    tokenizer: Tokenizer
    data: TrainingData
    generator: torch.Generator

    _asked: str | None  # why the run should end, where somebody asked for that
    _interrupts: bool  # whether that is to be sooner than any run ends
    _takes_steps: bool
    _finished: bool  # whether the model that is written is that of a run which came to its end
    _ending: Undisturbed[Path] | None  # the final write, from when it is decided on

    def __init__(
        self,
        config: TrainingConfig,
        dataset_path: str | Path | None = None,
        output_dir: str | Path = "models/my_model",
        verbose: bool = True,
        listeners: Sequence[Listener] = (),
    ):
        if config.task is not None and dataset_path is not None:
            raise ConfigError(f"expected a task or a dataset, and got both: a task, and {dataset_path}")
        reads = type(self).load_data is CalcGPTTrainer.load_data  # an override may have data of its own
        if config.task is None and dataset_path is None and reads:
            raise ConfigError("expected a dataset_path, or a config with a task; got neither")
        self.config = config
        self.dataset_path = None if dataset_path is None else Path(dataset_path)
        self.output_dir = Path(output_dir)
        self.verbose = verbose
        self.listeners = list(listeners)
        self.history: list[dict[str, Any]] = []
        self._reset()

    @without_autocast
    def train(self) -> dict[str, Any]:
        """Train, and put the model into `output_dir`.

        Returns:
            training_loss (mean over the last epoch, or the last tenth of the steps of a task), eval_loss, exact_match
            (share of held-out problems answered rightly; None for text without an `=`), training_time (seconds),
            model_params, vocab_size, dataset_size (examples trained on; of a task, problems drawn), test_results
            (records of problem, answer, solution, is_correct, confidence: wrong ones first), history (records to
            plot), steps, stopped (why), output_dir.

        Raises:
            CalcGPTError: data, config or folders do not allow the run; what was there before is kept.
            TrainingInterrupted: Ctrl-C, or `stop` with interrupt=True; its `output_dir` has the model as it was then.
        """
        self.config.check()  # its fields may have been set since
        self._reset()
        thread_count()  # settles how many threads this one computes on
        try:
            with flushed_denormals(), torch.inference_mode(False), torch.enable_grad():
                return self._in_folder(RunFolder(self.output_dir, overwrite=self.config.overwrite))
        except KeyboardInterrupt:
            path = None if self._ending is None else self._ending.result()
            raise TrainingInterrupted(path, self._asked or _CTRL_C, self._finished) from None
        finally:
            self._takes_steps = False

    def stop(self, reason: str, interrupt: bool = False) -> bool:
        """Ask the run to end after the step that it is in: from a listener, a signal handler or another thread.

        The run ends as any run does: it is evaluated, its model takes its place, and `reason` is in its results as
        `stopped`. With `interrupt` it ends sooner: the model is written as it is, as an interrupted one, and `train`
        raises TrainingInterrupted.

        Returns:
            Whether the run takes steps. Before that it is prepared, and ends when that is done; when no run is going on
            there is nothing to end.
        """
        if interrupt or self._asked is None:
            self._asked = reason
        self._interrupts = self._interrupts or interrupt
        return self._takes_steps

    # Made to be overridden

    def load_data(self) -> TrainingData:
        """Read and split the data file, or draw the task's test problems."""
        if self.config.task is not None:
            return load_task_data(self.config)
        assert self.dataset_path is not None
        return load_file_data(self.dataset_path, self.config)

    def build_tokenizer(self, data: TrainingData) -> Tokenizer:
        """The vocabulary of everything that training and test may show, or that of `init_from`."""
        tokenizer = Tokenizer.build(data.alphabet(self.config), self.config.tokenizer)
        return tokenizer if self._initial is None else initial_tokenizer(self._initial, tokenizer)

    def build_source(self, data: TrainingData, tokenizer: Tokenizer, maxlen: int) -> Source:
        """Where batches come from."""
        config = self.config
        if config.notation.work == "columns":
            return ColumnSource(config, tokenizer)
        if config.task is not None:
            return TaskSource(config, tokenizer, maxlen)
        dataset = OptimizedDataset(data.train, maxlen, tokenizer, config.loss_on, config.notation)
        return FileSource(dataset, config.batch_size, config.seed)

    def build_model(self, vocab_size: int, maxlen: int) -> GPT:
        """The network, on the CPU, with fresh weights or those of `init_from`."""
        wanted = create_model_config(vocab_size, maxlen, self.config)
        if self._initial is not None:
            return initial_model(self._initial, wanted, self.generator)
        return GPT(wanted, self.generator)

    def build_optimizer(self, model: GPT) -> torch.optim.Optimizer:
        """What updates the weights."""
        return optimizers.build_optimizer(model, self.config)

    def build_schedule(self, total_steps: int | None) -> Callable[[int], float]:
        """The factor on the learning rate at each step."""
        return optimizers.build_schedule(self.config, total_steps)

    def compute_loss(self, model: GPT, batch: Batch) -> Tensor:
        """The mean loss of a batch, a scalar to go backward from."""
        input_ids, labels = batch[:2]
        places, offset = batch[2:] if isinstance(batch, PlacedExamples) else (None, None)
        if self.execution.compiled is not None:
            loss = self.execution.compiled(input_ids, labels).loss
            assert loss is not None, "labels were given"
            return loss
        return model.loss(model.batch(input_ids, labels, places, offset))

    def evaluate(self, limit: int | None = None) -> dict[str, Any]:
        """Loss and exact match on the first `limit` held-out examples, with their verdicts.

        Returns eval_loss, exact_match and digit_accuracy (each None where there is nothing to measure it on), and
        verdicts. What an override adds is recorded with them.
        """
        examples = self.data.test[:limit]
        return validate(self.model, self.tokenizer, self.config, self.maxlen, examples, self._heed)

    def callbacks(self) -> list[Listener]:
        """Who hears the run's events, beside the metrics file."""
        return ([Console()] if self.verbose else []) + self.listeners

    # The run itself

    def _reset(self) -> None:
        self._asked, self._ending = None, None
        self._interrupts = self._takes_steps = self._finished = False

    def _in_folder(self, folder: RunFolder) -> dict[str, Any]:
        try:
            undisturbed(folder.open)
            self._prepare(folder)
            return self._run(folder)
        finally:
            undisturbed(folder.close)

    def _run(self, folder: RunFolder) -> dict[str, Any]:
        """Train, and end: by one path, whatever interrupts it, and however often."""
        self._takes_steps = True
        results: dict[str, Any] = {}
        while self._ending is None:
            try:
                interrupted = self._interrupts
                results = self._cut_short() if interrupted else self._results(self._loop(folder))
                self._finished = not interrupted
                self._ending = Undisturbed(partial(self._write, folder, results))
            except KeyboardInterrupt:
                self._interrupts = True
                if not self._done:
                    raise
        path = self._ending.result()
        self.model.eval()
        self._tell("on_save", path)
        results["output_dir"] = str(path)
        if self._finished:
            self._tell("on_end", results)
        self._heed()
        return TrainingResults(results)

    def _cut_short(self) -> dict[str, Any]:
        """The results of a run that was interrupted."""
        self._checked(float(self._losses[-1]))
        return {"stopped": self._asked or _CTRL_C, "training_time": time.perf_counter() - self._started}

    def _write(self, folder: RunFolder, results: dict[str, Any]) -> Path:
        status = "finished" if self._finished else "interrupted"
        return folder.finish(*self._stored(results), status=status)

    def _heed(self) -> None:
        """End here, where the run is to be interrupted."""
        if self._interrupts:
            raise KeyboardInterrupt

    def _prepare(self, folder: RunFolder) -> None:
        config = self.config
        self.device = resolve_device(config.device)
        self.generator = torch.Generator("cpu").manual_seed(config.seed)
        # Read once: its vocabulary and its weights are of one version.
        self._initial = None if config.init_from is None else read_initial(config.init_from)
        self.data = self.load_data()
        self._heed()
        if type(self).build_source is not CalcGPTTrainer.build_source:
            # Batches from elsewhere: what was trained on cannot be told again from the config.
            self.data.identity = {**self.data.identity, "kind": "own source"}
        self.tokenizer = self.build_tokenizer(self.data)
        self.maxlen = self.data.longest(self.tokenizer, config)
        self.source = self.build_source(self.data, self.tokenizer, self.maxlen)
        self._heed()
        network = self.build_model(len(self.tokenizer), self.maxlen)
        self._classes = own_classes(
            network, config.notation, [*self.data.tasks, *([config.task] if config.task else [])]
        )
        self.model = network.to(self.device.torch).train()
        self._initial = None  # its weights need not stay in memory
        if self.device.type != "cpu" and isinstance(self.model, GPT):
            self.model.draw_from(torch.Generator(self.device.torch).manual_seed(config.seed))
        self.execution: Execution = plan(config, self.device, self.model)
        self.optimizer = self.build_optimizer(self.model)
        self._parameters = list(self.model.parameters())  # walking the modules takes a while each step
        self.total_steps = self._count_steps()
        self.schedule = self.build_schedule(self.total_steps)
        self.history = []
        self._heard_by = [MetricsFile(folder.metrics), *self.callbacks()]
        self._losses, self._done, self._drawn = list[Tensor](), 0, 0
        folder.rehearse(*self._stored({}), checkpoints=bool(config.save_steps))
        self._heed()
        self._started = time.perf_counter()

    def _count_steps(self) -> int | None:
        config, per_epoch = self.config, self.source.steps_per_epoch
        if per_epoch is None:
            return config.max_steps
        # An epoch's last batches count as a step of their own accumulation.
        total = math.ceil(per_epoch * config.epochs / config.gradient_accumulation)
        return min(total, config.max_steps or total)

    def _loop(self, folder: RunFolder) -> str:
        """Take steps until one of the ends is reached; returns which."""
        self._tell("on_start", {**self._facts(), "notes": self._notes()})
        total, interval = self.total_steps, self._evaluation_interval()
        every = max(1, min((total or 2000) // 200, _RECORD))
        limit = self.config.max_seconds or math.inf
        while total is None or self._done < total:
            self._losses.append(self._step(self._done))
            self._done += 1
            self._heed()
            if self._done % every == 0 or self._done == total:
                self._log(every)
            if self._asked:
                return self._asked
            if interval and self._done % interval == 0 and self._done != total and self._validate():
                return "target_exact_match"
            if self.config.save_steps and self._done % self.config.save_steps == 0 and self._done != total:
                self._checked(float(self._losses[-1]))
                self._tell("on_save", undisturbed(lambda: folder.save(*self._stored({}))))
            if time.perf_counter() - self._started >= limit:
                return "max_seconds"
        return "max_steps" if self.source.steps_per_epoch is None or total == self.config.max_steps else "epochs"

    def _step(self, step: int) -> Tensor:
        factor = self.schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
        parts = self.config.gradient_accumulation
        losses = []
        for part in range(parts):
            batch = on_device(self.source.batch(step * parts + part), self.device.torch)
            self._drawn += len(batch[0])
            with self.execution.autocast():
                loss = self.compute_loss(self.model, batch) / parts
            loss.backward()
            losses.append(loss.detach())
        if self.config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self._parameters, self.config.gradient_clip, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return losses[0] if parts == 1 else torch.stack(losses).sum()

    def _log(self, every: int) -> None:
        loss = self._checked(float(torch.stack(self._losses[-every:]).mean()))
        rate = self.optimizer.param_groups[0]["lr"]
        record: dict[str, Any] = {"step": self._done, "loss": loss, "learning_rate": rate}
        if self.source.steps_per_epoch:
            record["epoch"] = self._done * self.config.gradient_accumulation / self.source.steps_per_epoch
        self._record("on_step", record)

    def _checked(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise CalcGPTError(f"the loss is {loss} at step {self._done}: expected a finite number; {self._advice()}")
        return loss

    def _check_weights(self) -> None:
        """Raise CalcGPTError unless every weight is a finite number: another model is nobody's to keep."""
        for name, value in self.model.state_dict().items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise CalcGPTError(
                    f"the weights {name} are not finite after step {self._done}: expected finite numbers; "
                    f"{self._advice()}"
                )

    def _advice(self) -> str:
        return f"try a lower learning_rate than {self.config.learning_rate}, or more warmup_steps"

    def _validate(self) -> bool:
        """Validate on held-out problems of the training range; true where the target is reached."""
        found = self._measure(self.config.eval_examples)
        target = self.config.target_exact_match
        return target is not None and found["exact_match"] is not None and found["exact_match"] >= target

    def _measure(self, limit: int | None = None) -> dict[str, Any]:
        self._check_weights()
        found = self.evaluate(limit)
        if isinstance(found["eval_loss"], float):
            self._checked(found["eval_loss"])
        figures = {key: value for key, value in found.items() if key != "verdicts"}
        self._record("on_evaluation", {"step": self._done, **figures})
        return found

    def _record(self, event: str, record: dict[str, Any]) -> None:
        record["seconds"] = time.perf_counter() - self._started
        self.history.append(record)
        self._tell(event, record)

    def _tell(self, event: str, content: Any) -> None:
        for listener in self._heard_by[:]:
            try:
                getattr(listener, event)(content)
            except Exception as error:  # somebody else's code: a run of hours does not end with it
                name, reason = type(listener).__name__, str(error) or type(error).__name__
                logger.warning("%s failed at %s and hears no more of this run: %s", name, event, reason)
                self._heard_by.remove(listener)

    def _evaluation_interval(self) -> int | None:
        if not self.data.test:
            return None
        if self.config.eval_steps:
            return self.config.eval_steps
        per_epoch = self.source.steps_per_epoch
        if per_epoch:
            return math.ceil(per_epoch / self.config.gradient_accumulation)
        return max(1, (self.total_steps or 10_000) // 10)

    def _facts(self) -> dict[str, Any]:
        return {
            "total_steps": self.total_steps,
            "model_params": self.model.num_parameters,
            "vocab_size": len(self.tokenizer),
            "dataset_size": len(self.data.train),
            "device": self.device.name,
            **self.execution.facts(),
        }

    def _notes(self) -> list[str]:
        """What the run decided that the config does not say."""
        notes = self.execution.notes(self.config)
        warmup, total = self.config.warmup_steps, self.total_steps
        if total is not None and warmup > total // 2:
            notes.append(f"warm-up of {total // 2:,} steps in place of {warmup:,}: at most half of the run")
        return notes

    def _results(self, stopped: str) -> dict[str, Any]:
        loss = self._checked(training_loss(self._losses, self.source.steps_per_epoch, self.config))
        found = self._measure()
        return {
            "training_loss": loss,
            "eval_loss": found["eval_loss"],
            "exact_match": found["exact_match"],
            "training_time": time.perf_counter() - self._started,
            "model_params": self.model.num_parameters,
            "vocab_size": len(self.tokenizer),
            "dataset_size": len(self.data.train) or self._drawn,
            "test_results": shown_records(self.model, self.tokenizer, self.config, found.get("verdicts")),
            "history": self.history,
            "steps": self._done,
            "stopped": stopped,
        }

    def _stored(self, results: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any], Tokenizer, dict[str, Any]]:
        self._check_weights()
        state = {name: value.detach().cpu() for name, value in self.model.state_dict().items()}
        run = describe_run(self.config, self.data, {**self._facts(), "steps": self._done}, results, self._classes)
        own = any(role in NETWORK for role in self._classes)
        return state, self.model.config.to_dict(own), self.tokenizer, run


def create_model_config(vocab_size: int, maxlen: int, training_config: TrainingConfig) -> GPTConfig:
    """The network's sizes for a vocabulary, a length in tokens (the end counted) and a training config."""
    return GPTConfig(
        vocab_size=vocab_size,
        max_length=maxlen,
        embedding_dim=training_config.embedding_dim,
        num_layers=training_config.num_layers,
        num_heads=training_config.num_heads,
        feedforward_dim=training_config.feedforward_dim,
        dropout=training_config.dropout,
        positions=training_config.positions,
    )
