"""The flags of `calcgpt solve`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from tyro.conf import Positional, arg

from calcgpt.cli.flags import Decimal, OptionalNumber, OptionalText, Switch, number, parse, parse_known
from calcgpt.errors import ConfigError, check_seed

COMMAND = "calcgpt solve"
_FLAG = re.compile(r"--?[A-Za-z]")


@dataclass(frozen=True)
class SolveOptions:
    """Ask a model: problems, a file of them, standard input, or one after the other.

    Exit code 2 where a problem was refused or cut off; wrong answers are answers.
    """

    problems: Annotated[Positional[tuple[str, ...]], arg(metavar="[PROBLEM ...]", help_behavior_hint="")] = ()
    """What to ask, such as "12+34" or "12-(-34)". Without any: standard input, or a prompt in a terminal."""
    model: Annotated[OptionalText, arg(aliases=["-m"], metavar="MODEL")] = None
    """The model's folder, or its name under models/. Without it: the newest one there."""
    file: Annotated[OptionalText, arg(aliases=["-f"], metavar="FILE")] = None
    """A file of problems, one a line; - is standard input."""
    json: Switch = False
    """Print a JSON object a line, with all that there is to say."""
    temperature: Decimal = 0.0
    """0 takes the most probable answer; above 0 answers are drawn, the wilder the higher."""
    seed: OptionalNumber = None
    """Of the draws."""
    tokens: Switch = False
    """Show each token that the model wrote, and its probability."""
    max_tokens: OptionalNumber = None
    """Most tokens that a problem may take, work and end counted; what takes more is cut off."""
    timeout: Annotated[float | None, number(float, optional=True), arg(help_behavior_hint="")] = None
    """Seconds after which problems that were asked together are cut off."""
    device: Annotated[OptionalText, arg(metavar="{cuda,mps,cpu}")] = None
    """Where to compute. Without it: the best there is."""


def read(arguments: Sequence[str]) -> SolveOptions:
    """The options of a command line, with problems wherever they stand in it. Raises ConfigError."""
    options, others = parse_known(SolveOptions, arguments, COMMAND)
    if any(_FLAG.match(other) for other in others):
        options = parse(SolveOptions, arguments, COMMAND)  # which says what is wrong
    options = replace(options, problems=(*options.problems, *others))
    _check(options)
    if options.problems and options.file is not None:
        raise ConfigError(f"expected problems or --file {options.file}, one of the two")
    return options


def _check(options: SolveOptions) -> None:
    """Raises ConfigError for a number that cannot be, before a model is loaded and, for a pipe, before a line comes."""
    if not 0 <= options.temperature < float("inf"):
        raise ConfigError(f"--temperature must be a finite number of 0 or more, not {options.temperature}")
    if options.seed is not None:
        check_seed(options.seed, "--seed")
    if options.max_tokens is not None and options.max_tokens < 1:
        raise ConfigError(f"--max-tokens must be at least 1, not {options.max_tokens}")
    if options.timeout is not None and not options.timeout > 0:
        raise ConfigError(f"--timeout must be a number of seconds above 0, not {options.timeout}")
