"""How a run measures itself on held-out examples: their loss, the verdicts on its answers, and some answers to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from calcgpt.arithmetic.integers import format_integer
from calcgpt.arithmetic.scanning import scan
from calcgpt.evaluation.metrics import Verdicts, judge
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.gpt import GPT, LossBatch
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.config import TrainingConfig
from calcgpt.training.source import OptimizedDataset

_SHOWN = 20  # problems that `shown_records` shows


def validate(
    model: GPT, tokenizer: Tokenizer, config: TrainingConfig, maxlen: int, examples: Sequence[str]
) -> dict[str, Any]:
    """Loss, exact match and verdicts on some examples; the model is left in training mode.

    Returns eval_loss and exact_match (each None where there is nothing to measure it on: no examples, or lines that are
    no arithmetic), and verdicts.
    """
    if not examples:
        return {"eval_loss": None, "exact_match": None, "verdicts": None}
    found, verdicts = scan(examples), None
    if len(found.problems) == len(examples):
        verdicts = judge(_solver(model, tokenizer, config), found.problems)
    dataset = OptimizedDataset(examples, maxlen, tokenizer, config.loss_on, config.notation)
    loss = mean_loss(model, dataset)
    model.train()
    return {"eval_loss": loss, "exact_match": verdicts.exact_match if verdicts else None, "verdicts": verdicts}


@torch.no_grad()
def mean_loss(model: GPT, dataset: OptimizedDataset, size: int = 512) -> float:
    """The mean over every token that bears a loss, `size` examples at a time; the model is left in evaluation mode."""
    model.eval()
    total, count = 0.0, 0
    for ids, labels in zip(dataset.input_ids.split(size), dataset.labels.split(size), strict=True):
        batch = LossBatch(ids.to(model.device), labels.to(model.device))
        total += float(model.loss(batch)) * len(batch.targets)
        count += len(batch.targets)
    return total / count


def shown_records(
    model: GPT, tokenizer: Tokenizer, config: TrainingConfig, verdicts: Verdicts | None
) -> list[dict[str, Any]]:
    """Some of what was asked: problem, answer, is_correct, confidence and solution, the wrong ones first."""
    if verdicts is None:
        return []
    shown = verdicts.problems[verdicts.right.argsort(kind="stable")[:_SHOWN]]
    answers = _solver(model, tokenizer, config).solve_batch(shown.expressions())
    return [
        {**{key: answer[key] for key in ("problem", "answer", "is_correct", "confidence")}, "solution": solution}
        for answer, solution in zip(answers, map(format_integer, shown.solutions().tolist()), strict=True)
    ]


def _solver(model: GPT, tokenizer: Tokenizer, config: TrainingConfig) -> CalcGPT:
    return CalcGPT.from_parts(model, tokenizer, {"config": config.to_dict()})
