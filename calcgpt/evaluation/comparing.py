"""Several models, or several seeds of one recipe, as one figure each: the mean, the worst, how many succeeded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
        "mean": sum(report["exact_match"] for report in asked) / len(asked) if asked else None,
        "worst": worst and worst["exact_match"],
        "worst_model": worst and worst["model"],
    }


def same_recipe(runs: Sequence[Mapping[str, Any] | None]) -> list[list[int]]:
    """Group runs that differ only in their seed.

    Args:
        runs: what a report says in `run`: `settings` without the seed, `computes`, `steps`; None, or a mapping without
            settings, for a model whose training is not known.

    Returns:
        The indices of each group, groups in the order of their first runs. A model whose training is not known is a
        group of its own, and a run that ended before its last step is no seed of those that did not.
    """
    groups: dict[str, list[int]] = {}
    for index, run in enumerate(runs):
        groups.setdefault(_recipe_key(run) or f"unknown {index}", []).append(index)
    return list(groups.values())


def _recipe_key(run: Mapping[str, Any] | None) -> str | None:
    settings = (run or {}).get("settings")
    if not run or not settings:
        return None
    free = any(settings.get(name, "none") != "none" for name in ("target_exact_match", "max_seconds"))
    return json.dumps([settings, run.get("computes"), None if free else run.get("steps")], sort_keys=True)
