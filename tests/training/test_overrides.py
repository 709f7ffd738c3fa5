"""Each method that is made to be overridden, overridden once and seen to take effect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from calcgpt import CalcGPT
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.model.gpt import GPT, LossBatch
from calcgpt.model.store import read_model
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.data import TrainingData
from calcgpt.training.source import OptimizedDataset
from calcgpt.training.tracking import Listener
from calcgpt.training.trainer import CalcGPTTrainer

Config = Callable[..., Any]


def test_data(file_config_of: Config, train: Any) -> None:
    class Own(CalcGPTTrainer):
        def load_data(self) -> TrainingData:
            return TrainingData(["1+1=2", "2+2=4"], ["3+3=6"], {"kind": "in memory"}, [Task(("+",), 1, 3)])

    trainer = train(file_config_of(), kind=Own)  # no data file: it has data of its own
    assert trainer.results["dataset_size"] == 2
    assert [record["problem"] for record in trainer.results["test_results"]] == ["3+3"]
    assert read_model(trainer.output_dir).run["data"]["kind"] == "in memory"
    assert CalcGPT(trainer.output_dir).solve("2+3")["in_distribution"]


def test_tokenizer(config_of: Config, train: Any) -> None:
    class Own(CalcGPTTrainer):
        def build_tokenizer(self, data: TrainingData) -> Tokenizer:
            return Tokenizer.build(["0123456789+-=*/"])

    plain, own = train(config_of()), train(config_of(), kind=Own)
    assert own.results["vocab_size"] == plain.results["vocab_size"] + 2
    assert "*" in read_model(own.output_dir).tokenizer.vocab


def test_source(config_of: Config, train: Any) -> None:
    class Own(CalcGPTTrainer):
        def build_source(self, data: TrainingData, tokenizer: Tokenizer, maxlen: int) -> Any:
            dataset = OptimizedDataset(["1+1=2"], maxlen, tokenizer, notation=self.config.notation)
            asked = self.asked = []

            class Source:
                steps_per_epoch = None

                def batch(self, step: int) -> Any:
                    asked.append(step)
                    return dataset.input_ids, dataset.labels

            return Source()

    trainer = train(config_of(max_steps=150, learning_rate=3e-2, gradient_accumulation=2), kind=Own)
    assert trainer.asked == list(range(300))
    result = CalcGPT(trainer.output_dir).solve("1+1")
    assert result["answer"] == "2" and result["confidence"] > 0.9, "it knows nothing else"


def test_model(config_of: Config, train: Any) -> None:
    class Own(CalcGPTTrainer):
        def build_model(self, vocab_size: int, maxlen: int) -> GPT:
            model = super().build_model(vocab_size, maxlen)
            torch.nn.init.zeros_(model.wte.weight)
            model.wte.weight.requires_grad_(False)
            return model

    trainer = train(config_of(), kind=Own)
    assert not trainer.model.wte.weight.any() and not read_model(trainer.output_dir).state()["wte.weight"].any()


def test_optimizer(config_of: Config, train: Any) -> None:
    class Own(CalcGPTTrainer):
        def build_optimizer(self, model: GPT) -> torch.optim.Optimizer:
            return torch.optim.SGD(model.parameters(), lr=0.25, momentum=0.9)

    trainer = train(config_of(schedule="constant", warmup_steps=0), kind=Own)
    assert isinstance(trainer.optimizer, torch.optim.SGD)
    assert {record["learning_rate"] for record in trainer.results["history"] if "loss" in record} == {0.25}


@pytest.mark.parametrize("clip", [1e-3, 0.0])
def test_the_gradient_is_clipped(config_of: Config, train: Any, clip: float) -> None:
    class Own(CalcGPTTrainer):
        def build_optimizer(self, model: GPT) -> torch.optim.Optimizer:
            self.before = [parameter.detach().clone() for parameter in model.parameters()]
            return torch.optim.SGD(model.parameters(), lr=0.5)

    trainer = train(config_of(max_steps=1, warmup_steps=0, gradient_clip=clip), kind=Own)
    pairs = zip(trainer.model.parameters(), trainer.before, strict=True)
    moved = torch.cat([(after - before).flatten() for after, before in pairs]).norm().item()
    assert moved == pytest.approx(0.5 * clip, rel=1e-2) if clip else moved > 0.05


def test_schedule(config_of: Config, train: Any) -> None:
    class Own(CalcGPTTrainer):
        def build_schedule(self, total_steps: int | None) -> Callable[[int], float]:
            assert total_steps == 3
            return lambda step: 0.5**step

    history = train(config_of(learning_rate=0.01), kind=Own).results["history"]
    assert [record["learning_rate"] for record in history if "loss" in record] == [0.01, 0.005, 0.0025]


def test_loss(config_of: Config, train: Any) -> None:
    class Own(CalcGPTTrainer):
        def compute_loss(self, model: GPT, batch: Any) -> torch.Tensor:
            return 10 * model.loss(LossBatch(*batch))

    plain, own = train(config_of(max_steps=1)), train(config_of(max_steps=1), kind=Own)
    assert own.results["training_loss"] == pytest.approx(10 * plain.results["training_loss"], rel=1e-5)


def test_evaluation(config_of: Config, train: Any) -> None:
    class Own(CalcGPTTrainer):
        def evaluate(self, limit: int | None = None) -> dict[str, Any]:
            return {"eval_loss": 0.5, "exact_match": 0.75, "digit_accuracy": 0.9}

    trainer = train(config_of(max_steps=100, eval_steps=2, target_exact_match=0.7), kind=Own)
    results = trainer.results
    assert (results["steps"], results["stopped"]) == (2, "target_exact_match")
    assert (results["eval_loss"], results["exact_match"], results["test_results"]) == (0.5, 0.75, [])
    checks = [record for record in results["history"] if "eval_loss" in record]
    assert [record["digit_accuracy"] for record in checks] == [0.9, 0.9]


class Noting(Listener):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def on_start(self, facts: dict[str, Any]) -> None:
        self.heard.append(("start", facts))

    def on_step(self, record: dict[str, Any]) -> None:
        self.heard.append(("step", record))

    def on_evaluation(self, record: dict[str, Any]) -> None:
        self.heard.append(("evaluation", record))

    def on_save(self, path: Path) -> None:
        self.heard.append(("save", path))

    def on_end(self, results: dict[str, Any]) -> None:
        self.heard.append(("end", results))


def check(trainer: Any, noting: Noting) -> None:
    events = [event for event, _ in noting.heard]
    assert events == ["start", "step", "step", "save", "step", "evaluation", "save", "end"]
    heard = dict(noting.heard)
    facts = {"total_steps", "model_params", "vocab_size", "dataset_size", "device", "precision", "compile"}
    assert facts <= set(heard["start"]) and heard["end"] == trainer.results
    assert heard["save"] == trainer.output_dir
    records = [record for event, record in noting.heard if event in ("step", "evaluation")]
    assert records == trainer.results["history"]


def test_callbacks(config_of: Config, train: Any) -> None:
    noting = Noting()

    class Own(CalcGPTTrainer):
        def callbacks(self) -> list[Listener]:
            return [*super().callbacks(), noting]

    config = config_of(save_steps=2, eval_steps=100)
    check(train(config, kind=Own), noting)
    noting = Noting()
    trainer = train(config, listeners=[noting])
    check(trainer, noting)
    lines = (trainer.output_dir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == trainer.results["history"], "the file is written all the same"


def test_every_step_of_the_trainer_is_described() -> None:
    names = ["load_data", "build_tokenizer", "build_source", "build_model", "build_optimizer", "build_schedule"]
    names += ["compute_loss", "evaluate", "callbacks", "train", "stop"]
    assert all(getattr(CalcGPTTrainer, name).__doc__ for name in names)
    public = [name for name, value in vars(CalcGPTTrainer).items() if callable(value) and not name.startswith("_")]
    assert sorted(public) == sorted(names)


def test_the_notation_reaches_the_default_source(config_of: Config, train: Any) -> None:
    trainer = train(config_of(notation=Notation(1, 2, True, True)))
    texts = [trainer.tokenizer.decode(ids) for ids in trainer.source.batch(0)[0].tolist()]
    assert all(len(text) == 2 + 2 + 3 for text in texts)
