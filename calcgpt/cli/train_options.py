"""The flags of `calcgpt train`: its own, and one for every field of `TrainingConfig`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from calcgpt.cli.flags import OptionalNumber, Switch, parse, settings_class
from calcgpt.errors import ConfigError, shown_value
from calcgpt.training.config import TrainingConfig
from calcgpt.training.recipes import Recipe, load_recipe

COMMAND = "calcgpt train"
DEFAULT_RECIPE = "classic"
_SHORT = {"epochs": ["-e"], "batch_size": ["-b"]}
_MOST_SEEDS = 1000
_HELP = ("-h", "--help")


@dataclass
class RunOptions:
    """Train a model from scratch, and leave it in a folder.

    A recipe gives settings and data (calcgpt recipes), and every flag overrides it.
    """

    recipe: Annotated[Positional[str | None], arg(metavar="[NAME_OR_YAML]", help_behavior_hint="")] = None
    """The recipe: its name, or a YAML file of your own. Without one: classic."""
    dataset: Annotated[Path | None, arg(aliases=["-d"], metavar="FILE", help_behavior_hint="")] = None
    """The data file, in place of the recipe's."""
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="FOLDER", help_behavior_hint="")] = None
    """The model's folder; models/RECIPE without it, or with -d alone models/FILE. A finished model there is kept as
    FOLDER.previous."""
    seeds: OptionalNumber = None
    """Train this many times, with the seeds --seed, --seed + 1 and so on, into FOLDER-seed-N, and compare."""
    quiet: Switch = False
    """Show nothing but errors."""
    json: Switch = False
    """Print the results as JSON."""
    version: Switch = False
    """Show the version, and do nothing else."""


@dataclass(frozen=True)
class Job:
    """What one run of the trainer needs: its config, data file (None for a task) and output folder.

    origin: what the settings and the data are from, in words. recorded: how long the recipe's own run took, where this
    is the same run.
    """

    config: TrainingConfig
    dataset: Path | None
    output: Path
    origin: str = field(default="", compare=False)
    recorded: object = field(default=None, compare=False)


def read(arguments: Sequence[str]) -> tuple[RunOptions, Job]:
    """The options and the run that a command line asks for.

    Raises:
        ConfigError: a flag, a recipe or a setting that cannot work.
    """
    name = _recipe_name(arguments)
    recipe = load_recipe(name or DEFAULT_RECIPE)
    wants_help = any(argument in _HELP for argument in arguments)
    options = parse(_options_class(recipe), _HELP[-1:] if wants_help else arguments, COMMAND)
    if options.seeds is not None and not 1 <= options.seeds <= _MOST_SEEDS:
        raise ConfigError(f"--seeds must be 1 to {_MOST_SEEDS:,}, not {shown_value(options.seeds)}")
    settings = asdict(options.settings)
    if recipe.config.task is None and not _mentions_task(arguments):
        settings["task"] = None
    dataset = options.dataset
    if dataset is None and recipe.dataset is not None and (name or settings["task"] is None):
        dataset = Path(recipe.dataset)
    if settings["task"] is not None:
        _check_task(arguments, dataset)
    config = TrainingConfig.from_dict(settings)
    # Data of one's own is no recipe: its model must not take the place of one.
    model = recipe.name if name or options.dataset is None else options.dataset.stem
    own = name is None and (options.dataset is not None or settings["task"] is not None)
    origin = f"recipe {recipe.name}" if not own else str(options.dataset or "a task of your own")
    same = replace(config, seed=recipe.config.seed) == recipe.config and options.dataset is None
    output = options.output or Path("models") / model
    return options, Job(config, dataset, output, origin, recipe.result.get("training_seconds") if same else None)


def _check_task(arguments: Sequence[str], dataset: Path | None) -> None:
    if dataset is not None:
        raise ConfigError(f"expected a task or a dataset, and got both: a task, and {dataset}")
    if any(argument.split("=")[0] in ("-e", "--epochs") for argument in arguments):
        raise ConfigError("--epochs is for a data file, and this run draws its problems: set --max-steps")


def _recipe_name(arguments: Sequence[str]) -> str | None:
    """The recipe, looked for before anything else: its settings decide which flags there are, and their defaults."""
    others = [argument for argument in arguments if argument not in _HELP]
    try:
        options = parse(_options_class(load_recipe(DEFAULT_RECIPE), every_flag=True), others, COMMAND)
    except ConfigError:
        if len(others) == len(arguments):
            raise
        return None  # --help is wanted, whatever is wrong with the rest
    name: str | None = options.recipe
    return name


def _options_class(recipe: Recipe, every_flag: bool = False) -> type[Any]:
    """`RunOptions` and the settings, with the recipe's values as their defaults."""
    settings = settings_class(recipe.config, _SHORT, every_flag)
    entry = ("settings", Annotated[settings, arg(name="")], field(default_factory=settings))
    return make_dataclass("RunOptions", [entry], bases=(RunOptions,), namespace={"__doc__": RunOptions.__doc__})


def _mentions_task(arguments: Sequence[str]) -> bool:
    return any(argument.startswith("--task.") for argument in arguments)
