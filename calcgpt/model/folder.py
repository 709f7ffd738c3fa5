"""What a model folder holds, and how it is written and read.

run.json is written last and describes the rest (sizes and SHA-256), so a folder without it is incomplete, and
damage is told. While one folder replaces another (see `runs`), a model is found where it is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcgpt.errors import ModelFolderError
from calcgpt.model.card import model_card
from calcgpt.runtime.files import write_atomic
from calcgpt.tokens.tokenizer import TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, Tokenizer

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

FORMAT = "calcgpt-model/"
VERSION = 1
STATUSES = ("finished", "interrupted", "running")

RUN_FILE = "run.json"
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
GENERATION_FILE = "generation_config.json"
CARD_FILE = "README.md"
METRICS_FILE = "metrics.jsonl"
NEEDED_FILES = (WEIGHTS_FILE, CONFIG_FILE, TOKENIZER_FILE, TOKENIZER_CONFIG_FILE)

RUNNING, PREVIOUS, INTERRUPTED = ".running", ".previous", ".interrupted"
READY = "ready"  # in NAME.running: the model that is about to be NAME
CHECKPOINT = "checkpoint-"  # in NAME.running: a model as it was at some step

_ATTEMPTS = 3  # at reading a folder that is replaced meanwhile


@dataclass(frozen=True)
class StoredModel:
    """A model folder as it was read: path, config.json, tokenizer, run.json; the weights on demand."""

    path: Path
    config: dict[str, Any]
    tokenizer: Tokenizer
    run: dict[str, Any]

    def state(self) -> dict[str, torch.Tensor]:
        """The weights by name, on the CPU. Raises ModelFolderError where they are missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            payload = _read_checked(self.path, WEIGHTS_FILE, self.run)
        except ModelFolderError:
            if self._was_replaced():
                raise ModelFolderError(f"{self.path} was replaced while it was read: read it again") from None
            raise
        try:
            return load(payload)
        except SafetensorError as error:
            raise ModelFolderError(f"{self.path / WEIGHTS_FILE} is not a safetensors file: {error}") from error

    def _was_replaced(self) -> bool:
        try:
            return read_run(self.path) != self.run
        except ModelFolderError:
            return True


def write_model(
    folder: Path,
    state: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    tokenizer: Tokenizer,
    run: Mapping[str, Any],
) -> dict[str, Any]:
    """Write a model's files into a folder, run.json last, and give what run.json says.

    `run` gives run.json's content; format, created and the list of files are added, status is "finished"
    where `run` has none. A metrics.jsonl that is there already becomes part of the model. Raises OSError;
    what was written then has no run.json, which makes it incomplete.
    """
    folder.mkdir(exist_ok=True)
    with suppress(FileNotFoundError):
        os.unlink(folder / RUN_FILE)
    head = {"format": f"{FORMAT}{VERSION}", "status": run.get("status", "finished"), "created": _now()}
    record: dict[str, Any] = {
        **head,
        **_plain(run),
        **head,
    }  # a run that was read and is written again is a new one
    write_atomic(folder / WEIGHTS_FILE, _weights(state))
    write_atomic(folder / CONFIG_FILE, _to_json(_plain(config)))
    write_atomic(folder / GENERATION_FILE, _to_json(_generation_config(config, tokenizer)))
    tokenizer.save(folder)
    write_atomic(folder / CARD_FILE, model_card(record))
    names = (*NEEDED_FILES, GENERATION_FILE, CARD_FILE, METRICS_FILE)
    record["files"] = {name: _fingerprint(folder / name) for name in names if (folder / name).exists()}
    write_atomic(folder / RUN_FILE, _to_json(record))
    return record


def read_model(folder: str | Path) -> StoredModel:
    """Read a model: in its folder or, while or after that was being replaced, where it is whole.

    Raises ModelFolderError for a folder that is missing (and says which models are beside it), not a model's,
    written by a newer version, or that lacks files or has damaged ones. The weights are checked when they are
    asked for.
    """
    for attempt in range(_ATTEMPTS):
        path = locate(folder)
        before = _bytes_or_none(path / RUN_FILE)
        try:
            return _read(path)
        except ModelFolderError:
            replaced = before is None or _bytes_or_none(path / RUN_FILE) != before
            if not replaced or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _read(path: Path) -> StoredModel:
    run = read_run(path)
    _read_checked(path, TOKENIZER_FILE, run)
    config = _parse(path / CONFIG_FILE, _read_checked(path, CONFIG_FILE, run))
    for name in NEEDED_FILES:
        check_file(path, name, run)
    return StoredModel(path, config, Tokenizer.load(path), run)


def locate(folder: str | Path) -> Path:
    """Where the model of a path is whole: in this folder, the one about to replace it, or the one before.

    A NAME.running gives the newest checkpoint in it. Raises ModelFolderError where there is none.
    """
    folder = Path(folder)
    if is_sealed(folder):
        return folder
    real = Path(os.path.realpath(folder))
    running, previous = beside(real, RUNNING), beside(real, PREVIOUS)
    candidates: tuple[Path | None, ...] = (running / READY, previous, folder)  # folder: since a moment ago
    if real.name.endswith(RUNNING):
        candidates = (real / READY, newest_checkpoint(real))
    for candidate in candidates:
        if candidate is not None and is_sealed(candidate):
            if candidate == previous:
                logger.warning("%s is not complete: reading the model before it, %s", folder, previous)
            return candidate
    raise ModelFolderError(_why_not(folder, running))


def beside(folder: Path, suffix: str) -> Path:
    """A folder next to a model's: NAME.running, NAME.previous or NAME.interrupted."""
    return folder.parent / (folder.name + suffix)


def is_sealed(folder: Path) -> bool:
    """Whether a folder has its run.json, and so was written to its end."""
    return (folder / RUN_FILE).is_file()


def newest_checkpoint(running: Path) -> Path | None:
    """The last whole checkpoint in a NAME.running, or None."""
    return max((path for path in checkpoints(running) if is_sealed(path)), key=_checkpoint_number, default=None)


def checkpoints(running: Path) -> list[Path]:
    """Every checkpoint in a NAME.running, the last one perhaps half written, in their order."""
    if not running.is_dir():
        return []
    found = (path for path in running.iterdir() if path.name.startswith(CHECKPOINT))
    return sorted((path for path in found if path.name[len(CHECKPOINT) :].isdigit()), key=_checkpoint_number)


def _checkpoint_number(path: Path) -> int:
    return int(path.name[len(CHECKPOINT) :])


def read_run(folder: Path) -> dict[str, Any]:
    """What run.json says. Raises ModelFolderError where it is missing, damaged, not ours or too new."""
    try:
        payload = (folder / RUN_FILE).read_bytes()
    except OSError as error:
        raise ModelFolderError(f"cannot read {folder / RUN_FILE}: {error.strerror or error}") from error
    run = _parse(folder / RUN_FILE, payload)
    form = run.get("format")
    version = form[len(FORMAT) :] if isinstance(form, str) and form.startswith(FORMAT) else ""
    if not (version.isascii() and version.isdigit()):
        raise ModelFolderError(f"{folder} is not a CalcGPT model: its run.json has the format {form!r}")
    if int(version) > VERSION:
        raise ModelFolderError(
            f"{folder} was written by a newer CalcGPT: its format is {version}, this one reads {VERSION}"
        )
    if not isinstance(run.get("files"), dict):
        raise ModelFolderError(f"{folder / RUN_FILE} is damaged: it does not list the model's files")
    return run


def check_file(folder: Path, name: str, run: Mapping[str, Any]) -> None:
    """Raise ModelFolderError unless a file is there with the size that run.json gives."""
    try:
        size = (folder / name).stat().st_size
    except OSError as error:
        raise ModelFolderError(f"{folder} is incomplete: {name} is missing ({error.strerror or error})") from error
    expected = _expected(folder, name, run)["bytes"]
    if size != expected:
        raise ModelFolderError(f"{folder / name} is damaged: expected {expected} bytes, it has {size}")


def _read_checked(folder: Path, name: str, run: Mapping[str, Any]) -> bytes:
    """A file's content, which is what run.json says it was when it was written."""
    check_file(folder, name, run)
    try:
        payload = (folder / name).read_bytes()
    except OSError as error:
        raise ModelFolderError(f"cannot read {folder / name}: {error.strerror or error}") from error
    if hashlib.sha256(payload).hexdigest() != _expected(folder, name, run)["sha256"]:
        raise ModelFolderError(f"{folder / name} is damaged: its content is not what run.json says was written")
    return payload


def _expected(folder: Path, name: str, run: Mapping[str, Any]) -> Mapping[str, Any]:
    entry = run["files"].get(name)
    if not isinstance(entry, dict) or not {"bytes", "sha256"} <= entry.keys():
        raise ModelFolderError(f"{folder / RUN_FILE} is damaged: it does not describe {name}")
    return entry


def _parse(path: Path, payload: bytes) -> dict[str, Any]:
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError) as error:  # JSON's and UTF-8's errors are ValueErrors
        raise ModelFolderError(f"{path} is damaged: it does not read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise ModelFolderError(f"{path} is damaged: expected a JSON object, got {type(content).__name__}")
    return content


def _why_not(folder: Path, running: Path) -> str:
    """Why a path gives no model, and what is there instead."""
    if folder.is_dir():
        return f"{folder} is not a complete model folder: it has no {RUN_FILE}"
    if os.path.lexists(folder):
        return f"{folder} is a file: expected a model folder"
    checkpoint = newest_checkpoint(running)
    if checkpoint is not None:
        return f"there is no model {folder} yet: its run has not finished; a checkpoint of it is {checkpoint}"
    parent = folder.parent
    names = sorted(path.name for path in parent.iterdir() if is_sealed(path)) if parent.is_dir() else []
    have = f"{parent} has {', '.join(names)}" if names else f"there are no models in {parent}"
    return f"there is no model {folder}: {have}"


def _bytes_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _weights(state: Mapping[str, torch.Tensor]) -> bytes:
    from safetensors.torch import save

    # Each tensor gets memory of its own: safetensors refuses tied weights that share theirs.
    tensors = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}
    return save(tensors, metadata={"format": "pt"})


def _generation_config(config: Mapping[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    """What transformers' `generate` needs to know: the ids that end and pad, and to decode greedily."""
    start = config.get("bos_token_id")
    ids = {"bos_token_id": start, "eos_token_id": tokenizer.end_id, "pad_token_id": tokenizer.pad_id}
    return {**{name: index for name, index in ids.items() if index is not None}, "do_sample": False}


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _fingerprint(path: Path) -> dict[str, Any]:
    payload = path.read_bytes()
    return {"bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}


def _plain(value: Any) -> Any:
    """A value as strict JSON holds it: paths as text, scalars as numbers, NaN and infinity as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "tolist"):  # arrays, tensors and their scalars
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _to_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
