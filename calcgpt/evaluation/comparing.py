"""Several models side by side: in what their trainings differ, and what they reach together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import fsum  # the same on every Python: `sum` of floats is compensated from 3.12 on
from typing import Any

from calcgpt.arithmetic.operations import rank
from calcgpt.runtime.figures import NOTHING, percent_text
from calcgpt.runtime.table import Cell, Column, Table

Run = Mapping[str, Any]  # the content of run.json
Facts = Mapping[str, Any]  # what `run_facts` returns
_APART = ("seed", "overwrite", "save_steps")  # told apart, or without an effect on the model


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


def run_facts(run: Run) -> dict[str, Any]:
    """What a reader wants to know of a training, as plain values; nothing is asked of the record but to be a mapping.

    Returns:
        A dict: `computes` (what it was trained on, in words), `recipe` (its name, None for settings of one's own),
        `parameters`, `exact_match` (on held-out problems, in training), `seed`, `steps`, `training_time` (seconds),
        `created` (ISO 8601, UTC), `version` (of CalcGPT), each None where the record does not say it, and `settings`
        (`flat_settings`).
    """
    settings = flat_settings(run)
    return {
        "computes": describe_data(run),
        "recipe": _recipe(settings),
        "parameters": _whole(value_at(run, "execution", "model_params")),
        "exact_match": _number(value_at(run, "results", "exact_match")),
        "seed": _whole(value_at(run, "seed")),
        "steps": _whole(value_at(run, "execution", "steps")),
        "training_time": _number(value_at(run, "results", "training_time")),
        "created": _word(value_at(run, "created")),
        "version": _word(value_at(run, "versions", "calcgpt")),
        "settings": settings,
    }


def flat_settings(run: Run) -> dict[str, str]:
    """Every setting that bears on the model, as text by its flag's name: `notation.reverse` is "true".

    The seed is left out, so that runs that differ in nothing else are equal; the data file is `dataset`. What an older
    version did not record has its default; without a config nothing is known. Classes of the user's own are settings
    too: `network class` is "my_module.MyGPT".
    """
    from calcgpt.training.config import TrainingConfig

    config, classes = value_at(run, "config"), value_at(run, "classes")
    if not isinstance(config, Mapping) or not config:
        return {}
    flat = {**dict(_flat(TrainingConfig().to_dict())), **dict(_flat(config))}
    if isinstance(classes, Mapping):
        flat.update({f"{role} class": _text(name) for role, name in classes.items()})
    if any(name.startswith("task.") for name in flat):
        flat.pop("task", None)
    else:
        flat["dataset"] = _text(value_at(run, "data", "path"))
    return {name: value for name, value in flat.items() if name not in _APART}


def differing_settings(facts: Sequence[Facts]) -> dict[str, list[str]]:
    """The settings in which runs differ, by name: each run's value as text, in the order of the runs."""
    names = dict.fromkeys(name for run in facts for name in run["settings"])
    found = {name: [run["settings"].get(name, "none") for run in facts] for name in names}
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def own_settings(facts: Sequence[Facts]) -> list[str]:
    """For each run what tells it from the others that were trained on the same, as text: `num_layers 1, seed 7`."""
    told = []
    for run in facts:
        peers = [other for other in facts if other["computes"] == run["computes"]]
        at = next(index for index, other in enumerate(peers) if other is run)
        parts = [f"{name} {values[at]}" for name, values in differing_settings(peers).items()]
        if len({other["seed"] for other in peers}) > 1:
            parts.append(f"seed {_text(run['seed'])}")
        told.append(", ".join(parts))
    return told


def runs_table(names: Sequence[str], facts: Sequence[Facts], title: str = "", status: Sequence[str] = ()) -> Table:
    """Runs side by side: the recipe or what was trained on, and the settings that tell each from the others.

    status: of each run, a column of its own where it is given; another than "finished" is marked.
    """
    columns = [
        Column("model", name="name"),
        Column("trained on", name="trained_on", wraps=True),
        Column("settings that differ", name="settings", wraps=True),
        Column("parameters", numeric=True),
        Column("exact match", numeric=True, name="exact_match"),
        Column("steps", numeric=True),
        Column("training", numeric=True, name="training_time"),
        Column("date", name="created"),
        Column("version"),
        *([Column("status")] if status else []),
    ]
    table = Table(title, columns)
    states = [Cell(state, tone="" if state == "finished" else "warning") for state in status]
    for index, (name, run, own) in enumerate(zip(names, facts, own_settings(facts), strict=True)):
        seconds, created = run["training_time"], run["created"]
        table.add(
            name,
            run["recipe"] or run["computes"],
            Cell(own, own or NOTHING),
            run["parameters"],
            Cell(run["exact_match"], percent_text(run["exact_match"])),
            run["steps"],
            Cell(seconds, None if seconds is None else f"{seconds:,.1f} s"),
            Cell(created, None if created is None else created[:10]),
            run["version"],
            *states[index : index + 1],
        )
    return table


def describe_data(run: Run) -> str:
    """What a model was trained on, in a few words."""
    data = value_at(run, "data")
    if value_at(data, "kind") == "file" and isinstance(value_at(data, "path"), str):
        lines = _whole(value_at(data, "examples"))
        return data["path"] if lines is None else f"{data['path']} ({lines:,} lines)"
    tasks = value_at(data, "tasks")
    told = [_task(task) for task in tasks] if isinstance(tasks, list) else []
    return "unknown" if not told or None in told else "; ".join(map(str, told))


def _task(task: Any) -> str | None:
    symbols, low, high = (
        value_at(task, "operations"),
        _whole(value_at(task, "min_value")),
        _whole(value_at(task, "max_value")),
    )
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        return None
    if low is None or high is None:
        return None
    signs = ", no negative results" if value_at(task, "negative_results") is False else ""
    return f"{' '.join(sorted(symbols, key=rank))} of {low:,} to {high:,}{signs}"


def _recipe(settings: Mapping[str, str]) -> str | None:
    return next((name for name, fixed in _recipes().items() if fixed == settings), None)


@cache
def _recipes() -> dict[str, dict[str, str]]:
    """The settings of every recipe."""
    from calcgpt.training.recipes import load_recipe, recipe_names

    recipes = map(load_recipe, recipe_names())
    return {
        recipe.name: flat_settings({"config": recipe.config.to_dict(), "data": {"path": recipe.dataset}})
        for recipe in recipes
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def value_at(values: Any, *keys: str) -> Any:
    """What is under these keys; None where there is nothing, or something that has no keys."""
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _number(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63
    return float(value) if good else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


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
