"""Reading data files: what is found, and what is said about what is wrong."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic import reading
from calcgpt.arithmetic.parsing import parse_example
from calcgpt.arithmetic.reading import find_dataset, load_dataset, read_dataset
from calcgpt.arithmetic.scanning import explain, scan
from calcgpt.errors import DataError

BAD = b"1+1=3\nabc\n1+1=2\n1 +1=2\n7//0=1\n1+1\n\n\xff1+1=2\n12 + 3=15\n2^2=4\n5-(-3)=8\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.txt"
    path.write_bytes(BAD)
    return path


def message(path: Path, **how: bool) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(path, **how)
    return str(caught.value)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks(tmp_path: Path, ending: bytes, last: bool, mark: bytes) -> None:
    lines = ["12+34=46", "5-(-3)=8", "12+34=46", "-7//2=-4", "-7%2=1", "0*0=0"]
    path = tmp_path / "data.txt"
    path.write_bytes(mark + ending.join(line.encode() for line in lines) + (ending if last else b""))
    assert load_dataset(path) == load_dataset(str(path)) == lines
    assert load_dataset(path, plain_text=True) == load_dataset(path, skip_invalid=True) == lines


def test_every_invalid_line_is_listed_at_once(file: Path) -> None:
    assert message(file).split("\n") == [
        f"{file}: 9 of 11 lines are invalid; mend them, or train without them: --skip-invalid (skip_invalid=True)",
        f"{file}:1: 1+1=3: 1+1 is 2",
        f"{file}:2: 'abc': no '=': expected an example such as 12+34=46",
        f"{file}:4: '1 +1=2': not canonical: expected 1+1=2",
        f"{file}:5: 7//0 is not defined",
        f"{file}:6: '1+1': no '=': expected an example such as 12+34=46",
        f"{file}:7: an empty line: expected an example such as 12+34=46",
        f"{file}:8: not UTF-8 text (byte 0xff at position 1)",
        f"{file}:9: '12 + 3=15': not canonical: expected 12+3=15",
        f"{file}:10: unknown operator '^' in '2^2': expected one of + - * // %",
    ]


def test_skip_invalid_goes_on_and_says_so(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert load_dataset(file, skip_invalid=True) == ["1+1=2", "5-(-3)=8"]
    assert "left out 9 invalid lines of 11" in caplog.text


def test_twenty_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("2+2=5\n" * 1234 + "1+1=2\n")
    lines = message(path).split("\n")
    assert len(lines) == 22
    assert lines[20] == f"{path}:20: 2+2=5: 2+2 is 4"
    assert lines[21] == "and 1,214 more"


def test_long_lines_are_cut_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("9" * 9000 + "+1=1\n" + "x" * 9000 + "\n1+1=2\n" + "é" * 100)
    assert max(map(len, message(path).split("\n"))) < 400


@pytest.mark.parametrize("data", [b"", b"\n", b" \n\n", b"\x1c", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("plain_text", [True, False])
def test_empty_files(tmp_path: Path, data: bytes, plain_text: bool) -> None:
    (tmp_path / "data.txt").write_bytes(data)
    assert "data.txt is empty: expected lines such as 12+34=46" in message(tmp_path / "data.txt", plain_text=plain_text)


def test_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "poem.txt"
    path.write_text("roses are red\n\n  violets\u2028are blue \nroses are red\n", encoding="utf-8")
    assert load_dataset(path, plain_text=True) == [
        "roses are red",
        "  violets\u2028are blue ",
        "roses are red",
    ]
    assert "expected lines such as 12+34=46; training takes any text with --plain-text (plain_text=True)" in message(
        path
    )
    assert "--plain-text" in message(path, skip_invalid=True)  # nothing would be left
    path.write_bytes(b"fine\nM\xfcller\n")
    assert f"{path}:2: not UTF-8 text (byte 0xfc at position 2)" in message(path, plain_text=True)
    assert load_dataset(path, plain_text=True, skip_invalid=True) == ["fine"]
    path.write_bytes(b"M\xfcller\n")
    assert "expected UTF-8 text" in message(path, plain_text=True, skip_invalid=True)


def test_missing_files_folders_and_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert message(Path("no/data.txt")) == f"no data file no/data.txt: looked for {tmp_path / 'no/data.txt'}"
    assert message(tmp_path) == f"{tmp_path} is a folder: expected a data file"
    for name in ("x" * 5000, "a\0b"):
        assert "no data file" in message(Path(name))


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
def test_files_that_cannot_be_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reading, "read_once", refuse)
    assert message(file) == f"cannot read {file}: Permission denied"


def test_the_shipped_file_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = find_dataset("datasets/ds-calcgpt.txt")
    assert shipped.is_file() and shipped.is_absolute()
    assert find_dataset(Path("./datasets/ds-calcgpt.txt")) == shipped
    (tmp_path / "datasets").mkdir()
    assert find_dataset("datasets/ds-calcgpt.txt") == shipped
    (tmp_path / "datasets/ds-calcgpt.txt").write_text("1+1=2\n")
    assert find_dataset("datasets/ds-calcgpt.txt") == Path("datasets/ds-calcgpt.txt")  # the current folder first
    with pytest.raises(DataError, match="no data file ds-calcgpt.txt"):
        find_dataset("ds-calcgpt.txt")
    with pytest.raises(DataError, match="no data file"):
        find_dataset(tmp_path / "other" / "datasets" / "ds-calcgpt.txt")


def test_the_packaged_copy_comes_before_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "calcgpt"
    (package / "_data").mkdir(parents=True)
    (package.parent / "datasets").mkdir()
    for folder in (package / "_data", package.parent / "datasets"):
        (folder / "ds-calcgpt.txt").write_text("1+1=2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reading, "_PACKAGE", package)
    assert find_dataset("datasets/ds-calcgpt.txt") == package / "_data" / "ds-calcgpt.txt"
    shutil.rmtree(package / "_data")
    assert find_dataset("datasets/ds-calcgpt.txt") == package.parent / "datasets" / "ds-calcgpt.txt"
    shutil.rmtree(package.parent / "datasets")
    with pytest.raises(DataError) as caught:
        find_dataset("datasets/ds-calcgpt.txt")
    assert str(caught.value).count("ds-calcgpt.txt") == 4  # what was asked for, and three places


LINE = st.one_of(
    st.sampled_from(["1+1=2", "1+1=3", "5-(-3)=8", "-7//2=-4", "7//0=1", "9" * 30 + "+1=1" + "0" * 30]),
    st.text(st.sampled_from("0123456789+-*/%=()\n\r é"), max_size=10),
    st.text(max_size=5),
)


@given(st.lists(LINE, max_size=10))
def test_scanning_many_lines_agrees_with_one_by_one(lines: list[str]) -> None:
    found = scan(lines)
    good = dict(zip(found.lines.tolist(), found.right().tolist(), strict=True))
    for place, line in enumerate(lines):
        try:
            _, _, _, answer = parse_example(line)
        except ValueError:
            assert place not in good and explain(line)
        else:
            at = found.lines.tolist().index(place)
            assert found.problems[at].prompts() == [line.rpartition("=")[0] + "="]
            assert found.answers[at] == answer
            assert good[place] == (explain(line) is None)


@given(st.binary(max_size=60))
def test_no_file_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "data.txt"
    path.write_bytes(data)
    for how in ({}, {"skip_invalid": True}, {"plain_text": True}, {"plain_text": True, "skip_invalid": True}):
        with suppress(DataError):
            assert load_dataset(path, **how)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r", "\n\n\n", "\r\n \r\n", "\n\t\n"])
def test_the_end_of_a_file_is_no_line(tmp_path: Path, end: str) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(f"1+1=2\n2+2=4{end}".encode())
    assert load_dataset(path) == ["1+1=2", "2+2=4"]
    assert load_dataset(path, plain_text=True) == ["1+1=2", "2+2=4"]


def test_a_blank_line_in_between_is_an_invalid_one(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("1+1=2\n\n2+2=4\n")
    with pytest.raises(DataError, match="data.txt:2: an empty line"):
        load_dataset(path)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes like these are POSIX's")
def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path, data = tmp_path / "pipe", b"1+1=2\n2+2=4\n"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()
    dataset = read_dataset(path)
    assert dataset.examples == ["1+1=2", "2+2=4"] and not dataset.rereadable
    assert dataset.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "\ud800", "data.txt/x"])
def test_a_name_that_no_file_can_have_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.txt").write_text("1+1=2")
    with pytest.raises(DataError, match="no data file") as caught:
        load_dataset(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 1
