"""`calcgpt data` as a person calls it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from calcgpt.arithmetic.spec import DatasetSpec, parse_name
from calcgpt.cli import data
from calcgpt.cli.data import run
from calcgpt.errors import ConfigError, DataError

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_by_default_it_writes_a_file_whose_name_carries_the_parameters(folder: Path, capsys: Output) -> None:
    assert run([]) == 0
    path = folder / "datasets" / DatasetSpec().name()
    assert capsys.readouterr().out == (
        f"datasets/{path.name}: 15,352 expressions, {path.stat().st_size / 1000:.0f} kB\n"
    )
    assert len(path.read_text().splitlines()) == 15_352


def test_every_flag_reaches_the_name(folder: Path) -> None:
    arguments = "--operations - // % --min -20 --max 20 --allowed-digits 0123 --negative-results -n 50 --seed 3"
    assert run(arguments.split()) == 0
    (path,) = (folder / "datasets").iterdir()
    assert parse_name(path) == DatasetSpec(
        ("-", "//", "%"), -20, 20, allowed_digits="0123", negative_results=True, count=50, seed=3
    )
    assert (
        run(
            [
                "--operations",
                "addition",
                "--min-digits",
                "1",
                "--max-digits",
                "2",
                "--no-negative-results",
                "--exhaustive",
            ]
        )
        == 0
    )
    assert (folder / "datasets" / "addition_1to2digits_nonnegative_all.txt").exists()


def test_output_is_a_file_or_a_folder(folder: Path, capsys: Output) -> None:
    assert run(["--max", "3", "-o", "new/small.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": "new/small.txt", "expressions": 26, "bytes": 156}
    assert run(["--max", "3", "--output", "new"]) == 0
    names = {path.name for path in (folder / "new").iterdir()}
    assert names == {"small.txt", "addition-subtraction_0to3_nonnegative_all.txt"}


def test_a_dry_run_estimates_and_writes_nothing(folder: Path, capsys: Output) -> None:
    assert run(["--max-digits", "4", "--dry-run"]) == 0
    assert "_1to4digits_nonnegative_all.txt: 150,005,000 expressions, some 2.2" in capsys.readouterr().out
    assert run(["--max-digits", "2000", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["estimate"]["expressions"] > 10**3999
    assert run(["--max-digits", "2000", "--dry-run"]) == 0
    assert "about 10^4000 expressions, some thousands of TB, in some hundreds of years" in capsys.readouterr().out
    assert list(folder.iterdir()) == []


def test_a_large_file_asks_for_yes(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    with pytest.raises(ConfigError, match="150,005,000 expressions, some 2.2.* GB.*expected --yes"):
        run(["--max-digits", "4"])
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(data, "_LARGE", 10)
    with pytest.raises(ConfigError, match="expected --yes"):
        run(["--max", "3"])
    assert run(["--max", "3", "-y"]) == 0
    assert "26 expressions, some 156 bytes" in capsys.readouterr().err.replace("158", "156").replace("157", "156")


def test_progress_is_shown_with_the_time_left(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    now = iter(range(0, 10_000, 3))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    with data._progress("generating") as report:
        report(25, 100)
        report(100, 100)
    assert capsys.readouterr().err == "generating: 25 of 100, 9.0 seconds left\n"


def test_progress_of_what_is_quick_is_not_shown(capsys: Output) -> None:
    with data._progress("generating") as report:
        report(50, 100)
        report(100, 100)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("--operations ^", "unknown operation '\\^'"),
        ("--operations", "one or more different operations"),
        ("--min 5 --max 3", "min_value is 5, more than max_value, which is 3"),
        ("--min 5 --max-digits 3", "not both"),
        ("--min-digits 2", "no max_digits"),
        ("--max-digits 0", "at least 1"),
        ("--allowed-digits x", "allowed_digits"),
        ("--count 0", "at least 1"),
        ("--count 99999 --max 9", "only 155 different expressions"),
        ("--count 5 --exhaustive", "contradict"),
        ("--seed -1 --count 5", "at least 0"),
        ("--operations // --max 0", "no // of operands 0 to 0 has a solution"),
        ("--analyze x.txt --count 5", "--analyze takes a file"),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, arguments: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        run(arguments.split())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--max", "x"], ["--nonsense"], ["--count"]])
def test_what_cannot_be_parsed_is_one_line(arguments: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        run(arguments)
    assert "\n" not in str(caught.value)


def test_help(capsys: Output) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for flag in (
        "--operations",
        "--allowed-digits",
        "--negative-results",
        "-n",
        "-o",
        "--dry-run",
        "-y",
        "--analyze",
    ):
        assert flag in text


def test_a_file_that_cannot_be_written(folder: Path) -> None:
    (folder / "file").write_text("mine")
    with pytest.raises(DataError, match="cannot write file/x.txt"):
        run(["--max", "3", "-o", "file/x.txt"])


def test_analyze(folder: Path, capsys: Output) -> None:
    (folder / "data.txt").write_text("95+7=102\n7+95=102\n95+7=102\n5-12=-7\n2+2=5\n[red]\n" + "x\n" * 30)
    assert run(["--analyze", "data.txt"]) == 0
    text = capsys.readouterr().out
    for row in ("lines 36", "examples 4", "+ 3", "- 1", "repeated 1", "repeated with operands exchanged 1"):
        assert row in " ".join(text.replace("│", " ").split())
    assert "data.txt:5: 2+2=5: 2+2 is 4" in text
    assert "data.txt:6: '[red]': no '='" in text
    assert "and 12 more" in text


def test_analyze_as_json(folder: Path, capsys: Output) -> None:
    (folder / "data.txt").write_text("95+7=102\n")
    assert run(["--analyze", "data.txt", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["operations"] == {"+": 1} and summary["carries"] == {"+": {"2": 1}}


def test_analyze_shows_a_part_of_a_long_histogram(folder: Path, capsys: Output) -> None:
    (folder / "data.txt").write_text("".join(f"{'1' * n}+0={'1' * n}\n" for n in range(1, 100)))
    assert run(["--analyze", "data.txt"]) == 0
    assert "more, up to 99 digits (all of them: --json)" in capsys.readouterr().out


def test_analyze_what_is_not_there() -> None:
    with pytest.raises(DataError, match="no data file nothing.txt"):
        run(["--analyze", "nothing.txt"])
