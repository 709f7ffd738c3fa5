"""From a command line to a run: recipes, and every setting as a flag."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

from calcgpt.cli.train_options import Job, read
from calcgpt.errors import ConfigError
from calcgpt.training.config import TrainingConfig
from calcgpt.training.recipes import load_recipe

_SHIPPED = Path("datasets/ds-calcgpt.txt")


def _job(line: str) -> Job:
    return read(line.split())[1]


def test_without_anything_it_is_the_documented_run() -> None:
    assert _job("") == Job(TrainingConfig(), _SHIPPED, Path("models/classic"))


def test_the_documented_command() -> None:
    assert _job("-e 50 -b 8 --embedding-dim 128").config == TrainingConfig(epochs=50, batch_size=8, embedding_dim=128)
    assert _job("-e 3 -b 4").config == TrainingConfig(epochs=3, batch_size=4)


def test_a_recipe_gives_settings_and_folder() -> None:
    job = _job("three-digit")
    assert job == Job(load_recipe("three-digit").config, None, Path("models/three-digit"))
    assert _job("--seed 3 classic").config == TrainingConfig(seed=3)


def test_a_flag_overrides_the_recipe_and_leaves_the_rest() -> None:
    recipe = load_recipe("three-digit").config
    changed = _job("three-digit --batch-size 7 --notation.no-reverse --task.max-value 99 --max-steps 5").config
    assert changed == dataclasses.replace(
        recipe,
        batch_size=7,
        max_steps=5,
        notation=dataclasses.replace(recipe.notation, reverse=False),
        task=dataclasses.replace(recipe.task, max_value=99),  # type: ignore[type-var]
    )
    assert _job("--notation.no-reverse three-digit").config.notation.reverse is False


def test_a_recipe_of_ones_own(own_folder: Path) -> None:
    (own_folder / "mine.yaml").write_text("dataset: data.txt\nconfig: {epochs: 3, no_augmentation: true}\n")
    assert _job("mine.yaml -b 4") == Job(
        TrainingConfig(epochs=3, no_augmentation=True, batch_size=4), Path("data.txt"), Path("models/mine")
    )
    assert _job("mine.yaml --no-no-augmentation").config.no_augmentation is False


def test_data_file_and_folder() -> None:
    assert _job("-d mine.txt -o here") == Job(TrainingConfig(), Path("mine.txt"), Path("here"))
    assert _job("--dataset mine.txt --output here").output == Path("here")


def test_a_task_takes_the_place_of_the_data_file() -> None:
    job = _job("--task.operations + - --task.max-value 9 --max-steps 5")
    assert job.dataset is None and job.config.task is not None
    assert job.config.task.operations == ("+", "-") and job.config.task.max_value == 9
    assert _job("--task.operations - --max-steps 5").config.task.operations == ("-",)  # type: ignore[union-attr]
    assert _job("--task.operations=- --max-steps 5").config.task.operations == ("-",)  # type: ignore[union-attr]
    assert _job("--task.operations // % --max-steps 5").config.task.operations == ("//", "%")  # type: ignore[union-attr]
    # What was asked for by name stays, and cannot be both.
    for both in ("three-digit -d mine.txt", "classic --task.max-value 9"):
        with pytest.raises(ConfigError, match="expected a task or a dataset, and got both"):
            _job(both)
    for epochs in ("-e 3", "--epochs=3"):
        with pytest.raises(ConfigError, match="set --max-steps"):
            _job(f"three-digit {epochs}")


def test_data_of_ones_own_does_not_take_a_recipes_place() -> None:
    assert _job("-d some/mine.txt").output == Path("models/mine")
    assert _job("classic -d some/mine.txt").output == Path("models/classic")
    assert _job("").output == Path("models/classic")


def test_every_field_is_a_flag_and_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read(["--help"])
    shown = capsys.readouterr().out
    for name, value in TrainingConfig().to_dict().items():
        if name not in ("task", "notation", "positions"):
            assert f"--{name.replace('_', '-')}" in shown
        assert not isinstance(value, dict) or all(f"--{name}.{key.replace('_', '-')}" in shown for key in value)
    documented = inspect.cleandoc(TrainingConfig.__doc__ or "").split("Args:")[1]  # Python 3.13 has dedented it already
    assert all(f"    {entry.name}: " in documented for entry in dataclasses.fields(TrainingConfig))
    assert max(map(len, shown.splitlines())) <= 80


_VALUES: dict[str, Any] = {
    "epochs": 3, "batch_size": 4, "learning_rate": 0.5, "embedding_dim": 16, "num_layers": 2, "num_heads": 4,
    "feedforward_dim": 9, "warmup_steps": 0, "weight_decay": 0.5, "save_steps": 7, "test_split": 0.5, "seed": 1,
    "no_augmentation": True, "max_steps": 9, "max_seconds": 2.5, "loss_on": "all", "tokenizer": "number",
    "device": "cpu", "precision": "bfloat16", "compile": True, "optimizer": "muon", "muon_learning_rate": 0.5,
    "adam_beta2": 0.5, "schedule": "cosine", "gradient_clip": 0.0, "gradient_accumulation": 2, "dropout": 0.5,
    "eval_steps": 5, "eval_examples": 6, "target_exact_match": 1.0, "init_from": "models/x", "skip_invalid": True,
    "plain_text": True, "overwrite": True,
}  # fmt: skip


@pytest.mark.parametrize("name", [entry.name for entry in dataclasses.fields(TrainingConfig)])
def test_each_flag_sets_its_field(name: str) -> None:
    if name in ("task", "notation", "positions"):
        return
    if name in ("batch_tokens", "curriculum_steps"):
        assert getattr(_job(f"addition --{name.replace('_', '-')} 77").config, name) == 77
        return
    flag, value = f"--{name.replace('_', '-')}", _VALUES[name]
    assert getattr(_job(flag if value is True and name != "compile" else f"{flag} {value}").config, name) == value


def test_positions_are_flags() -> None:
    job = _job("addition --positions.window 2 --positions.encoding alibi --task.max-digits 4")
    assert (job.config.positions.window, job.config.positions.encoding) == ((2,), "alibi")
    assert job.config.task is not None and job.config.task.max_digits == (4,)


def test_help_shows_the_recipes_defaults_whatever_else_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    steps = load_recipe("three-digit").config.max_steps
    for line, expected in (("three-digit --help", f"(default: {steps})"), ("--epoch 3 --help", "(default: 50)")):
        with pytest.raises(SystemExit) as ended:
            read(line.split())
        assert ended.value.code == 0 and expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("four-digit", "there is no recipe 'four-digit'"),
        ("nothing.yaml", "cannot read the recipe nothing.yaml"),
        ("three-digit extra", "unrecognized options: extra"),
        ("--epoch 3", "did you mean --epochs?"),
        ("-e many", "must be a whole number, not 'many'"),
        ("-e 0", "epochs must be"),
        ("--num-heads 7", "num_heads must divide embedding_dim"),
        ("--learning-rate nan", "learning_rate must be"),
        ("--task.max-value 9", "set max_steps or max_seconds"),
        ("--task.operations ^ --max-steps 3", "must be some of + - * // %"),
        ("--loss-on questions", "invalid choice 'questions'"),
        ("--seeds 0", "--seeds must be 1 to 1,000, not 0"),
    ],
)
def test_what_cannot_work_is_one_line(line: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(line.split())
    assert expected in str(caught.value) and "\n" not in str(caught.value)
