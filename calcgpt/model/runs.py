"""The folder of a run while it trains, and how its model takes the place of the one before.

A run into NAME works in NAME.running beside it, under a lock that its process holds for as long as it lives:

    NAME.running/run-marker.json    whose run this is
    NAME.running/metrics.jsonl      what the trainer measures as it goes
    NAME.running/checkpoint-3/      the last whole checkpoint
    NAME.running/ready/             the final model, about to be NAME

A finished model that was NAME becomes NAME.previous, an interrupted one NAME.interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from calcgpt.errors import ModelFolderError, RunInProgress
from calcgpt.model import folder as layout
from calcgpt.model import whereabouts
from calcgpt.model.card import model_card
from calcgpt.model.record import RUN_FILE, is_ours, read_run
from calcgpt.runtime.files import (
    is_partial,
    is_vacant,
    move_folder,
    remove_folder,
    replace_folder,
    write_atomic,
)
from calcgpt.runtime.locks import Lock, acquire, release

if TYPE_CHECKING:
    import torch

    from calcgpt.tokens.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

MARKER = "run-marker.json"
REHEARSAL = "rehearsal-"  # in NAME.running: a model that is written before the first step, and removed again

_SLACK = 2**18  # bytes of records and results that nobody knows before the run


class RunFolder:
    """The one run that may write a model to `target`; a context manager, and `open` and `close` by hand.

    target, staging, previous, interrupted: paths; staging (NAME.running) is there between `open` and
    `finish`. overwrite: whether files at target that are no model's may be moved away, to NAME.previous.
    """

    def __init__(self, target: str | Path, overwrite: bool = False) -> None:
        self.target = Path(os.path.realpath(target))
        self.overwrite = overwrite
        self.staging = whereabouts.beside(self.target, whereabouts.RUNNING)
        self.previous = whereabouts.beside(self.target, whereabouts.PREVIOUS)
        self.interrupted = whereabouts.beside(self.target, whereabouts.INTERRUPTED)
        self._lock: Lock | None = None

    @property
    def metrics(self) -> Path:
        """The file that records go to while the run lasts; the model takes it along."""
        return self.staging / layout.METRICS_FILE

    @property
    def checkpoint(self) -> Path | None:
        """The last whole checkpoint of this run, or None."""
        return whereabouts.newest_checkpoint(self.staging)

    def open(self) -> RunFolder:
        """Lock the target, put in order what a dead run left, make the staging folder.

        A leftover model that was ready takes its place; a leftover checkpoint becomes NAME.interrupted.
        Raises RunInProgress where a run is alive, ModelFolderError where the target is not ours or fails.
        """
        if self._lock is not None:
            return self
        self._check_name()
        with self._told(f"cannot start a run in {self.target}"):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self._acquire()
            try:
                self._check_staging()
                self._settle()
                self._check_target()
                self._make_staging()
            except BaseException:
                self._release()
                raise
        return self

    def rehearse(
        self,
        state: Mapping[str, torch.Tensor],
        config: Mapping[str, Any],
        tokenizer: Tokenizer,
        run: Mapping[str, Any],
        checkpoints: bool = False,
    ) -> None:
        """Write all that `finish` will, and remove it again: what would fail then fails before the first step.

        checkpoints: whether the run will `save` on its way, and so needs room for a model and a checkpoint at once.
        Raises ModelFolderError.
        """
        assert self._lock is not None, "open the run folder before rehearsing"
        paths = [self.staging / f"{REHEARSAL}{number}" for number in range(1 + checkpoints)]
        with self._told(f"a model cannot be written to {self.target}"):
            try:
                for path in paths:
                    self._write(path, state, config, tokenizer, run)
                write_atomic(paths[-1] / "slack", bytes(_SLACK))
            finally:
                for path in paths:
                    remove_folder(path)

    def save(
        self,
        state: Mapping[str, torch.Tensor],
        config: Mapping[str, Any],
        tokenizer: Tokenizer,
        run: Mapping[str, Any],
    ) -> Path:
        """Write a checkpoint whole or not at all, and give its folder; then the one before it goes.

        Raises ModelFolderError where it cannot be written; the checkpoint before is then still there.
        """
        assert self._lock is not None, "open the run folder before saving"
        older = whereabouts.checkpoints(self.staging)
        number = int(older[-1].name[len(whereabouts.CHECKPOINT) :]) + 1 if older else 1
        path = self.staging / f"{whereabouts.CHECKPOINT}{number}"
        with self._told(f"cannot write a checkpoint into {self.staging}"):
            self._write(path, state, config, tokenizer, {**run, "status": "running"})
            for old in older:
                remove_folder(old)
        return path

    def finish(
        self,
        state: Mapping[str, torch.Tensor],
        config: Mapping[str, Any],
        tokenizer: Tokenizer,
        run: Mapping[str, Any],
        status: str = "finished",
    ) -> Path:
        """Write the final model, put it in target's place, end the run, and give target.

        `status` is "finished", or "interrupted" for a run that was stopped early. Raises ModelFolderError
        where it cannot be written; the model at target and the last checkpoint are then still there.
        """
        assert self._lock is not None, "open the run folder before finishing"
        assert status in ("finished", "interrupted"), status
        with self._told(f"cannot write the model to {self.target}"):
            self._write(self.staging / whereabouts.READY, state, config, tokenizer, {**run, "status": status})
        with self._told(f"cannot replace {self.target}; the new model is complete in {self.staging}"):
            self._install()
        self.close()
        return self.target

    def close(self) -> None:
        """End the run: a checkpoint without a final model becomes NAME.interrupted, the staging folder goes.

        Nothing to do after `finish`. Where `finish` failed with the model ready, its place is tried once
        more. What cannot be moved stays in NAME.running, where reading and the next run find it.
        """
        if self._lock is None:
            return
        try:
            self._settle()
        except OSError as error:
            logger.warning("%s stays as it is: %s", self.staging, error)
        finally:
            self._release()

    def __enter__(self) -> RunFolder:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(
        self,
        path: Path,
        state: Mapping[str, torch.Tensor],
        config: Mapping[str, Any],
        tokenizer: Tokenizer,
        run: Mapping[str, Any],
    ) -> None:
        """Write a model into a new folder of the staging folder; on failure the folder is gone again."""
        try:
            remove_folder(path)
            path.mkdir()
            if self.metrics.is_file():
                shutil.copyfile(self.metrics, path / layout.METRICS_FILE)
            layout.write_model(path, state, config, tokenizer, {"name": self.target.name, **run})
        except BaseException:
            with suppress(OSError):
                remove_folder(path)
            raise

    def _install(self) -> None:
        """Put the ready model in target's place. After a crash in here, calling it again completes it."""
        ready = self.staging / whereabouts.READY
        for checkpoint in whereabouts.checkpoints(self.staging):  # or one is taken for an interrupted run's
            remove_folder(checkpoint)
        if _same_file(ready / RUN_FILE, self.target / RUN_FILE):
            return  # copied to its end before the crash
        keep = self.interrupted if _status(self.target) in ("interrupted", "running") else self.previous
        _vacate(keep)
        replace_folder(ready, self.target, keep)

    def _settle(self) -> None:
        """Bring what is in the staging folder to where it belongs, and remove the folder."""
        if whereabouts.is_sealed(self.staging / whereabouts.READY):
            self._install()
        else:
            self._set_aside()
        remove_folder(self.staging, seal=MARKER)

    def _set_aside(self) -> None:
        """Make the last checkpoint NAME.interrupted, if there is one."""
        checkpoint = self.checkpoint
        if checkpoint is None:
            return
        # On a full disk the status stays "running": the weights matter more.
        with suppress(OSError, ModelFolderError):
            run = {**read_run(checkpoint), "status": "interrupted"}
            layout.write_record(checkpoint, run)
            write_atomic(checkpoint / layout.CARD_FILE, model_card(run))
        _vacate(self.interrupted)
        replace_folder(checkpoint, self.interrupted, None)
        logger.info("the last checkpoint of an unfinished run is in %s", self.interrupted)

    def _check_name(self) -> None:
        """Raise ModelFolderError for a name that is reserved, or that the system or run.json cannot take."""
        reserved = (whereabouts.RUNNING, whereabouts.PREVIOUS, whereabouts.INTERRUPTED)
        if not self.target.name or self.target.name.endswith(reserved):
            raise ModelFolderError(
                f"{self.target} cannot be a run's folder: such names are for what stands beside a model"
            )
        try:
            self.target.name.encode("utf-8")
        except UnicodeEncodeError:
            raise ModelFolderError(f"{str(self.target)!r} cannot be a run's folder: its name is not UTF-8") from None
        with self._told(f"cannot start a run in {self.target}"):
            for path in (self.previous, self.interrupted):  # the longest names that will be needed
                with suppress(FileNotFoundError):
                    os.lstat(path)

    def _check_target(self) -> None:
        """Raise ModelFolderError for a target that holds something else than a model."""
        if os.path.lexists(self.target) and not self.target.is_dir():
            raise ModelFolderError(f"{self.target} is a file: expected a folder, or a name that is free")
        if not (_is_ours(self.target) or self.overwrite):
            raise ModelFolderError(
                f"{self.target} holds files that are no model: give another folder, or set overwrite (--overwrite) "
                f"(they are then moved to {self.previous})"
            )

    def _check_staging(self) -> None:
        """Raise ModelFolderError where somebody else's files stand in the staging folder's place."""
        signed = (self.staging / MARKER).is_file() or is_partial(self.staging, MARKER)
        if not (signed or is_vacant(self.staging)):
            raise ModelFolderError(f"{self.staging} is in the way: a run needs that name; move it elsewhere")

    def _make_staging(self) -> None:
        """Make the staging folder, marked as a run's: only what is marked may be removed later."""
        self.staging.mkdir(exist_ok=True)
        owner = {"process": os.getpid(), "started": datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            with open(self.staging / MARKER, "w", encoding="utf-8") as file:
                json.dump(owner, file)
        except BaseException:
            with suppress(OSError):
                remove_folder(self.staging, seal=MARKER)
            raise

    def _acquire(self) -> Lock:
        lock = acquire(whereabouts.lock_of(self.target))
        if lock is None:
            raise RunInProgress(
                f"a run is alive in {self.target}{self._owner()}: wait for it, stop it, or write elsewhere"
            )
        return lock

    def _owner(self) -> str:
        try:
            owner = json.loads((self.staging / MARKER).read_bytes())
            return f" (process {owner['process']}, started {owner['started']})"
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _release(self) -> None:
        if self._lock is not None:
            release(self._lock)
            self._lock = None

    @contextmanager
    def _told(self, failure: str) -> Iterator[None]:
        """Turn the system's errors into one clear line."""
        try:
            yield
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise ModelFolderError(
                f"{failure}: {error.strerror or error}{where}; what was there before is kept"
            ) from error


def _status(folder: Path) -> str | None:
    try:
        return str(read_run(folder).get("status"))
    except ModelFolderError:
        return None


def _is_ours(folder: Path) -> bool:
    """Whether a folder may be replaced unasked: nothing in it, half replaced already, or a model of ours."""
    if is_vacant(folder) or is_partial(folder):
        return True
    try:
        return is_ours(json.loads((folder / RUN_FILE).read_bytes()))
    except (OSError, ValueError, RecursionError):
        return False


def _vacate(keep: Path) -> None:
    """Move files that are not ours out of the way of a model that is to be kept: they are never deleted."""
    if _is_ours(keep):
        return
    number = 1
    while os.path.lexists(keep.with_name(f"{keep.name}-{number}")):
        number += 1
    move_folder(keep, keep.with_name(f"{keep.name}-{number}"))


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False
