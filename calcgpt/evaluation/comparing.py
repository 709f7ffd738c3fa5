"""Several models, or several seeds of one recipe, as one figure each: the mean, the worst, how many succeeded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_NOT_THE_RECIPE = ("seed", "overwrite", "save_steps")  # settings of a run that leave its recipe the same


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
        runs: the content of each model's run.json, of which `status`, `config` and `data` are compared; None, or a
            mapping without `config`, for a model whose training is not known.

    Returns:
        The indices of each group, groups in the order of their first runs. A model whose training is not known is a
        group of its own.
    """
    groups: dict[str, list[int]] = {}
    for index, run in enumerate(runs):
        groups.setdefault(_recipe(run) or f"unknown {index}", []).append(index)
    return list(groups.values())


def _recipe(run: Mapping[str, Any] | None) -> str | None:
    if not run or not isinstance(run.get("config"), Mapping):
        return None
    config = {name: value for name, value in run["config"].items() if name not in _NOT_THE_RECIPE}
    return json.dumps([run.get("status"), config, run.get("data")], sort_keys=True)
