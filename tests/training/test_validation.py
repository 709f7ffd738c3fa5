"""Measuring on held-out examples: the loss against a plain pass, and the answers that are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.columns import group, parse_columns
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.arithmetic.traces import shown
from calcgpt.inference.choosing import Completions
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
    assert list(found) == ["eval_loss", "exact_match", "digit_accuracy", "verdicts"]
    assert found["verdicts"].problems.examples() == EXAMPLES
    assert found["exact_match"] == found["verdicts"].exact_match == found["verdicts"].right.mean()


def test_nothing_to_measure(parts: Any) -> None:
    model, tokenizer, config = parts
    nothing = dict.fromkeys(["eval_loss", "exact_match", "digit_accuracy", "verdicts"])
    assert validate(model, tokenizer, config, 10, []) == nothing
    found = validate(model, tokenizer, config, 10, ["1+1=2", "12=12"])
    assert found.pop("eval_loss") > 0 and not any(found.values())
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


# Digit accuracy


def share_by_place(answers: list[str | None], solutions: list[str]) -> list[float]:
    """Digit accuracy over strings: None is an answer that cannot be read."""
    pairs = [
        (place, (answer or "").lstrip("-")[::-1][place : place + 1] == digit)
        for answer, solution in zip(answers, solutions, strict=True)
        for place, digit in enumerate(solution.lstrip("-")[::-1])
    ]
    longest = max(place for place, _ in pairs) + 1
    return [float(np.mean([right for at, right in pairs if at == place])) for place in range(longest)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Problems]]:
    """Has solvers write what a function gives for problems, values and whether they end; what was asked is noted."""

    def start(notation: Notation, tokenizer: Tokenizer, write: Callable[[Problems], Any]) -> list[Problems]:
        noted: list[Problems] = []

        def decode(solver: CalcGPT, problems: Problems, progress: Any = None) -> Completions:
            noted.append(problems)
            values, ended = write(problems)
            written = notation.write_answers(problems, values)
            tokens = torch.from_numpy(tokenizer.encode_characters(written.characters))
            scores = torch.zeros(len(problems), tokens.shape[1] + 1)
            return Completions(tokens, torch.from_numpy(written.lengths), torch.from_numpy(ended), scores)

        monkeypatch.setattr(CalcGPT, "decode", decode)
        return noted

    return start


@pytest.mark.parametrize("notation", [Notation(), Notation(reverse=True), Notation(2, 3, True, True, True)])
@pytest.mark.parametrize("block", [50, 16_384])
def test_digits_by_place_of_one_decoding(
    file_config_of: Config, asked: Any, monkeypatch: pytest.MonkeyPatch, notation: Notation, block: int
) -> None:
    examples = EXAMPLES + [f"{a}-{b}={a - b}" for a in range(12) for b in range(0, 40, 3)]
    config, tokenizer = file_config_of(notation=notation), Tokenizer.build(["0123456789+-="])
    answers: list[str | None] = []

    def write(problems: Problems) -> tuple[np.ndarray, np.ndarray]:
        """Every third ten more, every fifth one more, every seventh without an end."""
        places = np.arange(len(problems))
        values, ended = problems.solutions() + 10 * (places % 3 == 0) + (places % 5 == 0), places % 7 != 0
        answers.extend(str(value) if end else None for value, end in zip(values.tolist(), ended, strict=True))
        return values, ended

    noted = asked(notation, tokenizer, write)
    monkeypatch.setattr("calcgpt.inference.verdicts.BLOCK", block)
    model = GPT(create_model_config(len(tokenizer), 16, config))
    found = validate(model, tokenizer, config, 16, examples)
    assert Problems.concatenate(noted).examples() == examples, "each is asked once"
    solutions = [example.split("=")[1] for example in examples]
    assert found["digit_accuracy"] == pytest.approx(share_by_place(answers, solutions))
    assert found["verdicts"].right.tolist() == [a == b for a, b in zip(answers, solutions, strict=True)]
    assert found["verdicts"].readable.tolist() == [answer is not None for answer in answers]
    assert min(found["digit_accuracy"]) > 0 and max(found["digit_accuracy"]) < 1


def test_answers_beyond_int64(file_config_of: Config, asked: Any) -> None:
    examples = [f"{10**20}+{b}={10**20 + b}" for b in range(4)]
    config, tokenizer = file_config_of(), Tokenizer.build(["0123456789+-="])
    asked(Notation(), tokenizer, lambda problems: (problems.solutions() * 0 + 10**20, np.ones(len(problems), bool)))
    model = GPT(create_model_config(len(tokenizer), 60, config))
    assert validate(model, tokenizer, config, 60, examples)["digit_accuracy"] == [0.25] + [1.0] * 20


def test_a_run_records_digit_accuracy(config_of: Config, train: Any) -> None:
    trainer = train(config_of(max_steps=4, eval_steps=2))
    lines = (trainer.output_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    checks = [record for record in map(json.loads, lines) if "eval_loss" in record]
    assert [record["step"] for record in checks] == [2, 4]
    for record in checks:  # answers of -9 to 18
        assert len(record["digit_accuracy"]) == 2 and all(0 <= share <= 1 for share in record["digit_accuracy"])
    assert "digit_accuracy" not in trainer.results


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


def test_digits_by_place_of_columns(
    columns: tuple[GPT, Tokenizer, TrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer, config = columns
    given = dict(zip(COLUMNS, ["46", "21", "156", "14", "0", "6", "2", None, "71"], strict=True))
    calls: list[int] = []

    def solve_batch(solver: CalcGPT, problems: list[str], **options: Any) -> list[dict[str, Any]]:
        calls.append(len(problems))
        return [{"answer": answer, "is_correct": False} for answer in given.values()]

    monkeypatch.setattr(CalcGPT, "solve_batch", solve_batch)
    found = validate(model, tokenizer, config, 99, COLUMNS)
    assert calls == [len(COLUMNS)], "answers are written once"
    solutions = [example.split("=")[1] for example in COLUMNS]
    assert found["digit_accuracy"] == pytest.approx(share_by_place(list(given.values()), solutions))
    assert found["digit_accuracy"] == [6 / 9, 5 / 7, 0.0]


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
