"""Measuring on held-out examples: the loss against a plain pass, and the answers that are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from calcgpt.arithmetic.notation import Notation
from calcgpt.model.gpt import GPT
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.source import OptimizedDataset
from calcgpt.training.trainer import create_model_config
from calcgpt.training.validation import mean_loss, shown_records, validate

Config = Callable[..., Any]
EXAMPLES = [f"{a}+{b}={a + b}" for a in range(12) for b in range(0, 40, 3)]


@pytest.fixture
def parts(file_config_of: Config) -> tuple[GPT, Tokenizer, Any]:
    tokenizer = Tokenizer.build(["0123456789+-="])
    torch.manual_seed(0)
    return GPT(create_model_config(len(tokenizer), 10, file_config_of())), tokenizer, file_config_of()


@pytest.mark.parametrize("loss_on", ["answer", "all"])
@pytest.mark.parametrize("size", [7, 512])
def test_the_mean_loss_is_that_of_one_pass(parts: Any, loss_on: str, size: int) -> None:
    model, tokenizer, _ = parts
    dataset = OptimizedDataset(EXAMPLES, 10, tokenizer, loss_on)
    expected = model.eval()(dataset.input_ids, dataset.labels).loss
    assert mean_loss(model.train(), dataset, size) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_validation_leaves_the_model_in_training(parts: Any) -> None:
    model, tokenizer, config = parts
    found = validate(model, tokenizer, config, 10, EXAMPLES)
    assert model.training
    assert list(found) == ["eval_loss", "exact_match", "verdicts"]
    assert found["verdicts"].problems.examples() == EXAMPLES
    assert found["exact_match"] == found["verdicts"].exact_match == found["verdicts"].right.mean()


def test_nothing_to_measure(parts: Any) -> None:
    model, tokenizer, config = parts
    assert validate(model, tokenizer, config, 10, []) == {"eval_loss": None, "exact_match": None, "verdicts": None}
    found = validate(model, tokenizer, config, 10, ["1+1=2", "12=12"])
    assert found["eval_loss"] > 0 and found["exact_match"] is None and found["verdicts"] is None
    assert shown_records(model, tokenizer, config, None) == []


def test_the_wrong_ones_are_shown_first(parts: Any) -> None:
    model, tokenizer, config = parts
    verdicts = validate(model, tokenizer, config, 10, EXAMPLES)["verdicts"]
    verdicts.right[:] = True
    verdicts.right[[5, 40]] = False
    shown = shown_records(model.eval(), tokenizer, config, verdicts)
    assert len(shown) == 20
    assert [record["problem"] for record in shown[:3]] == [EXAMPLES[place].split("=")[0] for place in (5, 40, 0)]
    assert [record["solution"] for record in shown[:2]] == [EXAMPLES[place].split("=")[1] for place in (5, 40)]
    assert list(shown[0]) == ["problem", "answer", "is_correct", "confidence", "solution"]


def test_a_notation_that_is_not_plain(config_of: Config) -> None:
    config, tokenizer = config_of(notation=Notation(2, 2, True, True)), Tokenizer.build(["0123456789+-="])
    model = GPT(create_model_config(len(tokenizer), 10, config))
    found = validate(model, tokenizer, config, 10, EXAMPLES)
    assert len(found["verdicts"].right) == len(EXAMPLES) and found["eval_loss"] > 0
