"""`calcgpt models`: lists the models there are, or describes one. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from calcgpt.cli.flags import Switch, parse
from calcgpt.cli.streams import write_json, write_line

if TYPE_CHECKING:
    from calcgpt.model.catalog import ModelSummary

Run = dict[str, Any]
_RESULTS = ("exact_match", "training_loss", "eval_loss", "training_time", "steps", "stopped")


@dataclass(frozen=True)
class ModelsOptions:
    """List the models under models/, the newest first, or describe one."""

    name: Annotated[Positional[str | None], arg(metavar="[MODEL]", help_behavior_hint="")] = None
    """A model's name under models/, or the path of its folder."""
    json: Switch = False
    """Print JSON in place of text."""


def run(args: list[str]) -> int:
    """Runs `calcgpt models` with these arguments and returns the exit code. Raises CalcGPTError."""
    options = parse(ModelsOptions, args, "calcgpt models")
    if options.name is None:
        return _list(options.json)
    return _describe(options.name, options.json)


def _list(as_json: bool) -> int:
    from calcgpt.model.catalog import MODELS, list_models

    models = list_models()
    if as_json:
        write_json([_facts(model) for model in models])
    elif models:
        _show(models)
    else:
        train = "train one: calcgpt train three-digit (calculator comes with CalcGPT)"
        write_line(f"no models in {Path(MODELS).resolve()}; {train}")
    return 0


def _facts(model: ModelSummary) -> Run:
    return {
        "name": model.name,
        "path": str(model.path),
        "kind": model.kind,
        "status": model.status,
        "created": model.created,
        "bytes": model.size,
        "parameters": _parameters(model.run),
        "data": describe_data(model.run),
        "results": {name: model.run.get("results", {}).get(name) for name in _RESULTS},
    }


def _show(models: list[ModelSummary]) -> None:
    from rich.table import Table

    from calcgpt.cli.streams import output

    table = Table()
    table.add_column("model", overflow="fold", ratio=2)
    table.add_column("trained on", overflow="fold", ratio=2)
    for title in ("parameters", "exact match"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("created (UTC)", no_wrap=True)
    for model in models:
        name = model.name if model.status == "finished" else f"{model.name} ({model.status})"
        match = _percent(model.run.get("results", {}).get("exact_match"))
        table.add_row(name, describe_data(model.run), _count(_parameters(model.run)), match, _time(model.created))
    output().print(table)


def _describe(name: str, as_json: bool) -> int:
    from calcgpt.model.catalog import find_model
    from calcgpt.model.folder import read_run

    path = find_model(name)
    run = read_run(path)
    if as_json:
        write_json({"path": str(path), **run})
        return 0
    for label, value in _lines(path, run):
        write_line(f"{label:<15}{value}")
    return 0


def _lines(path: Path, run: Run) -> list[tuple[str, str]]:
    results, execution = run.get("results", {}), run.get("execution", {})
    lines = [
        ("path", str(path)),
        ("status", str(run.get("status"))),
        ("created", f"{_time(str(run.get('created')))} UTC"),
        ("recipe", recipe_of(run) or "settings of its own"),
        ("trained on", describe_data(run)),
        ("parameters", _count(_parameters(run))),
        ("exact match", _percent(results.get("exact_match"))),
    ]
    for name in _RESULTS[1:]:
        value = results.get(name, execution.get(name))
        if value is not None:
            lines.append((name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value)))
    lines.append(("versions", ", ".join(f"{name} {value}" for name, value in run.get("versions", {}).items())))
    lines += [("settings" if not place else "", text) for place, text in enumerate(_changed_settings(run))]
    return lines


def _changed_settings(run: Run) -> list[str]:
    """Settings that are not the defaults, and the seed."""
    from calcgpt.training.config import TrainingConfig

    defaults = TrainingConfig().to_dict()
    config = run.get("config", {})
    return [
        f"{name}: {_value(value)}" for name, value in config.items() if name == "seed" or value != defaults.get(name)
    ]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(inner)}" for name, inner in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def recipe_of(run: Run) -> str | None:
    """The recipe that a run followed, but for its seed."""
    from calcgpt.training.recipes import load_recipe, recipe_names

    def fixed(config: Run) -> Run:
        return {name: value for name, value in config.items() if name != "seed"}

    config, data = fixed(run.get("config", {})), run.get("data", {}).get("path")
    for recipe in map(load_recipe, recipe_names()):
        if json.loads(json.dumps(fixed(recipe.config.to_dict()))) == config and recipe.dataset == data:
            return recipe.name
    return None


def describe_data(run: Run) -> str:
    """What a model was trained on, in a few words."""
    data = run.get("data", {})
    if data.get("kind") == "file":
        return f"{data.get('path')} ({data.get('examples', 0):,} lines)"
    return "; ".join(_task(task) for task in data.get("tasks", [])) or "unknown"


def _task(task: Run) -> str:
    signs = "" if task["negative_results"] else ", no negative results"
    return f"{' '.join(task['operations'])} of {task['min_value']:,} to {task['max_value']:,}{signs}"


def _parameters(run: Run) -> int | None:
    return run.get("execution", {}).get("model_params")


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _time(created: str) -> str:
    return created[:16].replace("T", " ")
