"""Several models, or several seeds of one recipe, as one figure each: the mean, the worst, how many succeeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum  # the same on every Python: `sum` of floats is compensated from 3.12 on
from typing import Any


def compare(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What reports of several models say together.

    Returns:
        A dict: `models` (how many of them were asked anything), `succeeded` (how many answered everything rightly),
        `mean` and `worst` (of their exact match; None without models), `worst_model` (its name).
    """
    asked = [report for report in reports if report["problems"]]
    worst = min(asked, key=lambda report: report["exact_match"], default=None)
    return {
        "models": len(asked),
        "succeeded": sum(report["right"] == report["problems"] for report in asked),
        "mean": fsum(report["exact_match"] for report in asked) / len(asked) if asked else None,
        "worst": worst and worst["exact_match"],
        "worst_model": worst and worst["model"],
    }
