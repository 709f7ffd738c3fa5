"""Texts from outside, read once and in one way: a file, a pipe or standard input, whatever its line ends."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

BOM = "\ufeff"
"""What some editors write before everything else."""


@dataclass(frozen=True)
class Content:
    """The bytes of a file, and whether the path they came from will give them again: that of a pipe or of
    `/dev/stdin` will not.
    """

    data: bytes
    rereadable: bool

    @property
    def sha256(self) -> str:
        """The hash of these very bytes."""
        return hashlib.sha256(self.data).hexdigest()


def read_once(path: str | Path) -> Content:
    """Read a file from its beginning to its end, opening it once: a pipe gives its bytes a single time.

    Raises:
        OSError: it cannot be read, or its name cannot be one.
    """
    try:
        with open(path, "rb") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read()
    except ValueError as error:  # a NUL in the name, or a character that the file system's encoding lacks
        raise OSError(errno.EINVAL, f"no file can have this name: {error}", str(path)) from None
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    lasting = not os.path.abspath(path).startswith(("/dev/", "/proc/"))
    return Content(data, regular and lasting)


def unify_line_ends(text: str) -> str:
    r"""Text without a byte order mark, in which `\r\n` and `\r` are `\n`."""
    text = text.removeprefix(BOM)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
