"""Lines as they come."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from calcgpt.cli import lines
from calcgpt.cli.lines import open_lines


def read(path: str | None, most: int = 1000) -> list[list[str]]:
    with open_lines(path, most) as blocks:
        return list(blocks)


def test_a_file_in_blocks(own_folder: Path) -> None:
    (own_folder / "x.txt").write_bytes(b"\xef\xbb\xbf 1+1\r\n\n2+2\r3+3\n\xff4\n \n5+5")
    expected = ["1+1", "2+2", "3+3", "\ufffd4", "5+5"]
    assert read("x.txt") == [expected[:4], expected[4:]] or read("x.txt") == [expected]
    assert sum(read("x.txt", 2), []) == expected and max(map(len, read("x.txt", 2))) == 2
    (own_folder / "x.txt").write_bytes(b"")
    assert read("x.txt") == []
    with pytest.raises(FileNotFoundError):
        read("none.txt")


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
def test_lines_and_characters_may_be_cut_anywhere(
    chunk: int, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_folder / "x.txt").write_text("12×3\r\n4−5\n\n678", encoding="utf-8", newline="")
    monkeypatch.setattr(lines, "_CHUNK", chunk)
    assert sum(read("x.txt"), []) == ["12×3", "4−5", "678"]


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="pipes have no names here")
def test_a_pipe_gives_what_is_there(own_folder: Path) -> None:
    reading, writing = os.pipe()
    told = [(b"1+1\n2+2\n3", ["1+1", "2+2"]), (b"+3\n", ["3+3"]), (b"4+4\n5+5\n", ["4+4", "5+5"])]
    with open_lines(f"/dev/fd/{reading}", 1000) as blocks:
        for written, expected in told:
            os.write(writing, written)
            assert next(blocks) == expected
        os.write(writing, b"6+6")
        os.close(writing)
        assert list(blocks) == [["6+6"]]
    os.close(reading)


def test_a_stream_that_a_test_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, expected in [(io.StringIO("1+1\n\n2×2"), [["1+1"], ["2×2"]]), (None, [])]:
        monkeypatch.setattr("sys.stdin", stream)
        assert read("-") == read(None) or stream is not None
        monkeypatch.setattr("sys.stdin", stream if stream is None else io.StringIO(stream.getvalue()))
        assert sum(read(None), []) == sum(expected, [])
