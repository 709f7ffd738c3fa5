"""The flags of `calcgpt export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from calcgpt.cli.flags import Switch


@dataclass(frozen=True)
class ExportOptions:
    """Write a model in another form: for AdderBoard, the public challenge of ten-digit addition, one Python file."""

    model: Annotated[Positional[str | None], arg(metavar="[MODEL]", help_behavior_hint="")] = None
    """The model's folder, or its name under models/. Without it: the newest one there."""
    format: Literal["adderboard"] = "adderboard"
    """The form. adderboard: a file with build_model() and add(model, a, b), which holds the weights."""
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="FILE", help_behavior_hint="")] = None
    """The file, or the folder, to write to. Without it: adderboard_MODEL.py in the current folder."""
    author: Annotated[str, arg(metavar="NAME")] = "anonymous"
    """Whose entry it is."""
    overwrite: Switch = False
    """Replace a file that is there."""
    json: Switch = False
    """Print JSON in place of text."""
