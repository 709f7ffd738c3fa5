"""The flags of `calcgpt data`. Imports tyro, so it is imported only when they are parsed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

from calcgpt.arithmetic.datasets import DatasetSpec

_DEFAULTS = DatasetSpec()


@dataclass(frozen=True)
class DataOptions:
    """Generate a file of arithmetic examples (12+34=46), every one there is or a sample; or analyze a file.

    Without flags: every sum and every non-negative difference of 0 to 100.
    """

    operations: Annotated[tuple[str, ...], arg(metavar="OPERATION ...")] = _DEFAULTS.operations
    """The operators, any of + - * // % (or addition, subtraction, multiplication, division, remainder)."""
    min: Annotated[int | None, arg(metavar="INT")] = None
    """The smallest operand (0 where none is given)."""
    max: Annotated[int | None, arg(metavar="INT")] = None
    """The largest operand (100 where none is given)."""
    min_digits: Annotated[int | None, arg(metavar="INT")] = None
    """The fewest digits an operand has, in place of --min (1 where only --max-digits is given)."""
    max_digits: Annotated[int | None, arg(metavar="INT")] = None
    """The most digits an operand has, in place of --max."""
    allowed_digits: Annotated[str, arg(metavar="DIGITS")] = _DEFAULTS.allowed_digits
    """The digits that operands are written with."""
    negative_results: bool = _DEFAULTS.negative_results
    """Include problems whose solution is below zero."""
    count: Annotated[int | None, arg(aliases=["-n"], metavar="INT")] = None
    """Sample this many, without repetition (without --count: every one there is)."""
    exhaustive: FlagCreatePairsOff[bool] = False
    """Every one there is: the default, said aloud."""
    seed: Annotated[int, arg(metavar="INT")] = _DEFAULTS.seed
    """Of the sample."""
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="PATH")] = None
    """The file, or the folder, to write to (default: datasets/NAME, where NAME carries the parameters)."""
    overwrite: FlagCreatePairsOff[bool] = False
    """Replace a file that is there."""
    dry_run: FlagCreatePairsOff[bool] = False
    """Print the estimate, and generate nothing."""
    yes: Annotated[FlagCreatePairsOff[bool], arg(aliases=["-y"])] = False
    """Generate a very large file without asking."""
    analyze: Annotated[Path | None, arg(metavar="FILE")] = None
    """Summarise a data file: operations, lengths, carries, repetitions, invalid lines."""
    json: FlagCreatePairsOff[bool] = False
    """Print JSON in place of text."""
