"""The flags of `calcgpt evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from calcgpt.cli.flags import Number, OptionalText, Switch


@dataclass(frozen=True)
class EvaluateOptions:
    """Count right answers, on problems that were never trained on, or on every one."""

    model: Annotated[Positional[str | None], arg(metavar="[MODEL]", help_behavior_hint="")] = None
    """The model's folder, or its name under models/. Without it: the newest one there."""
    exhaustive: Switch = False
    """Ask every problem of the model's range; what it was trained on and what it never saw are counted apart."""
    digits: tuple[str, ...] = ()
    """For a model that writes columns: lengths to ask, such as 100 1000, 20x10 (20 digits and 10) or 30*5 (five
    operands of 30). Edge cases such as 99...9+1 come first; the rest is drawn."""
    count: Number = 1000
    """Problems drawn for each operation and number of digits."""
    seed: Number = 0
    """Of the draws."""
    json: Switch = False
    """Print JSON in place of tables."""
    device: Annotated[OptionalText, arg(metavar="{cuda,mps,cpu}")] = None
    """Where to compute. Without it: the best there is."""
