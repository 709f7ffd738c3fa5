"""Where a model is: the names that stand beside its folder, and the one place where it is whole just now.

While one folder replaces another (see `runs`), a model moves: NAME.running/ready becomes NAME, and what was NAME
becomes NAME.previous. Readers look again until they find it whole.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from calcgpt.errors import ModelFolderError
from calcgpt.model.record import RUN_FILE
from calcgpt.runtime.files import is_partial
from calcgpt.runtime.locks import is_held

logger = logging.getLogger(__name__)

RUNNING, PREVIOUS, INTERRUPTED = ".running", ".previous", ".interrupted"
READY = "ready"  # in NAME.running: the model that is about to be NAME
CHECKPOINT = "checkpoint-"  # in NAME.running: a model as it was at some step
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"

_PATIENCE = 10.0  # seconds for which a reader looks for a whole version of a folder that is replaced again and again
_PAUSE = 0.02  # seconds between two looks

Found = TypeVar("Found")


def settled(folder: str | Path, read: Callable[[], Found]) -> Found:
    """What `read` gives of a folder that may be replaced meanwhile.

    A ModelFolderError of `read` counts only where the folder was the same at two failures in a row, or after
    `_PATIENCE` seconds.
    """
    end = time.monotonic() + _PATIENCE
    before = None
    while True:
        try:
            return read()
        except ModelFolderError:
            now = _traces(Path(folder))
            if now == before or time.monotonic() > end:
                raise
            before = now
            if any(now):  # where nothing stands, there is nothing to wait for
                time.sleep(_PAUSE)


def _traces(folder: Path) -> list[tuple[int, ...] | None]:
    """What changes whenever a model, or what stands beside it, is replaced."""
    real = Path(os.path.realpath(folder))
    running = beside(real, RUNNING)
    folders = [real, running, running / READY, real / READY, beside(real, PREVIOUS)]
    return [_stamp(path) for folder in folders for path in (folder, folder / RUN_FILE)]


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a ValueError for a name with a null character
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def locate(folder: str | Path) -> Path:
    """Where the model of a path is whole: in this folder, the one about to replace it, or the one before.

    A NAME.running gives the newest checkpoint in it; a folder that another library saved is whole without a run.json.
    Raises ModelFolderError where there is no model, and says what is there instead.
    """
    folder = Path(folder)
    return settled(folder, lambda: _locate(folder))


def _locate(folder: Path) -> Path:
    if is_sealed(folder) or is_foreign(folder):
        return folder
    real = Path(os.path.realpath(folder))
    staging = next((path for path in (folder, real) if is_staging(path)), None)
    ready = (staging or beside(real, RUNNING)) / READY
    checkpoint = newest_checkpoint(staging) if staging else None
    for candidate in (ready, checkpoint, folder):  # folder: since a moment ago
        if candidate is not None and is_sealed(candidate):
            return candidate
    previous = beside(real, PREVIOUS)
    if is_sealed(previous) and not is_held(lock_of(real)):  # else a run is replacing it, which takes a moment
        logger.warning("%s is not complete: reading the model before it, %s", folder, previous)
        return previous
    raise ModelFolderError(_why_not(folder))


def beside(folder: Path, suffix: str) -> Path:
    """A folder next to a model's: NAME.running, NAME.previous or NAME.interrupted."""
    return folder.parent / (folder.name + suffix)


def lock_of(target: Path) -> Path:
    """The lock of the run into a folder: beside it, because Windows removes no folder with an open file."""
    return target.with_name(f".{target.name}.lock")


def is_staging(folder: Path) -> bool:
    """Whether a folder's name is that of a run's folder."""
    return folder.name.endswith(RUNNING)


def target_of(staging: Path) -> Path:
    """The folder that the run in a NAME.running writes to."""
    return staging.with_name(staging.name[: -len(RUNNING)])


def is_alive(staging: Path) -> bool:
    """Whether the run of a NAME.running still holds its lock: the system frees that of a process that dies."""
    return is_held(lock_of(target_of(Path(os.path.realpath(staging)))))


def is_sealed(folder: Path) -> bool:
    """Whether a folder has its run.json, and so was written to its end."""
    return (folder / RUN_FILE).is_file()


def is_foreign(folder: Path) -> bool:
    """Whether another library saved a model here: weights, config and tokenizer, but no run.json."""
    names = (WEIGHTS_FILE, CONFIG_FILE, TOKENIZER_FILE)
    complete = all((folder / name).is_file() for name in names)
    return complete and not is_sealed(folder) and not is_partial(folder)


def newest_checkpoint(running: Path) -> Path | None:
    """The last whole checkpoint in a NAME.running, or None."""
    return max((path for path in checkpoints(running) if is_sealed(path)), key=_checkpoint_number, default=None)


def checkpoints(running: Path) -> list[Path]:
    """Every checkpoint in a NAME.running, the last one perhaps half written, in their order."""
    try:
        found = [path for path in running.iterdir() if path.name.startswith(CHECKPOINT)]
    except OSError:
        return []
    return sorted((path for path in found if path.name[len(CHECKPOINT) :].isdigit()), key=_checkpoint_number)


def _checkpoint_number(path: Path) -> int:
    return int(path.name[len(CHECKPOINT) :])


def _why_not(folder: Path) -> str:
    """Why a path gives no model, and what is there instead."""
    real = Path(os.path.realpath(folder))
    if folder.is_dir():
        return without_checkpoint(folder) if is_staging(real) else incomplete(folder)
    if os.path.lexists(folder):
        return f"{folder} is a file: expected a model folder"
    running = next((path for path in (beside(folder, RUNNING), beside(real, RUNNING)) if path.is_dir()), None)
    checkpoint = running and newest_checkpoint(running)
    if running and checkpoint:
        state = "its run has not finished" if is_alive(running) else "its run was killed"
        return f"there is no model {folder} yet: {state}; a checkpoint of it is {checkpoint}"
    if running:
        return f"there is no model {folder} yet: {without_checkpoint(running)}"
    parent = folder.parent
    names = sorted(path.name for path in parent.iterdir() if is_sealed(path)) if parent.is_dir() else []
    have = f"{parent} has {', '.join(names)}" if names else f"there are no models in {parent}"
    return f"there is no model {folder}: {have}"


def without_checkpoint(running: Path) -> str:
    """What to say of a run's folder in which there is no model so far."""
    if is_alive(running):
        return f"{running} belongs to a run that has saved no checkpoint so far (save_steps)"
    return (
        f"{running} is what a killed run left, without a checkpoint (save_steps): the next run into "
        f"{target_of(running).name} removes it"
    )


def incomplete(folder: Path) -> str:
    """What of a model a folder without a run.json has, and what it lacks."""
    if is_partial(folder):
        return f"{folder} is incomplete: writing or removing it was interrupted"
    has = [name for name in (WEIGHTS_FILE, CONFIG_FILE, TOKENIZER_FILE) if (folder / name).is_file()]
    said = f"{folder} is not a complete model folder: it has no {RUN_FILE}"
    sharded = sorted(path.name for path in folder.glob("*.safetensors.index.json"))
    pickled = sorted(path.name for path in folder.glob("pytorch_model*.bin"))
    if sharded or pickled:
        return f"{said}, and its weights are in {(sharded + pickled)[0]}: expected one {WEIGHTS_FILE}"
    if not has:
        return said
    lacks = [name for name in (WEIGHTS_FILE, CONFIG_FILE, TOKENIZER_FILE) if name not in has]
    return f"{said}, and to be a model that another library saved it has {', '.join(has)} and lacks {', '.join(lacks)}"
