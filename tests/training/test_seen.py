"""What a run was trained on, told again afterwards: exactly what its batches held."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcgpt.arithmetic.columns import group, parse_columns
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.scanning import scan
from calcgpt.arithmetic.task import Task
from calcgpt.model.store import read_model
from calcgpt.tokens.scheme import Positions
from calcgpt.training.config import TrainingConfig
from calcgpt.training.data import load_file_data
from calcgpt.training.seen import trained_problems
from calcgpt.training.trainer import CalcGPTTrainer

Config = Callable[..., Any]


class Watched(CalcGPTTrainer):
    """Notes every example that a batch holds."""

    def compute_loss(self, model: Any, batch: Any) -> Any:
        self.examples = getattr(self, "examples", set[str]())
        self.examples |= {self.tokenizer.decode(row) for row in batch[0].tolist()}
        return super().compute_loss(model, batch)


def test_of_a_task(config_of: Config, train: Any) -> None:
    config = config_of(
        task=Task(max_value=50, carry_share=0.3), notation=Notation(), gradient_accumulation=2, max_steps=5
    )
    trainer = train(config, kind=Watched)
    seen = trained_problems(read_model(trainer.output_dir).run)
    assert seen is not None
    assert sorted(set(scan(sorted(trainer.examples)).problems.keys().tolist())) == seen.tolist()
    assert len(trainer.examples) > 100
    assert not set(scan(trainer.data.test).problems.keys().tolist()) & set(seen.tolist())


def test_of_columns(config_of: Config, train: Any) -> None:
    config = config_of(
        task=Task(("+", "-", "*", "//"), max_digits=(2,), max_operands=3),  # type: ignore[arg-type]
        notation=Notation(work="columns"),
        positions=Positions("coupled", "relative", (1,)),
        batch_tokens=400,
        gradient_accumulation=2,
        max_steps=12,
        curriculum_steps=5,
        test_split=0.1,
    )
    trainer = train(config, kind=Watched)
    seen = trained_problems(read_model(trainer.output_dir).run)
    assert seen is not None and len(trainer.examples) > 150
    prompts = [parse_columns(text.split("=")[0]) for text in trainer.examples]
    keys = {key for _, problems in group(prompts) for key in problems.keys().tolist()}
    assert sorted(keys) == seen.tolist()
    tests = [parse_columns(text.split("=")[0]) for text in trainer.data.test]
    assert len(tests) > 100
    assert not keys & {key for _, problems in group(tests) for key in problems.keys().tolist()}


def test_of_an_early_end(config_of: Config, train: Any) -> None:
    """Only the steps that were taken count."""
    config = config_of(task=Task(max_value=50), notation=Notation(), max_steps=50, eval_steps=2, target_exact_match=0.0)
    trainer = train(config, kind=Watched)
    assert trainer.results["steps"] == 2 and trainer.results["stopped"] == "target_exact_match"
    seen = trained_problems(read_model(trainer.output_dir).run)
    assert seen is not None
    assert set(scan(sorted(trainer.examples)).problems.keys().tolist()) == set(seen.tolist())


def test_of_a_file(file_config_of: Config, train: Any, data_file: Path) -> None:
    config = file_config_of()
    trainer = train(config, data_file, kind=Watched)
    run = read_model(trainer.output_dir).run
    seen = trained_problems(run)
    assert seen is not None
    assert trainer.examples == set(load_file_data(data_file, config).train)
    assert set(scan(sorted(trainer.examples)).problems.keys().tolist()) == set(seen.tolist())
    data_file.write_text(data_file.read_text() + "9+9=18\n")
    assert trained_problems(run) is None, "the file was changed"
    data_file.unlink()
    assert trained_problems(run) is None, "the file is gone"


@pytest.mark.parametrize(
    "change",
    [{"config": {"init_from": "models/x"}}, {"data": {"kind": "my own"}}, {"data": {}}],
    ids=["went-on", "own-data", "no-data"],
)
def test_what_cannot_be_told(config_of: Config, train: Any, change: dict[str, Any]) -> None:
    run = read_model(train(config_of(max_steps=1)).output_dir).run
    for part, values in change.items():
        run[part] = {**run[part], **values} if values else {}
    assert trained_problems(run) is None


def test_batches_from_elsewhere_cannot_be_told_again(tmp_path: Path) -> None:
    class Elsewhere(CalcGPTTrainer):
        def build_source(self, *arguments: Any) -> Any:
            return super().build_source(*arguments)

    config = TrainingConfig(
        task=Task(max_value=9), max_steps=2, embedding_dim=8, num_layers=1, num_heads=1, feedforward_dim=8
    )
    for kind, known in ((CalcGPTTrainer, True), (Elsewhere, False)):
        kind(config, None, tmp_path / kind.__name__, verbose=False).train()
        run = read_model(tmp_path / kind.__name__).run
        assert (trained_problems(run) is not None) is known


@pytest.mark.skipif(sys.platform == "win32", reason="pipes like these are POSIX's")
def test_of_a_pipe_nothing_can_be_told(config_of: Config, tmp_path: Path) -> None:
    data = "".join(f"{a}+{b}={a + b}\n" for a in range(5) for b in range(5)).encode()
    path = tmp_path / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()
    config = config_of(task=None, notation=Notation(), max_steps=1)
    trainer = CalcGPTTrainer(config, path, tmp_path / "model", verbose=False)
    trainer.train()
    run = read_model(tmp_path / "model").run
    assert run["data"]["sha256"] == hashlib.sha256(data).hexdigest() and run["data"]["rereadable"] is False
    assert trained_problems(run) is None
    del run["data"]["rereadable"]  # a run of a version that did not note it: the pipe is there, and never opened
    assert trained_problems(run) is None
    path.unlink()
    path.write_bytes(data)
    assert trained_problems(run) is not None
