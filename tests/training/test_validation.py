"""Measuring on held-out examples: the loss against a plain pass, and the answers that are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from calcgpt.arithmetic.columns import group, parse_columns
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.arithmetic.traces import shown
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.gpt import GPT
from calcgpt.tokens.places import place_shape
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.config import TrainingConfig
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


# In columns


COLUMNS = ["12+34=46", "1-22=-21", "7*8=56", "100//7=14", "45+54=99", "1+2+3=6", "100%7=2", "99+1=100", "8*9=72"]


@pytest.fixture(params=["answer", "all"])
def columns(request: pytest.FixtureRequest, config_of: Config) -> tuple[GPT, Tokenizer, TrainingConfig]:
    config = config_of(
        task=Task(("+", "-", "*", "//", "%"), max_digits=(3, 2), max_operands=3),  # type: ignore[arg-type]
        notation=Notation(work="columns"),
        positions=Positions("coupled", "learned", offset="uniform", segments=True),
        loss_on=request.param,
        dropout=0.3,
    )
    tokenizer = Tokenizer.build(["0123456789+-*/%="])
    torch.manual_seed(0)
    model = GPT(create_model_config(len(tokenizer), 99, config))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model, tokenizer, config


def test_the_loss_of_columns_is_the_mean_of_every_token(columns: tuple[GPT, Tokenizer, TrainingConfig]) -> None:
    model, tokenizer, config = columns
    found = validate(model.train(), tokenizer, config, 99, COLUMNS)
    assert model.training
    losses: list[float] = []
    for example in COLUMNS:
        ((_, problems),) = group([parse_columns(example.split("=")[0])])
        ids = torch.tensor([tokenizer.encode(shown(*parse_of(example))) + [tokenizer.end_id]])
        logits = model.eval()(ids, places=place_shape(problems.shape, config.positions)).logits[0, :-1]
        entropy = -logits.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        equals = ids[0].tolist().index(tokenizer.vocab["="])
        losses += entropy[equals if config.loss_on == "answer" else 0 :].tolist()
    assert found["eval_loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def parse_of(example: str) -> tuple[Any, ...]:
    symbol, operands = parse_columns(example.split("=")[0])
    return symbol, *operands


def test_verdicts_of_columns_are_the_solvers_answers(columns: tuple[GPT, Tokenizer, TrainingConfig]) -> None:
    model, tokenizer, config = columns
    found = validate(model, tokenizer, config, 99, COLUMNS)
    run = {"config": config.to_dict(), "data": {"tasks": [config.task.to_dict()]}}  # type: ignore[union-attr]
    answers = CalcGPT.from_parts(model, tokenizer, run).solve_batch([text.split("=")[0] for text in COLUMNS])
    for verdict, answer in zip(found["verdicts"], answers, strict=True):
        assert verdict["error"] is None
        assert {**verdict, "inference_time": 0} == {**answer, "inference_time": 0}
    assert found["exact_match"] == sum(answer["is_correct"] for answer in answers) / len(COLUMNS)


def test_wrong_ones_of_columns_are_shown_first(columns: tuple[GPT, Tokenizer, TrainingConfig]) -> None:
    model, tokenizer, config = columns
    examples = [f"{a}+{b}={a + b}" for a in range(1, 9) for b in (7, 61, 502)]
    verdicts = validate(model, tokenizer, config, 99, examples)["verdicts"]
    for number, verdict in enumerate(verdicts):
        verdict["is_correct"] = number not in (5, 20)
    shown_ones = shown_records(model, tokenizer, config, verdicts)
    assert len(shown_ones) == 20
    assert [record["problem"] for record in shown_ones[:3]] == [examples[at].split("=")[0] for at in (5, 20, 0)]
    assert list(shown_ones[0]) == ["problem", "answer", "is_correct", "confidence", "solution"]
    for record in shown_ones:
        assert record["solution"] == str(eval(record["problem"]))
