"""Which models there are: listing a folder of models, the newest one, one by name."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcgpt.errors import ModelFolderError
from calcgpt.model import folder as layout

logger = logging.getLogger(__name__)

MODELS = "models"
SHIPPED = Path(__file__).parents[1] / "_models"  # what comes with the package
DEFAULT = "calculator"  # of those, the one that is meant where there is no other
_KINDS = {layout.RUNNING: "running", layout.PREVIOUS: "previous", layout.INTERRUPTED: "interrupted"}


@dataclass(frozen=True)
class ModelSummary:
    """What a list says of a model.

    name: its folder's; path: where it is whole just now; kind: "model", or for what stands beside one
    "previous", "interrupted" or "running" (a checkpoint of a run that is alive, or was killed); status:
    "finished", "interrupted" or "running"; created: ISO 8601, UTC; size: bytes of its files; run: all that
    run.json says.
    """

    name: str
    path: Path
    kind: str
    status: str
    created: str
    size: int
    run: dict[str, Any] = field(repr=False)

    @property
    def set_aside(self) -> bool:
        """Whether it only stands beside a model, and so is never taken for the newest one."""
        return self.kind != "model"


def scan_models(root: str | Path = MODELS) -> tuple[list[ModelSummary], list[str]]:
    """The models under a folder, newest first, and a line for each that is broken. No folder is no models."""
    summaries, problems = [], []
    for name, path, kind in _candidates(Path(root)):
        try:
            summaries.append(_summarise(name, path, kind))
        except ModelFolderError as error:
            problems.append(str(error))
    summaries.sort(key=lambda summary: summary.created, reverse=True)
    return summaries, problems


def list_models(root: str | Path = MODELS) -> list[ModelSummary]:
    """The models under a folder, newest first; what is broken is skipped, and logged with the reason."""
    summaries, problems = scan_models(root)
    for problem in problems:
        logger.warning("skipped: %s", problem)
    return summaries


def newest_model(root: str | Path = MODELS) -> Path:
    """The model written last, those set aside left out; without any the calculator that comes with the package.

    Raises ModelFolderError where there is neither.
    """
    for summary in list_models(root):
        if not summary.set_aside:
            return summary.path
    if _holds_model(SHIPPED / DEFAULT):
        return SHIPPED / DEFAULT
    raise ModelFolderError(f"there is no model in {root}: train one (calcgpt train three-digit), or name a folder")


def find_model(name: str | Path, root: str | Path = MODELS) -> Path:
    """The folder of a model: `name` is a path, or a name under `root`, or of what comes with the package.

    Raises ModelFolderError for others.
    """
    given = Path(name).expanduser()
    under = Path(root) / given
    shipped = [SHIPPED / given] if len(given.parts) == 1 and given.parts[0] != ".." else []
    for path in (given, under, *shipped):
        if _holds_model(path):
            return path
    if given.exists() and not under.exists():
        layout.locate(given)  # says what is wrong with it
    names = [summary.name for summary in list_models(root)]
    close = difflib.get_close_matches(str(name), names, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    have = f"{root} has {', '.join(sorted(names))}" if names else f"there are no models in {root}"
    have += f" ({DEFAULT} comes with CalcGPT)" if _holds_model(SHIPPED / DEFAULT) else ""
    raise ModelFolderError(f"there is no model {str(name)!r}: {guess}{have}")


def ships(path: Path) -> bool:
    """Whether a model comes with the package."""
    return path.parent == SHIPPED


def shown_name(path: Path) -> str:
    """What people call a model: its folder, or of one that comes with the package its name."""
    return path.name if ships(path) else str(path)


def _holds_model(path: Path) -> bool:
    try:
        layout.locate(path)
    except ModelFolderError:
        return False
    return True


def _candidates(root: Path) -> Iterator[tuple[str, Path, str]]:
    """Name, path and kind of everything under a folder that is a model, or should be one."""
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if path.name.startswith(".") or not path.is_dir():
            continue
        kind = next((kind for suffix, kind in _KINDS.items() if path.name.endswith(suffix)), "model")
        if kind == "running":
            yield from _in_staging(path)
        elif layout.is_sealed(path) or (path / layout.WEIGHTS_FILE).exists():
            yield path.name, path, kind


def _in_staging(running: Path) -> Iterator[tuple[str, Path, str]]:
    """What a run's folder has to offer: the model about to take its place, else the last checkpoint."""
    ready = running / layout.READY
    checkpoint = layout.newest_checkpoint(running)
    target = running.with_name(running.name[: -len(layout.RUNNING)])
    if layout.is_sealed(ready):
        if not layout.is_sealed(target):
            yield target.name, ready, "model"
    elif checkpoint is not None:
        yield running.name, checkpoint, "running"


def _summarise(name: str, path: Path, kind: str) -> ModelSummary:
    run = layout.read_run(path)
    for needed in layout.NEEDED_FILES:
        layout.check_file(path, needed, run)
    size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return ModelSummary(name, path, kind, str(run.get("status")), str(run.get("created")), size, run)
