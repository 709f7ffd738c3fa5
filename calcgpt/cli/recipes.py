"""`calcgpt recipes`: lists the recipes, or shows one. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from calcgpt.cli.flags import Switch, parse
from calcgpt.cli.streams import write_json, write_line
from calcgpt.runtime.table import Column, Table
from calcgpt.training.recipes import Recipe, load_recipe, recipe_names


@dataclass(frozen=True)
class RecipesOptions:
    """List the recipes, or show one: its data, its settings and its measured result."""

    name: Annotated[Positional[str | None], arg(metavar="[NAME_OR_YAML]", help_behavior_hint="")] = None
    """The recipe to show."""
    json: Switch = False
    """Print JSON in place of text."""


def run(args: list[str]) -> int:
    """Runs `calcgpt recipes` with these arguments and returns the exit code. Raises ConfigError."""
    options = parse(RecipesOptions, args, "calcgpt recipes")
    if options.name is not None:
        recipe = load_recipe(options.name)
        write_json(_plain(recipe)) if options.json else write_line(_in_words(recipe))
        return 0
    recipes = [load_recipe(name) for name in recipe_names()]
    if options.json:
        write_json([_plain(recipe) for recipe in recipes])
        return 0
    from calcgpt.cli.streams import output
    from calcgpt.cli.tables import show_table

    table = Table("", [Column(""), Column("", wraps=True)])
    for recipe in recipes:
        table.add(recipe.name, " ".join(recipe.description.split()))
    show_table(output(), table)
    write_line("\ncalcgpt recipes NAME shows one; calcgpt train NAME trains with it.")
    return 0


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {**asdict(recipe), "config": recipe.config.to_dict()}


def _in_words(recipe: Recipe) -> str:
    """The recipe as a YAML file of one's own would say it, with every setting that is not a default."""
    import yaml

    from calcgpt.training.config import TrainingConfig

    defaults = TrainingConfig().to_dict()
    config = json.loads(json.dumps(recipe.config.to_dict()))
    changed = {name: value for name, value in config.items() if value != defaults[name]}
    content = {"description": recipe.description, "dataset": recipe.dataset, "config": changed, "result": recipe.result}
    return yaml.safe_dump(content, sort_keys=False, width=70).strip()
