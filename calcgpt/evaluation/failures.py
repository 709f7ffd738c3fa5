"""Every wrong answer, with what the model wrote and how sure it was, so that a person can look at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from calcgpt.arithmetic.columns import Numbers
from calcgpt.evaluation.portions import Batch
from calcgpt.evaluation.subjects import Answers


def failures(
    batch: Batch, answers: Answers, solutions: Numbers, right: np.ndarray, trained: np.ndarray | None
) -> Iterator[dict[str, Any]]:
    """A record for each problem that was not answered rightly, in order.

    Each has problem (as it was asked), answer (None where none can be read), solution, completion, confidence, tokens
    (each with its probability), first_wrong (the place from the units of the first digit that differs; None without an
    answer, or where the sign alone is wrong), case, trained_on (None where that cannot be told), and error (why it was
    refused).
    """
    places = np.flatnonzero(~right)
    part = batch.problems[places]
    texts = [batch.texts[place] for place in places.tolist()] if batch.texts is not None else part.expressions()
    answered = Numbers(answers.numbers.digits[places], answers.numbers.negative[places]).texts()
    true = Numbers(solutions.digits[places], solutions.negative[places]).texts()
    for place, text, answer, solution in zip(places.tolist(), texts, answered, true, strict=True):
        completion, tokens = answers.written(place)
        readable = bool(answers.readable[place])
        yield {
            "problem": text,
            "answer": answer if readable else None,
            "solution": solution,
            "completion": completion,
            "confidence": None if answers.confidence is None else float(answers.confidence[place]),
            "tokens": tokens,
            "first_wrong": first_wrong(answer, solution) if readable else None,
            "case": None if batch.cases is None else batch.cases[place],
            "trained_on": None if trained is None else bool(trained[place]),
            "error": None if answers.refusals is None else answers.refusals[place],
        }


def worst(found: Iterable[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Of some failures those that a person should see first, each problem once: wrong answers before refused problems,
    and of these the ones of which the model was most sure; else in order."""
    different: dict[str, dict[str, Any]] = {}
    for record in found:
        different.setdefault(record["problem"], record)
    return sorted(different.values(), key=lambda record: (record["error"] is not None, -_sure(record)))[:most]


def _sure(record: dict[str, Any]) -> float:
    return record["confidence"] or 0.0


def first_wrong(answer: str, solution: str) -> int | None:
    """The position from the units of the first digit that differs; a digit that one of the two lacks counts as 0.

    >>> first_wrong("1299", "1199"), first_wrong("109", "9"), first_wrong("-5", "5")
    (2, 2, None)
    """
    pairs = zip_longest(reversed(answer.lstrip("-")), reversed(solution.lstrip("-")), fillvalue="0")
    return next((at for at, (own, true) in enumerate(pairs) if own != true), None)
