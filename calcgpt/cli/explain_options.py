"""The flags of `calcgpt explain`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from calcgpt.cli.flags import Number, OptionalText, Switch, parse, parse_known
from calcgpt.errors import ConfigError

COMMAND = "calcgpt explain"
_FLAG = re.compile(r"--?[A-Za-z]")
_PROBLEM = re.compile(r"[^A-Za-z_.]*[0-9][^A-Za-z_.]*")  # anything else is a model, or no problem


@dataclass(frozen=True)
class ExplainOptions:
    """Look inside a model: for each digit of an answer its probability, its rivals, and where each head looked.

    With --probe: after which layer a carry can be read off. Wrong answers are answers: the exit code is 0.
    """

    words: Annotated[Positional[tuple[str, ...]], arg(metavar="[MODEL] [PROBLEM]", help_behavior_hint="")] = ()
    """The model's folder, or its name under models/ (without it: the newest one there), and what to ask, such as
    "478+256"."""
    model: Annotated[OptionalText, arg(aliases=["-m"], metavar="MODEL")] = None
    """The model, in place of the first word."""
    all: Switch = False
    """Show every token that the model wrote, not the answer's alone."""
    top: Number = 3
    """How many rivals of a token, and how many tokens that a head looks at, are shown."""
    html: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Write a page with heat maps to this file as well, in place of what is there."""
    json: Switch = False
    """Print JSON in place of text, with every token and all of attention."""
    probe: Switch = False
    """Fit linear probes for the carry into each column, at each layer, and compare them with untrained
    networks and shuffled labels."""
    operation: Annotated[OptionalText, arg(metavar="{+,-}")] = None
    """With --probe: carries of sums, or borrows of differences. Without it: the first that the model has."""
    count: Number = 2000
    """With --probe: problems to draw."""
    seed: Number = 0
    """With --probe: of the draws."""
    device: Annotated[OptionalText, arg(metavar="{cuda,mps,cpu}")] = None
    """Where to compute. Without it: the best there is."""

    @property
    def problem(self) -> str:
        """What to ask."""
        (problem,) = self.words
        return problem


def read(arguments: Sequence[str]) -> ExplainOptions:
    """The options of a command line, the model told from the problem; `words` is then the problem alone.

    Raises:
        ConfigError: what is wrong with the command line, in one line.
    """
    options, others = parse_known(ExplainOptions, arguments, COMMAND)
    if any(_FLAG.match(other) for other in others):
        options = parse(ExplainOptions, arguments, COMMAND)  # which says what is wrong
    words = (*options.words, *others)  # a problem that begins with a minus is among the others
    named = [word for word in words if not _PROBLEM.fullmatch(word)]
    if options.model is None and named:
        options = replace(options, model=named[0])
        words = tuple(word for place, word in enumerate(words) if place != words.index(named[0]))
    options = replace(options, words=words)
    if options.probe:
        if options.words or options.html is not None or options.all:
            raise ConfigError("--probe draws its own problems: expected no problem, --html or --all beside it")
    elif len(options.words) != 1:
        told = f"{len(options.words)} problems" if options.words else "none"
        told += f"; {named[0]!r} is none, and was taken for a model" if named and not options.words else ""
        raise ConfigError(f'expected one problem, such as calcgpt explain "12+34", and got {told}')
    elif options.operation is not None or (options.count, options.seed) != (ExplainOptions.count, ExplainOptions.seed):
        raise ConfigError("--operation, --count and --seed are for --probe")
    return options
