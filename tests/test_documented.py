"""The user's document, call by call, with small budgets: every import, name, argument and result key in it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import lib
import lib.train

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = ["detect_device", "load_dataset", "augment_data", "create_vocab", "create_model_config"]
CLASSES = ["CalcGPTTrainer", "OptimizedDataset", "TrainingConfig"]


@pytest.fixture
def dataset_path(tmp_path: Path) -> Path:
    path = tmp_path / "data.txt"
    path.write_text("".join(f"{a}+{b}={a + b}\n{a + b}-{b}={a}\n" for a in range(7) for b in range(a + 1)))
    return path


@pytest.fixture
def output_dir(tmp_path: Path) -> Path:
    return tmp_path / "models" / "my_model"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run ends after two steps."""
    created = lib.TrainingConfig.__post_init__

    def cut(config: Any) -> None:
        config.max_steps = 2
        created(config)

    monkeypatch.setattr(lib.TrainingConfig, "__post_init__", cut)


@pytest.mark.parametrize("module", [lib, lib.train], ids=["lib", "lib.train"])
def test_every_documented_name_is_there(module: Any) -> None:
    assert {*FUNCTIONS, *CLASSES} <= set(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    namespace: dict[str, Any] = {}
    exec(f"from {module.__name__} import *", namespace)  # noqa: S102
    assert set(module.__all__) <= set(namespace)


@pytest.mark.parametrize("module", [lib, lib.train], ids=["lib", "lib.train"])
def test_lib_has_no_logic_of_its_own(module: Any) -> None:
    for name in module.__all__:
        thing = getattr(module, name)
        assert thing.__module__.startswith("calcgpt."), f"{name} is defined in {thing.__module__}"
        assert getattr(importlib.import_module(thing.__module__), name) is thing
        assert getattr(lib.train, name) is thing
    own = [name for name in vars(module) if not name.startswith("__") and name != "train"]
    assert sorted(own) == sorted(module.__all__), "nothing but what it re-exports"


def test_every_documented_name_is_described() -> None:
    assert all(len(getattr(lib, name).__doc__) > 40 for name in [*FUNCTIONS, *CLASSES])


def test_the_imports_work_from_any_directory(tmp_path: Path) -> None:
    code = "from lib.train import TrainingConfig; from lib import CalcGPTTrainer; print(TrainingConfig().epochs)"
    paths = os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "50\n"


def test_training_config() -> None:
    from lib.train import TrainingConfig

    config = TrainingConfig(
        epochs=50,
        batch_size=8,
        learning_rate=1e-3,
        embedding_dim=128,
        num_layers=6,
        num_heads=8,
        feedforward_dim=512,
    )
    assert config == TrainingConfig(), "what the document writes out is the default"
    more = TrainingConfig(warmup_steps=1, weight_decay=0.1, save_steps=5, test_split=0.2, seed=42, no_augmentation=True)
    assert more.epochs == 50


def test_the_shipped_file_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lib.train import load_dataset

    examples = load_dataset(Path("datasets/ds-calcgpt.txt"))
    monkeypatch.chdir(tmp_path)
    assert load_dataset("datasets/ds-calcgpt.txt") == examples
    assert set(examples) == {f"{a}+{b}={a + b}" for a in range(101) for b in range(101)} | {
        f"{a}-{b}={a - b}" for a in range(101) for b in range(a + 1)
    }
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "ds-calcgpt.txt").write_text("1+1=2\n")
    assert load_dataset("datasets/ds-calcgpt.txt") == ["1+1=2"], "the current folder comes first"


def test_programmatic_usage(short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from lib.train import CalcGPTTrainer, TrainingConfig

    monkeypatch.chdir(tmp_path)
    config = TrainingConfig(epochs=10, batch_size=4, embedding_dim=64, num_layers=3, num_heads=4, test_split=0.01)
    trainer = CalcGPTTrainer(
        config=config,
        dataset_path=Path("datasets/ds-calcgpt.txt"),
        output_dir=Path("models/my_model"),
        verbose=True,
    )
    results = trainer.train()
    print(f"Final loss: {results['training_loss']:.4f}")
    print(f"Model parameters: {results['model_params']:,}")
    documented = {"training_loss", "eval_loss", "exact_match", "training_time", "model_params", "vocab_size"}
    assert documented | {"dataset_size", "test_results", "history"} <= set(results)
    assert trainer.model.num_parameters == results["model_params"] and len(trainer.tokenizer) == results["vocab_size"]
    assert "Final loss: 2." in capsys.readouterr().out
    assert (tmp_path / "models" / "my_model" / "model.safetensors").is_file()


def test_notebook_usage(short: None, dataset_path: Path, output_dir: Path) -> None:
    from lib.train import CalcGPTTrainer, TrainingConfig

    config = TrainingConfig(epochs=5, batch_size=2)
    trainer = CalcGPTTrainer(config, dataset_path, output_dir, verbose=False)
    results = trainer.train()
    plotted = [(record["step"], record["loss"]) for record in results["history"] if "loss" in record]
    assert [step for step, _ in plotted] == [1, 2]


def test_custom_training_loop(dataset_path: Path) -> None:
    from lib.train import GPT, OptimizedDataset, TrainingConfig, create_model_config, create_vocab, load_dataset

    maxlen, training_config = 7, TrainingConfig(embedding_dim=32, num_layers=2, num_heads=4, feedforward_dim=64)

    examples = load_dataset(dataset_path)
    vocab, id2char = create_vocab(examples)
    dataset = OptimizedDataset(examples, maxlen, vocab)
    config = create_model_config(len(vocab), maxlen, training_config)

    assert {index: token for token, index in vocab.items()} == id2char
    torch.manual_seed(0)
    model = GPT(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(15):
        for batch in torch.utils.data.DataLoader(dataset, batch_size=16, shuffle=True):
            loss = model(batch["input_ids"], labels=batch["labels"]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    logits = model(dataset[0]["input_ids"][None]).logits
    assert logits.shape == (1, maxlen, len(vocab))


def test_hyperparameter_search(short: None, dataset_path: Path, output_dir: Path) -> None:
    from lib.train import CalcGPTTrainer, TrainingConfig

    best_config = None
    best_loss = float("inf")
    runs = 0
    for lr in [1e-4, 5e-4, 1e-3]:
        for layers in [3, 6, 9]:
            config = TrainingConfig(learning_rate=lr, num_layers=layers, epochs=10)
            trainer = CalcGPTTrainer(config, dataset_path, output_dir, verbose=False)
            results = trainer.train()
            runs += 1
            if results["training_loss"] < best_loss:
                best_loss = results["training_loss"]
                best_config = config
    assert runs == 9 and best_config is not None and best_loss < 10
    visible = [path.name for path in output_dir.parent.iterdir() if not path.name.startswith(".")]
    assert sorted(visible) == ["my_model", "my_model.previous"]


def test_model_evaluation_pipeline(
    short: None, dataset_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from lib.train import CalcGPTTrainer, TrainingConfig

    monkeypatch.chdir(tmp_path)
    configs = [
        TrainingConfig(embedding_dim=64, num_layers=3),
        TrainingConfig(embedding_dim=128, num_layers=6),
        TrainingConfig(embedding_dim=256, num_layers=9),
    ]
    results = []
    for i, config in enumerate(configs):
        trainer = CalcGPTTrainer(config, dataset_path, f"models/variant_{i}")
        result = trainer.train()
        results.append((config, result))
    for config, result in results:
        print(
            f"Model {config.embedding_dim}d/{config.num_layers}L: "
            f"Loss {result['training_loss']:.4f}, "
            f"Params {result['model_params']:,}"
        )
    assert "Model 256d/9L: Loss" in capsys.readouterr().out
    assert [path.name for path in sorted(Path("models").glob("variant_?"))] == ["variant_0", "variant_1", "variant_2"]


def test_utility_functions() -> None:
    from lib.train import augment_data, detect_device

    device = detect_device()
    assert device.type in ("cuda", "mps", "cpu") and device.name and isinstance(device.half_precision, bool)
    assert augment_data(["1+2=3", "5-3=2", "2*3=6"]) == ["1+2=3", "5-3=2", "2*3=6", "2+1=3", "3*2=6"]


def test_calcgpt_names_its_own_entrances() -> None:
    import calcgpt

    for name in calcgpt.__all__:
        assert getattr(calcgpt, name) is not None
    assert dir(calcgpt) == sorted(calcgpt.__all__)
    assert calcgpt.CalcGPTTrainer is lib.CalcGPTTrainer and calcgpt.TrainingConfig is lib.TrainingConfig
    with pytest.raises(AttributeError, match="has no attribute 'CalcGTP'"):
        _ = calcgpt.CalcGTP
