"""Going on from a trained model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.errors import CalcGPTError
from calcgpt.model.store import read_model

Config = Callable[..., Any]


@pytest.fixture
def first(config_of: Config, train: Any, tmp_path: Path) -> Any:
    return train(config_of(max_steps=40, learning_rate=1e-2), folder=tmp_path / "first")


def test_it_starts_where_the_model_ended(config_of: Config, train: Any, first: Any) -> None:
    again = train(config_of(init_from=str(first.output_dir), max_steps=1, learning_rate=1e-9))
    for one, other in zip(first.model.parameters(), again.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    assert again.results["eval_loss"] == pytest.approx(first.results["eval_loss"], rel=1e-3)
    assert read_model(again.output_dir).run["config"]["init_from"] == str(first.output_dir)
    fresh = train(config_of(max_steps=1, learning_rate=1e-9))
    assert again.results["training_loss"] < 0.8 * fresh.results["training_loss"]


def test_into_the_same_folder(config_of: Config, train: Any, first: Any) -> None:
    before = first.results["training_loss"]
    again = train(config_of(init_from=str(first.output_dir), max_steps=40, learning_rate=1e-2), folder=first.output_dir)
    assert again.results["training_loss"] < before
    assert read_model(first.output_dir.with_name("first.previous")).run["results"]["training_loss"] == before


def test_data_that_needs_less_than_the_model_has(
    config_of: Config, file_config_of: Config, train: Any, tmp_path: Path
) -> None:
    """Fewer characters, shorter texts, another dropout: its vocabulary and positions are kept."""
    first = train(config_of(task=Task(max_value=99), notation=Notation()), folder=tmp_path / "first")
    path = tmp_path / "few.txt"
    path.write_text("1+1=2\n1+2=3\n2+2=4\n2+1=3\n4+4=8\n")
    again = train(file_config_of(init_from=str(first.output_dir), dropout=0.1), path)
    assert again.tokenizer == first.tokenizer
    assert again.model.config.max_length == first.model.config.max_length > again.maxlen
    assert again.model.config.dropout == 0.1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"embedding_dim": 32}, "has another shape, which the settings must repeat: embedding_dim 16, not 32$"),
        ({"num_layers": 2, "feedforward_dim": 8}, "num_layers 1, not 2; feedforward_dim 32, not 8"),
        ({"task": Task(("+", "*"), 0, 9)}, r"has no token for '\*', which the data has"),
        ({"task": Task(max_value=99), "notation": Notation(2, 3)}, "max_length 8, not 11"),
        ({"tokenizer": "number"}, "has a tokenizer in char mode"),
        ({"init_from": "models/nowhere"}, "there is no model 'models/nowhere'"),
    ],
)
def test_what_does_not_suit(config_of: Config, train: Any, first: Any, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(CalcGPTError, match=reason) as caught:
        train(config_of(**{"init_from": str(first.output_dir), **changes}))
    assert "\n" not in str(caught.value)
