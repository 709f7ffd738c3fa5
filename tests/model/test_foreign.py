"""Folders that another library saved: opened as what they are, and what they do not say is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calcgpt import CalcGPT
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError, ModelFolderError
from calcgpt.evaluation import evaluate, load_suite
from calcgpt.model.store import find_model, newest_model, read_model, scan_models
from calcgpt.training.config import TrainingConfig
from calcgpt.training.trainer import CalcGPTTrainer


@pytest.fixture
def saved(tiny_model: Path, tmp_path: Path) -> Path:
    """What transformers makes of a model of ours: opened there, and saved."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "models" / "tuned"
    transformers.AutoModelForCausalLM.from_pretrained(tiny_model).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    assert not (folder / "run.json").exists()
    return folder


def test_it_answers_as_it_did(saved: Path, tiny_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    ours, stored = CalcGPT(tiny_model), read_model(saved)
    assert stored.foreign and stored.run["status"] == "foreign" and not read_model(tiny_model).foreign
    opened = CalcGPT(saved)
    assert "tuned was saved by another library: how its problems are written and what it was" in caplog.text
    assert opened.complete("1+2=") == ours.complete("1+2=")
    caplog.clear()
    told = CalcGPT(saved, notation=ours.notation)
    assert not caplog.text
    for answer, expected in zip(*(solver.solve_batch(["1+2", "3-9"]) for solver in (told, ours)), strict=True):
        assert answer["answer"] == expected["answer"] and answer["is_correct"] == expected["is_correct"]
    with pytest.raises(ConfigError, match="says how its problems are written: leave notation away"):
        CalcGPT(tiny_model, notation=ours.notation)


def test_it_is_evaluated_where_it_is_said_what_to_ask(saved: Path, tiny_model: Path) -> None:
    ours = CalcGPT(tiny_model)
    told = CalcGPT(saved, notation=ours.notation)
    with pytest.raises(ConfigError, match="has no run.json, so what it was trained on is unknown: give .* `tasks`"):
        evaluate(told)
    suite = load_suite("exhaustive")
    report, expected = (evaluate(solver, suite, Task(max_value=9)) for solver in (told, ours))
    assert report["exact_match"] == expected["exact_match"]


def test_training_goes_on_from_it(saved: Path, tiny_config: TrainingConfig, tiny_model: Path, tmp_path: Path) -> None:
    values = {**tiny_config.to_dict(), "max_steps": 1, "learning_rate": 1e-9, "init_from": str(saved)}
    results = CalcGPTTrainer(TrainingConfig.from_dict(values), None, tmp_path / "next", verbose=False).train()
    before = read_model(tiny_model).run["results"]["eval_loss"]
    assert results["eval_loss"] == pytest.approx(before, rel=1e-2)
    assert not read_model(tmp_path / "next").foreign


def test_it_is_listed_and_never_the_newest(saved: Path) -> None:
    (summary,) = scan_models(saved.parent)[0]
    assert (summary.name, summary.kind, summary.status, summary.set_aside) == ("tuned", "foreign", "foreign", True)
    assert newest_model(saved.parent) != saved and find_model("tuned", saved.parent) == saved


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"activation_function": "gelu_new"}, "activation_function 'gelu_new': CalcGPT's network has 'gelu'"),
        ({"activation_function": ...}, "activation_function 'gelu_new': CalcGPT's network has 'gelu'"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx True"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon 1e-06"),
        ({"model_type": "llama"}, "expected a config.json of model_type 'gpt2', not 'llama'"),
        ({"n_layer": 2}, "the weights do not fit config.json"),
        ({"n_inner": None}, "the weights do not fit config.json"),
        ({"n_embd": "wide"}, "embedding_dim must be a positive integer"),
        ({"vocab_size": 50257}, "its tokenizer has 15 tokens, its network 50257"),
        ({"model_type": "calcgpt"}, "is incomplete: run.json is missing"),
    ],
)
def test_what_our_network_does_not_compute_is_refused(saved: Path, changes: dict[str, Any], reason: str) -> None:
    config = {**json.loads((saved / "config.json").read_text()), **changes}
    config = {key: value for key, value in config.items() if value is not ...}
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFolderError, match=reason) as caught:
        CalcGPT(saved)
    assert "\n" not in str(caught.value)


def test_what_is_there_and_what_is_missing(saved: Path) -> None:
    (saved / "tokenizer.json").rename(saved / "elsewhere.json")
    lacks = (
        "tuned is not a complete model folder: it has no run.json, and to be .* it has model.safetensors, config.json"
    )
    with pytest.raises(ModelFolderError, match=lacks + " and lacks tokenizer.json$"):
        CalcGPT(saved)
    with pytest.raises(ModelFolderError, match=lacks):
        find_model("tuned", saved.parent)
    assert len(scan_models(saved.parent)[1]) == 1
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(ModelFolderError, match="its weights are in pytorch_model.bin: expected one model.safetensors"):
        CalcGPT(saved)
