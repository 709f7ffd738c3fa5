"""run.json: all that is known of a model's run, and a seal over it.

The record lists size and SHA-256 of the model's other files, and in format 2 carries a digest over its own content, so
that one changed bit anywhere is told. Format 1 has no seal and no `classes`. A key that is new raises the format.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calcgpt.errors import ModelFolderError, shown_value

logger = logging.getLogger(__name__)

FORMAT = "calcgpt-model/"
VERSION = 2
RUN_FILE = "run.json"
STATUSES = ("finished", "interrupted", "running")

# What a run says of itself; `write_model` takes these, and fills in what is left away.
_GIVEN: dict[str, Any] = {
    "status": "finished",
    "name": None,
    "config": {},
    "seed": None,
    "versions": {},
    "data": {},
    "execution": {},
    "results": {},
    "classes": {},
}
_KEYS = {1: {"format", "created", "files", *_GIVEN} - {"classes"}, 2: {"format", "created", "files", "digest", *_GIVEN}}

_NUMBER, _WHOLE, _TEXT = (int, float), (int,), (str,)
_NOTHING = type(None)
# What readers use of a record, by its path; None is for what may be missing.
_KINDS: dict[str, tuple[type, ...]] = {
    "status": _TEXT,
    "created": _TEXT,
    "name": (str, _NOTHING),
    "config": (dict,),
    "config.notation": (dict, _NOTHING),
    "seed": (int, _NOTHING),
    "versions": (dict,),
    "data": (dict,),
    "data.kind": (str, _NOTHING),
    "data.path": (str, _NOTHING),
    "data.sha256": (str, _NOTHING),
    "data.examples": (int, _NOTHING),
    "data.tasks": (list, _NOTHING),
    "execution": (dict,),
    "execution.steps": (int, _NOTHING),
    "execution.model_params": (int, _NOTHING),
    "results": (dict,),
    "results.exact_match": (*_NUMBER, _NOTHING),
    "results.training_loss": (*_NUMBER, _NOTHING),
    "results.eval_loss": (*_NUMBER, _NOTHING),
    "results.training_time": (*_NUMBER, _NOTHING),
    "results.steps": (int, _NOTHING),
    "results.stopped": (str, _NOTHING),
    "classes": (dict, _NOTHING),
    "files": (dict,),
}
_TASK: dict[str, tuple[type, ...]] = {
    "operations": (list,),
    "min_value": _WHOLE,
    "max_value": _WHOLE,
    "negative_results": (bool,),
}
_FILE: dict[str, tuple[type, ...]] = {"bytes": _WHOLE, "sha256": _TEXT}
_NAMES = {str: "a text", dict: "a mapping", list: "a list", int: "an integer", float: "a number", bool: "true or false"}


def new_record(run: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a model that is about to be written, all but its files: a run that was read and is written again
    is a new one.

    Raises:
        ModelFolderError: a key that no record has, or a value that cannot be written as JSON in UTF-8.
    """
    unknown = [str(key) for key in run if key not in _KEYS[VERSION]]
    if unknown:
        raise ModelFolderError(f"{RUN_FILE} has no {', '.join(unknown)}: expected some of {', '.join(_GIVEN)}")
    try:
        given = {key: plain(run.get(key, value)) for key, value in _GIVEN.items()}
        created = datetime.now(UTC).isoformat()
        record = {"format": f"{FORMAT}{VERSION}", "status": given["status"], "created": created, **given}
        json.dumps(record, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFolderError(f"{RUN_FILE} cannot hold what this run says of itself: {error}") from error
    for where, text in _texts(record, ""):
        if not _encodable(text):
            raise ModelFolderError(
                f"{where} is {shown_value(text)}, which {RUN_FILE} cannot hold: expected a name or path that is UTF-8; "
                "rename it, or give another"
            )
    if isinstance(record["data"], dict):
        record["data"].setdefault("tasks", [])
    _leave_out_strange_results(record)
    problem = _wrong_kinds({**record, "files": {}})
    if problem:
        raise ModelFolderError(f"{RUN_FILE} cannot hold what this run says of itself: {problem}")
    return record


def _leave_out_strange_results(record: dict[str, Any]) -> None:
    """An overridden validation may give anything, and that is known at the end only: it costs the result, no model."""
    results = record["results"]
    for path, kinds in _KINDS.items():
        section, _, name = path.partition(".")
        if section == "results" and name and not _is(results.get(name), kinds):
            logger.warning("%s; it is left out of %s", _expected(path, kinds, results[name]), RUN_FILE)
            results[name] = None


def empty_record(name: str, created: str) -> dict[str, Any]:
    """What is known of the run of a model that another library saved: nothing. It has no format, and no file."""
    given = {key: plain(value) for key, value in _GIVEN.items()}
    return {**given, "status": "foreign", "created": created, "name": name, "data": {"tasks": []}, "files": {}}


def to_json(content: Mapping[str, Any]) -> str:
    """A JSON file's text. Raises ValueError for NaN and infinity, which JSON has none of."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def seal(record: dict[str, Any]) -> None:
    """Give a record the digest of its content, where its format has one."""
    if _version(record) != 1:
        record["digest"] = _digest(record)


def read_run(folder: Path) -> dict[str, Any]:
    """What run.json says.

    Raises:
        ModelFolderError: it is missing, damaged, not ours or too new; a key is missing or unknown; or a value that
            readers use is of another type.
    """
    path = folder / RUN_FILE
    try:
        payload = path.read_bytes()
    except OSError as error:
        raise ModelFolderError(f"cannot read {path}: {error.strerror or error}") from error
    record = parse(path, payload)
    version = _version(record)
    if version is None:
        shown = shown_value(record.get("format"))
        raise ModelFolderError(f"{folder} is not a CalcGPT model: its {RUN_FILE} has the format {shown}")
    if version > VERSION:
        raise ModelFolderError(
            f"{folder} was written by a newer CalcGPT: its format is {version}, this one reads {VERSION}"
        )
    problem = _wrong_keys(record, version) or _broken_seal(record, version) or _wrong_kinds(record)
    if problem:
        raise ModelFolderError(f"{path} is damaged: {problem}")
    return record


def parse(path: Path, payload: bytes) -> dict[str, Any]:
    """A JSON object. Raises ModelFolderError where a file is no JSON, or holds something else."""
    try:
        content = json.loads(payload, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # JSON's and UTF-8's errors are ValueErrors
        raise ModelFolderError(f"{path} is damaged: it does not read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise ModelFolderError(f"{path} is damaged: expected a JSON object, got {type(content).__name__}")
    return content


def is_ours(content: Any) -> bool:
    """Whether what a run.json says is a record of ours, damaged perhaps."""
    return isinstance(content, dict) and str(content.get("format")).startswith(FORMAT)


def fingerprint(payload: bytes) -> dict[str, Any]:
    """What a record says of a file."""
    return {"bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}


def plain(value: Any) -> Any:
    """A value as strict JSON holds it: paths as text, scalars as numbers, NaN and infinity as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "tolist"):  # arrays, tensors and their scalars
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _version(record: Mapping[str, Any]) -> int | None:
    form = record.get("format")
    digits = form[len(FORMAT) :] if isinstance(form, str) and form.startswith(FORMAT) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and digits[0] != "0" and len(digits) < 10 else None


def _digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of the record's content, however its JSON is laid out."""
    content = {key: value for key, value in record.items() if key != "digest"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _wrong_keys(record: Mapping[str, Any], version: int) -> str | None:
    expected = _KEYS[version]
    unknown, missing = sorted(record.keys() - expected), sorted(expected - record.keys())
    parts = [f"it has {_listed(unknown)}, which format {version} does not have"] if unknown else []
    parts += [f"it lacks {_listed(missing)}"] if missing else []
    return " and ".join(parts) or None


def _listed(names: list[str]) -> str:
    return ", ".join(map(shown_value, names))


def _broken_seal(record: Mapping[str, Any], version: int) -> str | None:
    if version == 1 or record["digest"] == _digest(record):
        return None
    return "its content is not what was written, by the digest that it carries"


def _wrong_kinds(record: Mapping[str, Any]) -> str | None:
    for path, kinds in _KINDS.items():
        section, _, name = path.partition(".")
        value = record.get(section) if not name else record[section].get(name)
        if not _is(value, kinds):
            return _expected(path, kinds, value)
    if record["status"] not in STATUSES:
        return f"expected status to be one of {', '.join(STATUSES)}, not {shown_value(record['status'])}"
    if record["config"] and "notation" not in record["config"]:
        return "config does not say the notation"
    for where, values, fields in _parts(record):
        for name, kinds in fields.items():
            if not isinstance(values, dict) or not _is(values.get(name), kinds):
                return _expected(f"{where}.{name}", kinds, values.get(name) if isinstance(values, dict) else values)
    return None


def _parts(record: Mapping[str, Any]) -> Iterator[tuple[str, Any, dict[str, tuple[type, ...]]]]:
    for number, task in enumerate(record["data"].get("tasks") or ()):
        yield f"data.tasks[{number}]", task, _TASK
    for name, entry in record["files"].items():
        yield f"files.{shown_value(name)}", entry, _FILE


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _expected(where: str, kinds: tuple[type, ...], value: Any) -> str:
    wanted = next(kind for kind in reversed(kinds) if kind is not _NOTHING)
    return f"expected {where} to be {_NAMES[wanted]}, not {shown_value(value)}"


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text in a plain value, keys among them, with its path."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"a key of {where or RUN_FILE}", key
            yield from _texts(item, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, where)


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
