"""Which models there are: listing a folder of models, the newest one, one by name."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcgpt.errors import ModelFolderError
from calcgpt.model import whereabouts
from calcgpt.model.folder import NEEDED_FILES, check_file, read_foreign
from calcgpt.model.record import read_run
from calcgpt.model.whereabouts import INTERRUPTED, PREVIOUS, READY
from calcgpt.runtime.files import is_vacant

logger = logging.getLogger(__name__)

MODELS = "models"
SHIPPED = Path(__file__).parents[1] / "_models"  # what comes with the package
DEFAULT = "calculator"  # of those, the one that is meant where there is no other
_KINDS = {PREVIOUS: "previous", INTERRUPTED: "interrupted"}


@dataclass(frozen=True)
class ModelSummary:
    """What a list says of a model.

    name: its folder's; path: where it is whole just now; created: ISO 8601, UTC; size: bytes of its files; run: all
    that run.json says. kind: "model"; for what stands beside one "previous" or "interrupted"; for the last checkpoint
    of a run "running" while the run is alive, "stopped" where it was killed; "foreign" for what another library saved,
    which has no run.json. status: "finished" or "interrupted", as the run ended; else the kind.
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
    for folder in _folders(Path(root)):
        try:
            summary = whereabouts.settled(folder, lambda folder=folder: _summarise(folder))  # type: ignore[misc]
        except ModelFolderError as error:
            problems.append(str(error))
        else:
            summaries += [summary] if summary else []
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
    wrong = []
    for path in dict.fromkeys((given, under, *shipped)):
        try:
            whereabouts.locate(path)
            return path
        except ModelFolderError as error:
            if _something_stands(path):
                wrong.append(error)
    if wrong:
        raise wrong[-1]  # of a folder here and one among the models, the latter is meant
    names = [summary.name for summary in list_models(root)]
    close = difflib.get_close_matches(str(name), names, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    have = f"{root} has {', '.join(sorted(names))}" if names else f"there are no models in {root}"
    have += f" ({DEFAULT} comes with CalcGPT)" if _holds_model(SHIPPED / DEFAULT) else ""
    raise ModelFolderError(f"there is no model {str(name)!r}: {guess}{have}")


def _something_stands(path: Path) -> bool:
    """Whether there is something at a path, or a run into it."""
    return path.exists() or whereabouts.beside(path, whereabouts.RUNNING).exists()


def ships(path: Path) -> bool:
    """Whether a model comes with the package."""
    return path.parent == SHIPPED


def shown_name(path: Path) -> str:
    """What people call a model: its folder, or of one that comes with the package its name."""
    return path.name if ships(path) else str(path)


def _holds_model(path: Path) -> bool:
    try:
        whereabouts.locate(path)
    except ModelFolderError:
        return False
    return True


def _folders(root: Path) -> list[Path]:
    """Every path under a folder that may be a model's, that of a run's target among them: it may be absent just now."""
    if not root.is_dir():
        return []
    found = {path for path in root.iterdir() if not path.name.startswith(".")}
    return sorted(found | {whereabouts.target_of(path) for path in found if whereabouts.is_staging(path)})


def _summarise(folder: Path) -> ModelSummary | None:
    """The summary of a folder; None where it is no model's."""
    if whereabouts.is_staging(folder):
        return _in_staging(folder)
    ready = whereabouts.beside(folder, whereabouts.RUNNING) / READY
    for path in (folder, ready, folder):  # what is ready moves to where the model was
        if whereabouts.is_sealed(path):
            kind = next((kind for suffix, kind in _KINDS.items() if folder.name.endswith(suffix)), "model")
            return _summary(folder.name, path, kind)
    if whereabouts.is_foreign(folder):
        run, _, _ = read_foreign(folder)
        return _summary(folder.name, folder, "foreign", run)
    if (folder / whereabouts.WEIGHTS_FILE).exists():
        raise ModelFolderError(whereabouts.incomplete(folder))
    return None


def _in_staging(running: Path) -> ModelSummary | None:
    """The last checkpoint in a run's folder; a model that is ready there is listed by its own name."""
    checkpoint = whereabouts.newest_checkpoint(running)
    if whereabouts.is_sealed(running / READY):
        return None
    alive = whereabouts.is_alive(running)
    if checkpoint is not None:
        return _summary(running.name, checkpoint, "running" if alive else "stopped")
    if not alive and running.is_dir() and not is_vacant(running):
        raise ModelFolderError(whereabouts.without_checkpoint(running))
    return None


def _summary(name: str, path: Path, kind: str, run: dict[str, Any] | None = None) -> ModelSummary:
    if run is None:
        run = read_run(path)
        for needed in NEEDED_FILES:
            check_file(path, needed, run)
    try:
        size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    except OSError as error:
        raise ModelFolderError(f"cannot read {path}: {error.strerror or error}") from error
    status = kind if kind in ("running", "stopped", "foreign") else run["status"]
    return ModelSummary(name, path, kind, status, run["created"], size, run)
