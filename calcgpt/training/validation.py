"""How a run measures itself on held-out examples: their loss, the verdicts on its answers, and some answers to show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from calcgpt.arithmetic.accuracy import Counts, add_places, digits_right, numbers_from_texts
from calcgpt.arithmetic.columns import group, parse_columns
from calcgpt.arithmetic.integers import format_integer
from calcgpt.arithmetic.scanning import scan
from calcgpt.inference.decoding import decode
from calcgpt.inference.solver import CalcGPT
from calcgpt.inference.verdicts import Verdicts, judge
from calcgpt.model.classes import own_settings
from calcgpt.model.gpt import GPT
from calcgpt.runtime.device import without_autocast
from calcgpt.tokens.encoding import encode_texts
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.column_source import encode_columns
from calcgpt.training.config import TrainingConfig
from calcgpt.training.source import OptimizedDataset, on_device

Pause = Callable[[], None]
_SHOWN = 20  # problems that `shown_records` shows


def _go_on() -> None:
    pass


def validate(
    model: GPT,
    tokenizer: Tokenizer,
    config: TrainingConfig,
    maxlen: int,
    examples: Sequence[str],
    pause: Pause = _go_on,
) -> dict[str, Any]:
    """Loss, exact match, digit accuracy and verdicts on some examples; the model is left in training mode.

    `pause` is called now and then; what it raises ends the validation.

    Returns eval_loss, exact_match and digit_accuracy (each None where there is nothing to measure it on: no examples,
    or text without an `=`, or without arithmetic), and verdicts. Of plain text, exact match is the share of lines that
    go on after their `=` as they should. Digit accuracy is a list, by place from the units: of the solutions' digits
    there, the share that the answers have; an answer that cannot be read has none of them.
    """
    if not examples:
        return _found(None, None, None, None)
    if config.notation.work == "columns":
        return validate_columns(_solver(model, tokenizer, config), config, examples, pause)
    if config.plain_text:
        dataset = OptimizedDataset(examples, maxlen, tokenizer, config.loss_on, config.notation)
        loss = mean_loss(model, dataset, pause=pause)
        match = text_match(model, tokenizer, examples, pause)
        model.train()
        return _found(loss, match, None, None)
    found, verdicts = scan(examples), None
    if len(found.problems) == len(examples):
        verdicts = judge(_solver(model, tokenizer, config), found.problems, lambda *_: pause())
    dataset = OptimizedDataset(examples, maxlen, tokenizer, config.loss_on, config.notation)
    loss = mean_loss(model, dataset, pause=pause)
    model.train()
    if verdicts is None:
        return _found(loss, None, None, None)
    return _found(loss, verdicts.exact_match, verdicts.digits, verdicts)


def _found(
    loss: float | None, match: float | None, digits: tuple[Counts, Counts] | None, verdicts: Any
) -> dict[str, Any]:
    accuracy = None if digits is None else (digits[1] / digits[0]).tolist()
    return {"eval_loss": loss, "exact_match": match, "digit_accuracy": accuracy, "verdicts": verdicts}


def text_match(model: GPT, tokenizer: Tokenizer, examples: Sequence[str], pause: Pause = _go_on) -> float | None:
    """The share of lines that the model completes word for word from their `=`; None where a line has none."""
    if not all("=" in example for example in examples):
        return None
    cuts = [example.index("=") + 1 for example in examples]
    prompts, lengths = encode_texts(tokenizer, [text[:cut] for text, cut in zip(examples, cuts, strict=True)])
    ids = torch.from_numpy(prompts), torch.from_numpy(lengths)
    completions = decode(model.eval(), *ids, progress=lambda *_: pause())
    texts = CalcGPT.from_parts(model, tokenizer).texts(completions)
    ended = completions.ended.tolist()
    rows = zip(examples, cuts, texts, ended, strict=True)
    return sum(text == line[cut:] and end for line, cut, text, end in rows) / len(examples)


@without_autocast
@torch.no_grad()
def validate_columns(
    solver: CalcGPT, config: TrainingConfig, examples: Sequence[str], pause: Pause = _go_on
) -> dict[str, Any]:
    """`validate` for problems that are written in columns: `verdicts` are the answers, as `solve_batch` gives them."""
    expressions = [example.split("=")[0] for example in examples]
    answers = solver.solve_batch(expressions, progress=lambda *_: pause())
    total, count, digits = 0.0, 0, []
    for rows, problems in group([parse_columns(text) for text in expressions], config.notation.signed):
        written = [answers[row]["answer"] for row in rows.tolist()]
        readable = np.array([text is not None for text in written], bool)
        given = numbers_from_texts([text or "0" for text in written])
        digits.append(digits_right(given, problems.solutions(), readable))
        batch = solver.model.batch(*on_device(encode_columns(problems, config, solver.tokenizer), solver.model.device))
        total += float(solver.model.loss(batch)) * len(batch.targets)
        count += len(batch.targets)
    solver.model.train()
    right = sum(answer["is_correct"] for answer in answers)
    return _found(total / count, right / len(answers), add_places(digits), answers)


@without_autocast
@torch.no_grad()
def mean_loss(model: GPT, dataset: OptimizedDataset, size: int = 512, pause: Pause = _go_on) -> float:
    """The mean over every token that bears a loss, `size` examples at a time; the model is left in evaluation mode."""
    model.eval()
    total, count = 0.0, 0
    for ids, labels in zip(dataset.input_ids.split(size), dataset.labels.split(size), strict=True):
        batch = model.batch(ids.to(model.device), labels.to(model.device))
        total += float(model.loss(batch)) * len(batch.targets)
        count += len(batch.targets)
        pause()
    return total / count


def shown_records(
    model: GPT, tokenizer: Tokenizer, config: TrainingConfig, verdicts: Verdicts | list[dict[str, Any]] | None
) -> list[dict[str, Any]]:
    """Some of what was asked: problem, answer, is_correct, confidence and solution, the wrong ones first."""
    if verdicts is None:
        return []
    if isinstance(verdicts, list):
        return _column_records(config, sorted(verdicts, key=lambda answer: bool(answer["is_correct"]))[:_SHOWN])
    shown = verdicts.problems[verdicts.right.argsort(kind="stable")[:_SHOWN]]
    answers = _solver(model, tokenizer, config).solve_batch(shown.expressions())
    return _records(answers, list(map(format_integer, shown.solutions().tolist())))


def _column_records(config: TrainingConfig, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    solutions = [""] * len(answers)
    for places, problems in group([parse_columns(answer["problem"]) for answer in answers], config.notation.signed):
        for place, solution in zip(places.tolist(), problems.solutions().texts(), strict=True):
            solutions[place] = solution
    return _records(answers, solutions)


def _records(answers: list[dict[str, Any]], solutions: list[str]) -> list[dict[str, Any]]:
    names = ("problem", "answer", "is_correct", "confidence")
    return [
        {**{name: answer[name] for name in names}, "solution": solution}
        for answer, solution in zip(answers, solutions, strict=True)
    ]


def _solver(model: GPT, tokenizer: Tokenizer, config: TrainingConfig) -> CalcGPT:
    tasks = [config.task] if config.task else []
    data = {"tasks": [task.to_dict() for task in tasks]}
    run = {"config": config.to_dict(), "data": data, "classes": own_settings(config.notation, tasks)}
    return CalcGPT.from_parts(model, tokenizer, run, [type(config.notation), *map(type, tasks)])
