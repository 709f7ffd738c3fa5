"""Figures, numbers and names as a person reads them in a report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from calcgpt.evaluation.comparing import compare

Report = Mapping[str, Any]
Row = Mapping[str, Any]

NOTHING = "–"  # stands where there is no figure
_PLACES = ("units", "tens", "hundreds", "thousands", "ten thousands", "hundred thousands", "millions")
_OPERATIONS = {"+": "addition", "-": "subtraction", "*": "multiplication", "//": "floor division", "%": "remainder"}


def share_text(right: int, total: int, decimals: int = 2) -> str:
    """A share in percent, rounded, with as many decimals more as it takes not to say 100% (or 0%) where it is not so.

    >>> share_text(2, 3), share_text(999_996, 1_000_000), share_text(7, 7), share_text(0, 0)
    ('66.67%', '99.9996%', '100%', '–')
    """
    if not total:
        return NOTHING
    if right <= 0 or right >= total:
        return "0%" if right <= 0 else "100%"
    while True:
        whole = 10**decimals
        scaled = (200 * whole * right + total) // (2 * total)
        if 0 < scaled < 100 * whole:
            return f"{scaled // whole}.{scaled % whole:0{decimals}d}%" if decimals else f"{scaled}%"
        decimals += 1


def fraction_text(share: float | None, decimals: int = 2) -> str:
    """`share_text` of a share in [0, 1] whose counts are not known; a dash for None."""
    return NOTHING if share is None else share_text(*Fraction(share).as_integer_ratio(), decimals)


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
        return f"at least {fraction_text(low)}"
    return f"{fraction_text(max(0.0, low))} to {fraction_text(high)}"


def probability_text(probability: float, decimals: int = 3) -> str:
    """A probability, rounded down, so that 1.000 is only said of what is 1."""
    whole: int = 10**decimals
    return f"{int(probability * whole) / whole:.{decimals}f}"


def percent_text(share: float | None) -> str:
    """A probability in percent; only what is none says 0%, and only what is all says 100%; a dash for None."""
    if share is None:
        return NOTHING
    if 0 < share < 0.00005:
        return "<0.01%"
    return ">99.99%" if 0.99995 <= share < 1 else f"{share:.2%}"


def duration_text(seconds: float) -> str:
    """A duration: `0.4 s`, `75 s`, `12.5 min`."""
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.1f} min"


def figure_text(value: float | None) -> str:
    """A figure with three places that matter: `0.0123`, `12.3`, `2,500`; a dash for None."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


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
    """An operation's name and symbol: `addition (+)`."""
    return f"{_OPERATIONS[symbol]} ({symbol})" if symbol in _OPERATIONS else symbol


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
    return (
        f"{told}; mean {fraction_text(found['mean'])}, worst {fraction_text(found['worst'])} ({found['worst_model']})"
    )


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
