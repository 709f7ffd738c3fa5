"""`calcgpt models`: lists the models there are, or describes one. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from calcgpt.cli.flags import Switch, parse
from calcgpt.cli.streams import write_json, write_line
from calcgpt.runtime.figures import NOTHING, percent_text
from calcgpt.runtime.table import visible

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
    from calcgpt.model.catalog import MODELS, list_models, scan_models

    if as_json:
        write_json([_facts(model) for model in list_models()])
        return 0
    models, broken = scan_models()
    if models or broken:
        _show(models, broken)
    else:
        train = "train one: calcgpt train three-digit (calculator comes with CalcGPT)"
        write_line(f"no models in {Path(MODELS).resolve()}; {train}")
    return 0


def _facts(model: ModelSummary) -> Run:
    from calcgpt.evaluation.comparing import run_facts, value_at

    facts = run_facts(model.run)
    return {
        "name": model.name,
        "path": str(model.path),
        "kind": model.kind,
        "status": model.status,
        "created": model.created,
        "bytes": model.size,
        "parameters": facts["parameters"],
        "data": facts["computes"],
        **{name: facts[name] for name in ("recipe", "seed", "version")},
        "results": {name: value_at(model.run, "results", name) for name in _RESULTS},
    }


def _show(models: list[ModelSummary], broken: list[str]) -> None:
    from calcgpt.cli.streams import output
    from calcgpt.cli.tables import show_line, show_shared, show_table
    from calcgpt.evaluation.comparing import run_facts, runs_table

    console = output()
    facts = [run_facts(model.run) for model in models]
    table = runs_table([model.name for model in models], facts, status=[model.status for model in models])
    if models and console.is_terminal:
        shorter, shared = table.without_shared()
        show_table(console, shorter)
        show_shared(console, shared)
    elif models:
        show_table(console, table)
    for problem in broken:
        show_line(console, f"broken: {problem}", "bad")


def _describe(name: str, as_json: bool) -> int:
    from calcgpt.model.store import find_model, read_model

    stored = read_model(find_model(name))
    run = {**stored.run, "status": stored.status}
    if as_json:
        write_json({"path": str(stored.path), **run})
        return 0
    for label, value in _lines(stored.path, run):
        write_line(f"{label:<15}{value}")
    return 0


def _lines(path: Path, run: Run) -> list[tuple[str, str]]:
    from calcgpt.evaluation.comparing import run_facts, value_at

    facts = run_facts(run)
    lines = [
        ("path", str(path)),
        ("status", str(run.get("status"))),
        ("created", f"{str(run.get('created'))[:16].replace('T', ' ')} UTC"),
        ("recipe", facts["recipe"] or "settings of its own"),
        ("trained on", facts["computes"]),
        ("parameters", NOTHING if facts["parameters"] is None else f"{facts['parameters']:,}"),
        ("exact match", percent_text(facts["exact_match"])),
    ]
    for name in _RESULTS[1:]:
        found = value_at(run, "results", name)
        value = value_at(run, "execution", name) if found is None else found
        if value is not None:
            lines.append((name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value)))
    versions = value_at(run, "versions")
    if isinstance(versions, dict):
        lines.append(("versions", ", ".join(f"{name} {value}" for name, value in versions.items())))
    lines += [("settings" if not index else "", text) for index, text in enumerate(_changed_settings(run))]
    return [(label, visible(text)) for label, text in lines]


def _changed_settings(run: Run) -> list[str]:
    """Settings that are not the defaults, and the seed."""
    from calcgpt.evaluation.comparing import flat_settings, value_at
    from calcgpt.training.config import TrainingConfig

    defaults = flat_settings({"config": TrainingConfig().to_dict()})
    changed = [f"{name}: {value}" for name, value in flat_settings(run).items() if value != defaults.get(name)]
    return [*changed, f"seed: {value_at(run, 'seed')}"]
