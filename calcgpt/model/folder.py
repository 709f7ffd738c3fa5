"""What a model folder holds, and how it is written and read.

run.json is written last and describes the rest (sizes and SHA-256), so a folder without it is incomplete, and damage is
told. A GPT-2 that another library saved with our tokenizer has no run.json: it is read as what it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcgpt.errors import ModelFolderError
from calcgpt.model.card import model_card
from calcgpt.model.config import GPTConfig
from calcgpt.model.record import (
    RUN_FILE,
    empty_record,
    fingerprint,
    new_record,
    parse,
    plain,
    read_run,
    seal,
    to_json,
)
from calcgpt.model.whereabouts import CONFIG_FILE, WEIGHTS_FILE, is_alive, is_foreign, is_staging, locate, settled
from calcgpt.runtime.files import MARK, write_atomic
from calcgpt.tokens.tokenizer import TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, Tokenizer

if TYPE_CHECKING:
    import torch

GENERATION_FILE = "generation_config.json"
CARD_FILE = "README.md"  # for people, who may edit it: nothing reads it, and no hash of it is kept
METRICS_FILE = "metrics.jsonl"  # for plots; a model answers without it
NEEDED_FILES = (WEIGHTS_FILE, CONFIG_FILE, TOKENIZER_FILE, TOKENIZER_CONFIG_FILE)


@dataclass(frozen=True)
class StoredModel:
    """One version of a model folder, read whole: path, config.json, tokenizer, run.json, and the weights' bytes."""

    path: Path
    config: dict[str, Any]
    tokenizer: Tokenizer
    run: dict[str, Any]
    weights: bytes = field(repr=False)

    @property
    def foreign(self) -> bool:
        """Whether another library saved it: how its problems are written, and what it was trained on, is unknown."""
        return "format" not in self.run

    @property
    def status(self) -> str:
        """How its run stands: finished, interrupted or foreign; of a checkpoint "running", or "stopped" where the run
        was killed."""
        status = str(self.run["status"])
        if status != "running" or (is_staging(self.path.parent) and is_alive(self.path.parent)):
            return status
        return "stopped"

    def state(self) -> dict[str, torch.Tensor]:
        """The weights by name, on the CPU. Raises ModelFolderError where they are no safetensors file."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return load(self.weights)
        except SafetensorError as error:
            raise ModelFolderError(f"{self.path / WEIGHTS_FILE} is not a safetensors file: {error}") from error


def write_model(
    folder: Path,
    state: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    tokenizer: Tokenizer,
    run: Mapping[str, Any],
) -> dict[str, Any]:
    """Write a model's files into a folder, run.json last, and give what run.json says.

    `run` is what `describe_run` gives, or parts of it; format, created, the list of files and a digest are added, and
    status is "finished" where `run` has none. A metrics.jsonl that is there already becomes part of the model. Raises
    ModelFolderError for a run that run.json cannot hold, and OSError; what was written then has no run.json, which
    makes it incomplete.
    """
    files = {"format", "created", "files", "digest"}
    record = new_record({key: value for key, value in run.items() if key not in files})
    folder.mkdir(exist_ok=True)
    (folder / MARK).touch()  # until run.json is there: what is half written is no other library's model
    with suppress(FileNotFoundError):
        os.unlink(folder / RUN_FILE)
    write_atomic(folder / WEIGHTS_FILE, _weights(state))
    write_atomic(folder / CONFIG_FILE, to_json(plain(config)))
    write_atomic(folder / GENERATION_FILE, to_json(_generation_config(config, tokenizer)))
    tokenizer.save(folder)
    write_atomic(folder / CARD_FILE, model_card(record))
    names = (*NEEDED_FILES, GENERATION_FILE, METRICS_FILE)
    record["files"] = {name: fingerprint((folder / name).read_bytes()) for name in names if (folder / name).exists()}
    write_record(folder, record)
    os.unlink(folder / MARK)
    return record


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write run.json, with its seal. Raises OSError."""
    seal(record)
    write_atomic(folder / RUN_FILE, to_json(record))


def read_model(folder: str | Path) -> StoredModel:
    """Read one whole version of a model: in its folder or, while or after that was being replaced, where it is whole.

    A folder without a run.json that transformers wrote is read where it holds a GPT-2 that our network computes and a
    tokenizer of ours; `foreign` then tells.

    Raises:
        ModelFolderError: the folder is missing (it says which models are beside it), not a model's, written by a newer
            version, lacks files or has damaged ones, or another library's model is none of ours.
    """
    return settled(folder, lambda: _read(locate(folder)))


def _read(path: Path) -> StoredModel:
    if is_foreign(path):
        return _read_foreign(path)
    run = read_run(path)
    names = [name for name in run["files"] if name not in (CARD_FILE, METRICS_FILE)]
    contents = {name: _read_checked(path, name, run) for name in dict.fromkeys((*NEEDED_FILES, *names))}
    config = parse(path / CONFIG_FILE, contents[CONFIG_FILE])
    tokenizer = Tokenizer.from_json(contents[TOKENIZER_FILE], path / TOKENIZER_FILE)
    return StoredModel(path, config, tokenizer, run, contents[WEIGHTS_FILE])


def _read_foreign(path: Path) -> StoredModel:
    run, config, tokenizer = read_foreign(path)
    return StoredModel(path, config.to_dict(), tokenizer, run, _bytes(path / WEIGHTS_FILE))


def read_foreign(path: Path) -> tuple[dict[str, Any], GPTConfig, Tokenizer]:
    """What there is of a run.json, the network and the tokenizer of a folder that another library saved.

    Raises:
        ModelFolderError: it is no network or no tokenizer of ours.
    """
    tokenizer = Tokenizer.from_json(_bytes(path / TOKENIZER_FILE), path / TOKENIZER_FILE)
    config = parse(path / CONFIG_FILE, _bytes(path / CONFIG_FILE))
    if config.get("model_type") == "calcgpt":
        raise ModelFolderError(f"{path} is incomplete: {RUN_FILE} is missing, which says how problems are written")
    width = config.get("n_embd")
    if config.get("n_inner") is None and isinstance(width, int):
        config["n_inner"] = 4 * width  # GPT-2's default
    config |= {"pad_token_id": tokenizer.pad_id, "eos_token_id": tokenizer.end_id}  # others leave them to the tokenizer
    try:
        network = GPTConfig.from_dict(config)
    except ModelFolderError as error:
        raise ModelFolderError(f"{path} is no model of ours, and has no {RUN_FILE}: {error}") from error
    if network.vocab_size != len(tokenizer):
        raise ModelFolderError(
            f"{path} does not fit together: its tokenizer has {len(tokenizer)} tokens, its network {network.vocab_size}"
        )
    written = datetime.fromtimestamp((path / WEIGHTS_FILE).stat().st_mtime, UTC)
    return empty_record(path.resolve().name, written.isoformat()), network, tokenizer


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
    payload = _bytes(folder / name)
    if fingerprint(payload)["sha256"] != _expected(folder, name, run)["sha256"]:
        raise ModelFolderError(f"{folder / name} is damaged: its content is not what run.json says was written")
    return payload


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFolderError(f"cannot read {path}: {error.strerror or error}") from error


def _expected(folder: Path, name: str, run: Mapping[str, Any]) -> Mapping[str, Any]:
    entry = run["files"].get(name)
    if entry is None:
        raise ModelFolderError(f"{folder / RUN_FILE} is damaged: it does not describe {name}")
    return dict(entry)


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
