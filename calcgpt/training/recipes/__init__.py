"""Recipes: named configs with their data and their measured results, one YAML file each. Imports no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from calcgpt.errors import ConfigError, shown_value
from calcgpt.runtime.plain_yaml import load_yaml, parse_yaml
from calcgpt.training.config import TrainingConfig


@dataclass(frozen=True)
class Recipe:
    """A run that can be repeated by name.

    name: its file's, without the ending. description: one line. config: every setting. dataset: the data file, or None
    for a task. result: figures that were measured, with the command that prints them.
    """

    name: str
    description: str
    config: TrainingConfig
    dataset: str | None = None
    result: dict[str, Any] = field(default_factory=dict)


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    files = resources.files(__name__).iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in files if entry.name.endswith(".yaml"))


def load_recipe(name: str | Path) -> Recipe:
    """A recipe by its name, or from a YAML file of one's own.

    The file has `config` (any fields of TrainingConfig), and optionally `dataset`, `description` and `result`.

    Raises:
        ConfigError: there is no such recipe or file, or it is not one.
    """
    text = str(name)
    if text in recipe_names():
        content = (resources.files(__name__) / f"{text}.yaml").read_bytes()
        return _parse(parse_yaml(content, text), text, text)
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"there is no recipe {text!r}: choose from {', '.join(recipe_names())}, or give a .yaml file")
    recipe = _parse(load_yaml(path, "recipe"), path.stem, text)
    beside = path.parent / recipe.dataset if recipe.dataset else path
    if recipe.dataset and not os.path.exists(recipe.dataset) and os.path.isfile(beside):
        return replace(recipe, dataset=str(beside))
    return recipe


def _parse(values: Any, name: str, origin: str) -> Recipe:
    known = ("description", "dataset", "config", "result")
    if not isinstance(values, dict):
        raise ConfigError(f"{origin}: expected a mapping with {', '.join(known)}, not {shown_value(values)}")
    unknown = [shown_value(key) for key in values if key not in known]
    if unknown:
        raise ConfigError(f"{origin} has {', '.join(unknown)}: a recipe has {', '.join(known)}")
    for key, kind in (("description", str), ("dataset", str), ("config", dict), ("result", dict)):
        if not isinstance(values.get(key), (kind, type(None))):
            expected = "a text" if kind is str else "a mapping"
            raise ConfigError(f"{origin}: {key} must be {expected}, not {shown_value(values[key])}")
    try:
        config = TrainingConfig.from_dict(values.get("config") or {})
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error
    dataset = values.get("dataset")
    if (dataset is None) == (config.task is None):
        raise ConfigError(f"{origin}: expected a dataset or a config with a task, one of the two")
    return Recipe(name, values.get("description") or "", config, dataset, values.get("result") or {})
