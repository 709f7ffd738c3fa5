"""The flags of `calcgpt evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from calcgpt.cli.flags import OptionalNumber, OptionalText, Switch, number


@dataclass(frozen=True)
class EvaluateOptions:
    """Count right answers: by operation, length, place, carries; on unseen problems, or on every one there is."""

    models: Annotated[Positional[tuple[str, ...]], arg(metavar="[MODEL ...]", help_behavior_hint="")] = ()
    """Folders of models, or their names under models/; several are compared. Without one: the newest there."""
    suite: Annotated[OptionalText, arg(metavar="NAME_OR_YAML")] = None
    """What to ask: quick, standard (meant where nothing is said), exhaustive, lengths, length-grid, carry, adversarial,
    robustness, or a file of one's own."""
    exhaustive: Switch = False
    """Ask every problem of the model's range (--suite exhaustive), or with --digits 3 every one of 0 to 999."""
    dataset: Annotated[OptionalText, arg(metavar="FILE")] = None
    """Ask the problems of a data file, and have a model of plain text complete its lines from three places."""
    digits: tuple[str, ...] = ()
    """Lengths to ask, such as 100 1000, 20x10 (20 digits and 10) or 30*5 (five operands of 30); alone it means --suite
    lengths. Of a length-grid the most digits of both operands."""
    operations: tuple[str, ...] = ()
    """Ask only these, of those that the model knows: + - * // %"""
    count: OptionalNumber = None
    """Problems for each operation and length, cell, cascade length, or way to write, in place of the suite's own; not
    of suites that ask all that there is (exhaustive, adversarial)."""
    seed: OptionalNumber = None
    """Of the draws, in place of the suite's own."""
    require: Annotated[float | None, number(float, optional=True), arg(metavar="SHARE", help_behavior_hint="")] = None
    """End with exit code 1 where a smaller share than this, such as 0.999, is answered rightly."""
    report: Annotated[OptionalText, arg(metavar="FILE.html")] = None
    """Write one page with every table and plot, the training curves and the failures."""
    plots: Annotated[OptionalText, arg(metavar="FOLDER")] = None
    """Write each plot as PNG and as SVG."""
    table: Annotated[OptionalText, arg(metavar="FILE.csv")] = None
    """Write every figure as one table in CSV, for pandas or a spreadsheet."""
    folder: Annotated[OptionalText, arg(metavar="FOLDER")] = None
    """Where every failure and the report are kept, and from where an interrupted evaluation goes on. Without it:
    evaluations/MODEL/SUITE, with a mark behind it where flags change what the suite asks."""
    json: Switch = False
    """Print JSON in place of tables."""
    device: Annotated[OptionalText, arg(metavar="{cuda,mps,cpu}")] = None
    """Where to compute. Without it: the best there is."""
