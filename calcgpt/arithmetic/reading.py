"""Reading data files: where they are, and what is wrong with them, all of it at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np

from calcgpt.arithmetic.parsing import tidy
from calcgpt.arithmetic.scanning import Progress, Scan, explain, scan
from calcgpt.errors import DataError, shown_path
from calcgpt.runtime.texts import Content, read_once

SHIPPED = PurePath("datasets/ds-calcgpt.txt"), PurePath("datasets/ds-modular-97.txt")
"""The data set that comes with the package."""

_PACKAGE = Path(__file__).resolve().parents[1]
_LISTED = 20  # invalid lines that a message shows

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataFile:
    """A data file as it was read, once.

    path: where it is. lines: its text, line by line, "" for what is not UTF-8. undecodable: the reason by
    index, for those. content: its bytes. scan: the canonical examples among the lines.
    """

    path: Path
    lines: list[str]
    undecodable: dict[int, str]
    content: Content
    scan: Scan

    def valid(self) -> np.ndarray:
        """(lines,) bool: which are right examples."""
        mask = np.zeros(len(self.lines), dtype=bool)
        mask[self.scan.lines] = self.scan.right()
        return mask

    def problems_of(self, places: np.ndarray) -> Iterator[str]:
        """`FILE:LINE: reason` for each of these places."""
        for place in places.tolist():
            reason = self.undecodable.get(place) or explain(self.lines[place])
            yield f"{self.path}:{place + 1}: {reason}"


def find_dataset(path: str | Path) -> Path:
    """The file that `path` names: as given (from the current folder), or one of the packaged
    `datasets/`.

    Raises DataError that says where it looked.
    """
    path = Path(path)
    looked = [path]
    if PurePath(path) in SHIPPED:
        looked += [_PACKAGE / "_data" / path.name, _PACKAGE.parent / path]
    for candidate in looked:
        if os.path.exists(candidate):
            return candidate
    places = ", ".join(shown_path(candidate.absolute()) for candidate in looked)
    raise DataError(f"no data file {shown_path(path)}: looked for {places}")


def _read(path: str | Path) -> DataFile:
    """The file and its lines without their ends; blank ones after the last that is not are none of them.

    Raises DataError for a file that is missing, a folder, unreadable or empty.
    """
    path = find_dataset(path)
    if path.is_dir():
        raise DataError(f"{path} is a folder: expected a data file")
    try:
        content = read_once(path)
    except OSError as error:
        raise DataError(f"cannot read {shown_path(path)}: {error.strerror or error}") from error
    data = content.data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    filled = len(data.rstrip())
    lines, undecodable = _decode(data[:filled] + data[filled:].split(b"\n", 1)[0])
    if not undecodable and not any(line.strip() for line in lines):
        raise DataError(f"{path} is empty: expected lines such as 12+34=46")
    return DataFile(path, lines, undecodable, content, scan([]))


def _decode(data: bytes) -> tuple[list[str], dict[int, str]]:
    try:
        return data.decode("utf-8").split("\n"), {}
    except UnicodeDecodeError:
        pass
    lines, undecodable = [], {}
    for place, line in enumerate(data.split(b"\n")):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            lines.append("")
            found = f"byte {line[error.start]:#04x} at position {error.start + 1}"
            undecodable[place] = f"not UTF-8 text ({found})"
    return lines, undecodable


def read_examples(path: str | Path, progress: Progress | None = None) -> DataFile:
    """A data file with its examples found, and nothing thrown away.

    Raises DataError for a file that is missing, a folder, unreadable or empty.
    """
    file = _read(path)
    data = file.content.data
    clean = data.isascii() and not any(space in data for space in b" \t\v\f")  # as files of ours are
    lines = file.lines if clean else [tidy(line) for line in file.lines]
    return replace(file, lines=lines, scan=scan(lines, progress))


@dataclass(frozen=True)
class Dataset:
    """The examples of a data file, and what tells that file from others.

    path: where it is. sha256: of its bytes. rereadable: whether the path gives them again; that of a pipe does not.
    """

    path: Path
    examples: list[str]
    sha256: str
    rereadable: bool


def read_dataset(path: str | Path, *, skip_invalid: bool = False, plain_text: bool = False) -> Dataset:
    """What `load_dataset` gives, and the file that it came from, which is read once. Raises DataError as it does."""
    file = _read(path) if plain_text else read_examples(path)
    examples = _texts(file, skip_invalid) if plain_text else _examples(file, skip_invalid)
    return Dataset(file.path, examples, file.content.sha256, file.content.rereadable)


def load_dataset(path: str | Path, *, skip_invalid: bool = False, plain_text: bool = False) -> list[str]:
    """The examples of a data file, one a line: canonical (`12+34=46`) and right.

    Line ends of any kind, a byte order mark, white space round a line and blank lines at the end are fine; `×`, `−` and
    full-width characters are read as their ASCII ones (`calcgpt.arithmetic.parsing.tidy`). A blank line in between is
    an invalid one.

    skip_invalid: leave out the lines that are not, and say so in the log, in place of refusing the file.
    plain_text: take the lines as they are, whatever they say; only blank ones are left out.
    Raises DataError for a file that is missing (with where it was looked for), a folder, unreadable or empty,
    and for invalid lines: malformed, empty, not UTF-8, or wrong; it lists the first 20 with file and line,
    and how many more.
    """
    return read_dataset(path, skip_invalid=skip_invalid, plain_text=plain_text).examples


def _texts(file: DataFile, skip_invalid: bool) -> list[str]:
    text = [line for line in file.lines if line.strip()]
    if file.undecodable and not (skip_invalid and text):
        raise _refusal(file, np.array(list(file.undecodable), dtype=np.int64), plain_text=True)
    return text


def _examples(file: DataFile, skip_invalid: bool) -> list[str]:
    valid = file.valid()
    if valid.all():
        return file.lines
    invalid = np.flatnonzero(~valid)
    if not skip_invalid or not valid.any():
        raise _refusal(file, invalid, plain_text=False)
    _log.warning("%s: left out %d invalid lines of %d", file.path, len(invalid), len(file.lines))
    return [file.lines[place] for place in np.flatnonzero(valid).tolist()]


def _refusal(file: DataFile, invalid: np.ndarray, plain_text: bool) -> DataError:
    if len(invalid) < len(file.lines):
        advice = "mend them, or train without them: --skip-invalid (skip_invalid=True)"
    elif plain_text:
        advice = "expected UTF-8 text"
    else:
        advice = "expected lines such as 12+34=46; training takes any text with --plain-text (plain_text=True)"
    message = [f"{file.path}: {len(invalid):,} of {len(file.lines):,} lines are invalid; {advice}"]
    message += file.problems_of(invalid[:_LISTED])
    if len(invalid) > _LISTED:
        message.append(f"and {len(invalid) - _LISTED:,} more")
    return DataError("\n".join(message))
