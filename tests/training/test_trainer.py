"""Whole runs: what they return, what they leave in the folder, when they end, and that a seed fixes them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt import CalcGPT
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.problems import sample
from calcgpt.arithmetic.scanning import scan
from calcgpt.errors import CalcGPTError, ConfigError, RunInProgress
from calcgpt.evaluation import evaluate, load_suite
from calcgpt.model.store import RunFolder, read_model
from calcgpt.tokens.scheme import Positions
from calcgpt.training.config import TrainingConfig
from calcgpt.training.trainer import CalcGPTTrainer

Config = Callable[..., Any]

RESULTS = {
    "training_loss": float,
    "eval_loss": float,
    "exact_match": float,
    "training_time": float,
    "model_params": int,
    "vocab_size": int,
    "dataset_size": int,
    "test_results": list,
    "history": list,
    "steps": int,
    "stopped": str,
    "output_dir": str,
}


def same_weights(one: Any, other: Any) -> bool:
    a, b = one.model.state_dict(), other.model.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


def test_results_of_a_task(config_of: Config, train: Any) -> None:
    trainer = train(config_of(max_steps=10, gradient_accumulation=2))
    results = trainer.results
    assert {name: type(value) for name, value in results.items()} == RESULTS
    assert results["model_params"] == sum(parameter.numel() for parameter in trainer.model.parameters())
    assert results["vocab_size"] == len(trainer.tokenizer)
    assert (results["dataset_size"], results["steps"], results["stopped"]) == (10 * 2 * 16, 10, "max_steps")
    assert 0 <= results["exact_match"] <= 1 and results["training_time"] > 0
    assert not trainer.model.training
    keys = ["problem", "answer", "is_correct", "confidence", "solution"]
    assert results["test_results"] and all(list(record) == keys for record in results["test_results"])
    verdicts = [record["is_correct"] for record in results["test_results"]]
    assert verdicts == sorted(verdicts), "the wrong ones first"


def test_results_of_a_file(file_config_of: Config, train: Any, data_file: Path) -> None:
    trainer = train(file_config_of(epochs=2), data_file)
    results = trainer.results
    assert list(results) == list(RESULTS)
    assert results["dataset_size"] == len(trainer.data.train) == trainer.data.identity["trained_on"]
    assert results["steps"] == 2 * -(-results["dataset_size"] // 16) and results["stopped"] == "epochs"
    assert results["eval_loss"] > 0


def test_history_can_be_plotted(file_config_of: Config, train: Any, data_file: Path) -> None:
    history = train(file_config_of(epochs=3), data_file).results["history"]
    steps = [record for record in history if "loss" in record]
    checks = [record for record in history if "eval_loss" in record]
    assert [record["step"] for record in steps] == list(range(1, steps[-1]["step"] + 1))
    assert all(list(record) == ["step", "loss", "learning_rate", "epoch", "seconds"] for record in steps)
    assert [record["step"] for record in checks] == [steps[-1]["step"] * part // 3 for part in (1, 2, 3)], "each epoch"
    assert all(list(record) == ["step", "eval_loss", "exact_match", "digit_accuracy", "seconds"] for record in checks)
    assert steps[-1]["epoch"] == 3.0


def test_the_folder_is_complete(config_of: Config, train: Any) -> None:
    config = config_of(seed=7)
    trainer = train(config)
    stored = read_model(trainer.output_dir)
    run = stored.run
    assert (run["status"], run["seed"], run["name"]) == ("finished", 7, "model")
    assert TrainingConfig.from_dict(run["config"]) == config
    assert run["data"]["tasks"] == [config.task.to_dict()] and run["data"]["kind"] == "task"
    assert set(run["versions"]) == {"calcgpt", "python", "torch"}
    assert run["execution"]["steps"] == 3 and run["execution"]["precision"] == "float32"
    for name in ("training_loss", "eval_loss", "exact_match", "training_time", "test_results", "stopped"):
        assert run["results"][name] == trainer.results[name]
    assert stored.tokenizer == trainer.tokenizer
    lines = (trainer.output_dir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == trainer.results["history"]


def test_a_model_solves_as_the_trainers_does(config_of: Config, train: Any) -> None:
    trainer = train(config_of(max_steps=20))
    solver = CalcGPT(trainer.output_dir, device="cpu")
    for record in trainer.results["test_results"]:
        result = solver.solve(record["problem"])
        assert (result["answer"], result["is_correct"]) == (record["answer"], record["is_correct"])
        assert result["confidence"] == pytest.approx(record["confidence"], rel=1e-3) and result["in_distribution"]


def test_the_loss_falls(config_of: Config, train: Any) -> None:
    history = train(config_of(max_steps=60, learning_rate=1e-2)).results["history"]
    losses = [record["loss"] for record in history if "loss" in record]
    assert sum(losses[-6:]) < 0.7 * sum(losses[:6])


@pytest.mark.parametrize("path", [True, False], ids=["file", "task"])
def test_a_seed_fixes_the_run(
    config_of: Config, file_config_of: Config, train: Any, data_file: Path, path: bool
) -> None:
    def run(seed: int) -> Any:
        torch.rand(seed + 1)  # whatever the program did before
        return (
            train(file_config_of(seed=seed, dropout=0.1), data_file)
            if path
            else train(config_of(seed=seed, dropout=0.1))
        )

    one, same, other = run(1), run(1), run(2)
    assert same_weights(one, same) and not same_weights(one, other)
    for name in ("training_loss", "eval_loss", "exact_match", "test_results"):
        assert one.results[name] == same.results[name]
    assert one.results["training_loss"] != other.results["training_loss"]


def test_accumulating_halves_is_the_whole_batch(file_config_of: Config, train: Any, tmp_path: Path) -> None:
    path = tmp_path / "even.txt"  # every answer has as many digits: the mean of the halves is the mean
    path.write_text("".join(f"{a}+{b}={a + b}\n" for a in range(10, 42) for b in range(20, 24)))
    settings = {"test_split": 0.0, "no_augmentation": True, "gradient_clip": 0.5}
    whole = train(file_config_of(batch_size=32, **settings), path)
    halves = train(file_config_of(batch_size=16, gradient_accumulation=2, **settings), path)
    assert whole.results["steps"] == halves.results["steps"] == 4
    assert whole.results["training_loss"] == pytest.approx(halves.results["training_loss"], rel=1e-5)
    for one, other in zip(whole.model.parameters(), halves.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_an_epoch_that_accumulation_does_not_divide(file_config_of: Config, train: Any, data_file: Path) -> None:
    trainer = train(file_config_of(epochs=3, gradient_accumulation=4), data_file)
    batches = trainer.source.steps_per_epoch
    assert trainer.results["steps"] == -(-3 * batches // 4)


def test_runs_end_where_they_are_told_to(
    config_of: Config, file_config_of: Config, train: Any, data_file: Path
) -> None:
    cut = train(file_config_of(epochs=50, max_steps=4), data_file).results
    assert (cut["steps"], cut["stopped"]) == (4, "max_steps")
    short = train(file_config_of(epochs=1, max_steps=400), data_file).results
    assert short["stopped"] == "epochs" and short["steps"] < 400
    started = time.perf_counter()
    timed = train(config_of(max_steps=None, max_seconds=0.3)).results
    assert timed["stopped"] == "max_seconds" and timed["steps"] >= 1
    assert 0.3 <= timed["training_time"] < time.perf_counter() - started < 5
    reached = train(config_of(max_steps=100, eval_steps=5, target_exact_match=0.0)).results
    assert (reached["steps"], reached["stopped"]) == (5, "target_exact_match")
    missed = train(config_of(max_steps=6, eval_steps=2, target_exact_match=1.0)).results
    assert missed["stopped"] == "max_steps"


def test_nothing_held_out_is_nothing_measured(file_config_of: Config, train: Any, data_file: Path) -> None:
    results = train(file_config_of(test_split=0.0, no_augmentation=True), data_file).results
    assert results["eval_loss"] is None and results["exact_match"] is None and results["test_results"] == []
    assert results["dataset_size"] == 128


def test_held_out_problems_never_appear_in_batches(file_config_of: Config, train: Any, data_file: Path) -> None:
    trainer = train(file_config_of(), data_file)
    test = set(scan(trainer.data.test).problems.keys().tolist())
    assert len(trainer.data.test) >= 25
    for step in range(trainer.source.steps_per_epoch):
        texts = [trainer.tokenizer.decode(ids) for ids in trainer.source.batch(step)[0].tolist()]
        assert len(texts) and not test & set(scan(texts).problems.keys().tolist())


@pytest.mark.parametrize("changes", [{"loss_on": "all"}, {"tokenizer": "number"}, {"optimizer": "muon"}])
def test_other_ways_to_train(
    config_of: Config, file_config_of: Config, train: Any, data_file: Path, changes: Any
) -> None:
    for trainer in (train(config_of(**changes)), train(file_config_of(**changes), data_file)):
        assert trainer.results["training_loss"] > 0 and trainer.results["exact_match"] is not None
        solver = CalcGPT(trainer.output_dir, device="cpu")
        assert solver.tokenizer.mode == trainer.config.tokenizer
        assert solver.solve("3+4")["error"] is None


@pytest.mark.parametrize("encoding", ["none", "rotary", "alibi", "fire", "relative", "sinusoidal"])
def test_other_encodings_of_the_order_of_tokens(
    config_of: Config, file_config_of: Config, train: Any, data_file: Path, encoding: Any
) -> None:
    positions = Positions(encoding=encoding)
    for trainer in (train(config_of(positions=positions)), train(file_config_of(positions=positions), data_file)):
        solver = CalcGPT(trainer.output_dir, device="cpu")
        assert trainer.results["exact_match"] is not None and solver.model.config.positions == positions
        together, alone = (
            solver.solve_batch(["3+4", "1+2", "7+7"]),
            [solver.solve(text) for text in ("3+4", "1+2", "7+7")],
        )
        assert [row["completion"] for row in together] == [row["completion"] for row in alone]
        assert isinstance(solver.complete("3+4="), str)


def test_plain_text(file_config_of: Config, train: Any, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat\nthe dog sat\nün chat — ça va\nthe cat ran\n" * 5, encoding="utf-8")
    trainer = train(file_config_of(plain_text=True, epochs=30, learning_rate=1e-2), path)
    assert trainer.results["exact_match"] is None and trainer.results["eval_loss"] > 0
    history = [record["loss"] for record in trainer.results["history"] if "loss" in record]
    assert history[-1] < 0.7 * history[0]
    solver = CalcGPT(trainer.output_dir, device="cpu")
    assert isinstance(solver.complete("the "), str)
    assert "no token for '1'" in solver.solve("1+1")["error"]


def test_plain_text_with_an_equals_sign_is_matched_word_for_word(
    file_config_of: Config, train: Any, tmp_path: Path
) -> None:
    path = tmp_path / "modular.txt"
    path.write_text("".join(f"{a}+{b}={(a + b) % 3}\n" for a in range(6) for b in range(6)))
    settings = {"plain_text": True, "tokenizer": "number", "no_augmentation": True, "test_split": 0.4}
    trainer = train(file_config_of(**settings, epochs=60, learning_rate=1e-2), path)
    test = trainer.data.test
    lines = [text.split("=") for text in test]
    solver = CalcGPT(trainer.output_dir, device="cpu")
    right = [solver.complete(f"{prompt}=") == answer for prompt, answer in lines]
    assert len(right) > 0 and trainer.results["exact_match"] == sum(right) / len(right)


def test_what_a_trainer_needs(config_of: Config, file_config_of: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a task or a dataset, and got both: a task, and data.txt"):
        CalcGPTTrainer(config_of(), "data.txt", tmp_path)
    with pytest.raises(ConfigError, match="expected a dataset_path, or a config with a task; got neither"):
        CalcGPTTrainer(file_config_of(), None, tmp_path)


def test_a_config_is_checked_when_a_run_starts(config_of: Config, tmp_path: Path) -> None:
    trainer = CalcGPTTrainer(config_of(), None, tmp_path / "model", verbose=False)
    trainer.config.num_heads = 3
    with pytest.raises(ConfigError, match="num_heads must divide embedding_dim"):
        trainer.train()


def test_any_operation_and_any_size(file_config_of: Config, train: Any, tmp_path: Path) -> None:
    """Negative operands, operators of two characters, numbers that no int64 holds: trained, judged, solved."""
    path = tmp_path / "mixed.txt"
    problems = sample(tuple(OPERATIONS), -20, 20, 60, np.random.default_rng(0))
    wide = sample(("+", "*"), 0, 10**20, 20, np.random.default_rng(1))
    path.write_text("\n".join(problems.examples() + wide.examples()) + "\n")
    trainer = train(file_config_of(), path)
    solver = CalcGPT(trainer.output_dir, device="cpu")
    texts = problems.expressions() + wide.expressions()
    results = solver.solve_batch(texts)
    assert [result["problem"] for result in results] == texts
    assert all(result["error"] is None and result["in_distribution"] for result in results)
    report = evaluate(solver, load_suite("quick").changed(count=5))
    assert {row["operation"] for row in report["buckets"]} == set(OPERATIONS) and report["unseen"]
    assert report["problems"] > 50 and report["trained_on"]["problems"] == report["refused"] == 0


def test_a_bad_start_leaves_what_was_there(
    config_of: Config, file_config_of: Config, train: Any, tmp_path: Path
) -> None:
    good = train(config_of())
    path = tmp_path / "bad.txt"
    path.write_text("2+2=5\n")
    with pytest.raises(CalcGPTError, match=r"2\+2 is 4"):
        train(file_config_of(), path)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device 'cuda' is not available here"):
            train(config_of(device="cuda"))
    with RunFolder(good.output_dir), pytest.raises(RunInProgress, match="a run is alive in"):
        train(config_of())
    assert read_model(good.output_dir).run["results"]["training_loss"] == good.results["training_loss"]
    assert [entry.name for entry in good.output_dir.parent.iterdir() if not entry.name.startswith(".")] == ["model"]


def test_nine_runs_into_one_folder(config_of: Config, train: Any) -> None:
    """The document's hyperparameter search: each finished run takes the place of the one before."""
    trainers = [
        train(config_of(learning_rate=rate, num_layers=layers, max_steps=2))
        for rate in (1e-4, 5e-4, 1e-3)
        for layers in (1, 2, 3)
    ]
    folder = trainers[0].output_dir
    names = sorted(entry.name for entry in folder.parent.iterdir() if not entry.name.startswith("."))
    assert names == ["model", "model.previous"]
    for path, trainer in ((folder, trainers[-1]), (folder.with_name("model.previous"), trainers[-2])):
        assert read_model(path).run["results"]["training_loss"] == trainer.results["training_loss"]


def test_files_that_are_not_ours_are_kept(config_of: Config, train: Any, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(CalcGPTError, match="holds files that are no model"):
        train(config_of(), folder=folder)
    train(config_of(overwrite=True), folder=folder)
    assert (tmp_path / "mine.previous" / "thesis.txt").read_text() == "years of work"
    assert read_model(folder).run["status"] == "finished"
