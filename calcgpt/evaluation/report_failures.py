"""Wrong answers as a page shows them: beside the right ones, digit under digit, what is wrong marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calcgpt.evaluation.report_text import Report, place_text, probability_text, shorten_middle, shorten_numbers
from calcgpt.runtime.figures import NOTHING, percent_text

Failure = Mapping[str, Any]
Pieces = list[tuple[str, str]]  # text, and how it is marked: "right", "wrong" or ""
LOW = 0.9  # a token that the model gave less than this is marked
_WHOLE = 36  # digits; a longer number is shortened
_AROUND = 8  # digits shown on each side of the first wrong one, and at both ends
_TOKENS = 48  # shown of a completion
_COMPLETION = 80  # characters shown of one
_MISSING = "·"  # where one number has a digit and the other none
_NAMES = {"": "∅", " ": "␣"}  # of tokens that cannot be seen


def failures_of(report: Report, most: int) -> dict[str, Any]:
    """The worst of a report's failures as a template shows them.

    `wrong` and `refused` count all of them; `shown` are at most `most` wrong answers, those of which the model was most
    sure first; `reasons` are (reason, how many of the kept records, an example) of refused problems.
    """
    answered = [failure for failure in report["wrong"] if not failure.get("error")]
    refusals = [failure for failure in report["wrong"] if failure.get("error")]
    reasons = Counter(str(failure["error"]) for failure in refusals)
    examples = {str(failure["error"]): _problem(failure) for failure in reversed(refusals)}
    return {
        "wrong": report["problems"] - report["right"] - report["refused"],
        "refused": report["refused"],
        "shown": [failure_of(failure) for failure in answered[:most]],
        "reasons": [(reason, count, examples[reason]) for reason, count in reasons.most_common(most)],
        "file": report.get("failures_file"),
    }


def failure_of(failure: Failure) -> dict[str, Any]:
    """One failure as a template shows it."""
    answer, solution = failure.get("answer"), str(failure["solution"])
    completion = failure.get("completion")
    if answer is None:
        rows = [("right answer", [(shorten_numbers(solution, _WHOLE), "")])]
        said = ["No answer could be read."]
    else:
        right, wrong = aligned(solution, str(answer))
        rows = [("right answer", right), ("the model’s", wrong)]
        said = [_where(str(answer), solution, failure.get("first_wrong"))]
    return {
        "problem": _problem(failure),
        "rows": rows,
        "said": [*filter(None, said), *_circumstances(failure)],
        "case": failure.get("case") and shorten_middle(str(failure["case"]), 60),
        "written": None if completion is None else shorten_middle(completion, _COMPLETION),
        "tokens": list(tokens_of(failure.get("tokens") or [])),
    }


def _problem(failure: Failure) -> str:
    return shorten_middle(shorten_numbers(str(failure["problem"])), 200)


def _where(answer: str, solution: str, place: int | None) -> str:
    if place is None:
        return "The sign is wrong." if answer.lstrip("-") == solution.lstrip("-") else ""
    longest = max(len(answer), len(solution))
    long = f" The solution has {len(solution):,} digits." if longest > _WHOLE else ""
    return f"First wrong digit: {place_text(place)} (position {place:,}).{long}"


def _circumstances(failure: Failure) -> Iterator[str]:
    if failure.get("confidence") is not None:
        yield f"Confidence {percent_text(failure['confidence'])}."
    if failure.get("trained_on") is not None:
        yield "It was trained on this problem." if failure["trained_on"] else "Never seen in training."


def aligned(solution: str, answer: str) -> tuple[Pieces, Pieces]:
    """Both numbers digit under digit, units to the right, every digit that differs marked, and a sign that does.
    A digit that is not there counts as the leading zero that a model may have written.

    Where one is long, both are shortened at the same positions: their ends and what is around the first wrong digit
    stay.
    """
    ours, theirs = answer.removeprefix("-"), solution.removeprefix("-")
    signs = answer != ours, solution != theirs
    shorter, longer = sorted((len(ours), len(theirs)))
    pairs = zip(reversed(ours.zfill(longer)), reversed(theirs.zfill(longer)), strict=True)
    differing = [at for at, (own, true) in enumerate(pairs) if own != true]
    missing = [at for at in differing if at >= shorter]
    wrong = {at for at in differing if at < shorter} | set(missing[:1])  # one mark for all that is missing
    width = longer + any(signs)
    kept = set(range(width))
    if width > _WHOLE:
        first = min(wrong, default=0)
        kept = {*range(_AROUND), *range(width - _AROUND, width), *range(first - _AROUND, first + _AROUND + 1)} & kept
    differ = signs[0] != signs[1]
    shown = {True: "-", False: "+" if differ else ""}
    return (
        _pieces(theirs, (shown[signs[1]], "right" * differ), width, kept, wrong, "right"),
        _pieces(ours, (shown[signs[0]], "wrong" * differ), width, kept, wrong, "wrong"),
    )


def _pieces(digits: str, sign: tuple[str, str], width: int, kept: set[int], wrong: set[int], kind: str) -> Pieces:
    """A number from its sign to its units, the digits at `wrong` marked; and only those at `kept` shown."""
    pieces: Pieces = []
    sign_at = max(len(digits), max(wrong, default=-1) + 1)  # left of the mark for a missing digit
    for at in reversed(range(width)):
        there = at < len(digits)
        if at in wrong and at in kept:
            text, mark = digits[-1 - at] if there else _MISSING, kind
        elif at == sign_at and sign[0]:
            text, mark = sign
        elif at in kept:
            text, mark = digits[-1 - at] if there else " ", ""
        elif at + 1 in kept:  # a gap begins
            text, mark = "…" if there else " ", ""
        else:
            continue
        if pieces and pieces[-1][1] == mark == "":
            pieces[-1] = (pieces[-1][0] + text, "")
        else:
            pieces.append((text, mark))
    return pieces


def tokens_of(tokens: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Tokens with their probabilities, low ones marked; of many, those around the least probable, and `gap`s: how many
    are left out."""
    if not tokens:
        return
    least = min(range(len(tokens)), key=lambda index: tokens[index]["probability"] or 0.0)
    start = max(0, min(least - _TOKENS // 2, len(tokens) - _TOKENS))
    end = start + _TOKENS
    if start:
        yield {"gap": start}
    for token in tokens[start:end]:
        share = token["probability"]
        yield {
            "gap": 0,
            "text": _NAMES.get(token["token"], token["token"]),
            "figure": NOTHING if share is None else probability_text(share),
            "low": share is not None and share < LOW,
        }
    if len(tokens) > end:
        yield {"gap": len(tokens) - end}
