"""Figures, numbers and names as a person reads them in a report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.evaluation.comparing import compare
from calcgpt.runtime.figures import NOTHING, percent_text, share_text

Report = Mapping[str, Any]
Row = Mapping[str, Any]

_PLACES = ("units", "tens", "hundreds", "thousands", "ten thousands", "hundred thousands", "millions")
_OPERATIONS = {"+": "addition", "-": "subtraction", "*": "multiplication", "//": "floor division", "%": "remainder"}


def row_share(row: Row | None, decimals: int = 2) -> str:
    """The exact match of a row, in percent; a dash where there is no row, or nothing was asked."""
    return NOTHING if row is None else share_text(row["right"], row["problems"], decimals)


def interval_text(row: Row) -> str:
    """The 95% interval of a row: `99.40% to 99.80%`. Its upper end is 100% only where all are right."""
    if row.get("interval") is None:
        return NOTHING
    low, high = row["interval"]
    if row["right"] == row["problems"]:
        high = 1.0  # as it is without rounding errors
    elif high >= 1.0:
        return f"at least {percent_text(low)}"
    return f"{percent_text(max(0.0, low))} to {percent_text(high)}"


def probability_text(probability: float, decimals: int = 3) -> str:
    """A probability, rounded down, so that 1.000 is only said of what is 1."""
    whole: int = 10**decimals
    return f"{int(probability * whole) / whole:.{decimals}f}"


def shorten_middle(text: str, most: int) -> str:
    """`text`, cut in its middle where it is longer than `most` characters (at least 3)."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def shorten_numbers(text: str, most: int = 40) -> str:
    """An expression, each of its numbers cut in the middle where it has more than `most` digits."""
    return re.sub(rf"[0-9]{{{most + 1},}}", lambda match: shorten_middle(match[0], most), text)


def place_text(place: int) -> str:
    """The name of a place: `units`, `tens`; of a high one what a digit there is worth, `10^12`."""
    return _PLACES[place] if place < len(_PLACES) else f"10^{place}"


def operation_text(symbol: str) -> str:
    """An operation's name and symbol: `addition (+)`; of one that is not registered its symbol."""
    known = OPERATIONS.get(symbol)
    name = _OPERATIONS.get(symbol) or (known and known.name)
    return f"{name} ({symbol})" if name and name != symbol else symbol


def natural(text: object) -> tuple[Any, ...]:
    """A sort key with the numbers in a text as numbers: 9 before 10, and 10x2 before 10x10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", str(text))
    return tuple((0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts)


def comparison_text(reports: Sequence[Report]) -> str:
    """How many of several models answer everything rightly, and where not all do, the mean and the worst."""
    found = compare(reports)
    if not found["models"]:
        return ""
    told = f"{found['succeeded']:,} of {found['models']:,} models answer everything rightly"
    if found["succeeded"] == found["models"]:
        return told
    return f"{told}; mean {percent_text(found['mean'])}, worst {percent_text(found['worst'])} ({found['worst_model']})"


def report_names(reports: Sequence[Report]) -> list[str]:
    """A name of its own for each report: the model's, with the suite where a model was asked several."""
    models = [str(report["model"]) for report in reports]
    names = [
        model if models.count(model) == 1 else f"{model} ({report.get('suite')})"
        for model, report in zip(models, reports, strict=True)
    ]
    return numbered(names)


def numbered(names: Iterable[str]) -> list[str]:
    """Names, a number after each that was there before."""
    taken: dict[str, int] = {}
    result = []
    for name in names:
        taken[name] = taken.get(name, 0) + 1
        result.append(name if taken[name] == 1 else f"{name} #{taken[name]}")
    return result
