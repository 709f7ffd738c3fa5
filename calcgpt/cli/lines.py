"""Lines as they come: what is there is read at once, and nobody waits for more."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_CHUNK = 2**20  # bytes read at a time, at most; a pipe gives fewer


@contextmanager
def open_lines(file: str | None, most: int) -> Iterator[Iterator[list[str]]]:
    """The lines of a file, a pipe, or (None or `-`) of standard input, in blocks of at most `most`.

    Each block is of the lines that were there when it was asked for. They are stripped, and not empty; what is not
    UTF-8 in them becomes U+FFFD. Raises OSError.
    """
    if file is not None and file != "-":
        with open(file, "rb") as stream:
            yield _blocks(stream, most)
    elif sys.stdin is None or hasattr(sys.stdin, "buffer"):
        yield _blocks(io.BytesIO() if sys.stdin is None else sys.stdin.buffer, most)
    else:  # a stream that a test or a notebook put there
        yield _blocks(io.BytesIO(sys.stdin.read().encode("utf-8", "surrogatepass")), most)


def _blocks(stream: Any, most: int) -> Iterator[list[str]]:
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True)
    begun: list[str] = []  # of a line whose end has not come yet
    more = True
    while more:
        data = stream.read1(_CHUNK)  # waits for the first byte, and for no other
        more = bool(data)
        text = decoder.decode(data, final=not more)
        if more and "\n" not in text:
            begun.append(text)
            continue
        *found, last = ("".join(begun) + text).split("\n")
        begun = [last]
        lines = [line.strip() for line in (found if more else [*found, last]) if line.strip()]
        for start in range(0, len(lines), most):
            yield lines[start : start + most]
