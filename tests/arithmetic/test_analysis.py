"""A file in numbers, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calcgpt.arithmetic.analysis import analyze
from calcgpt.errors import DataError


def test_analysis(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    lines = [
        "95+7=102",
        "7+95=102",
        "95+7=102",
        "5-12=-7",
        "12-(-5)=17",
        "3*4=12",
        "4*3=12",
        "7//2=3",
        "2+2=5",
        "junk",
    ]
    path.write_text("\n".join(lines))
    summary = analyze(path)
    assert summary == {
        "path": str(path),
        "lines": 10,
        "examples": 8,
        "invalid_lines": 2,
        "invalid": [
            f"{path}:9: 2+2=5: 2+2 is 4",
            f"{path}:10: 'junk': no '=': expected an example such as 12+34=46",
        ],
        "operations": {"+": 3, "-": 2, "*": 2, "//": 1},
        "operand_digits": {1: 11, 2: 5},
        "answer_digits": {1: 2, 2: 3, 3: 3},
        "carries": {"+": {2: 3}, "-": {1: 2}},
        "negative_operands": 1,
        "negative_answers": 1,
        "duplicates": {"exact": 1, "commuted": 2},
    }
    json.dumps(summary)


def test_analysis_of_text_and_of_large_numbers(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("a rose is a rose\n" * 30)
    summary = analyze(path)
    assert (summary["lines"], summary["examples"], summary["invalid_lines"]) == (30, 0, 30)
    assert len(summary["invalid"]) == 20 and summary["operations"] == summary["carries"] == {}
    path.write_text("9" * 30 + "+1=1" + "0" * 30)
    summary = analyze(path)
    assert summary["operand_digits"] == {1: 1, 30: 1} and summary["carries"] == {"+": {30: 1}}


def test_analysis_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data file"):
        analyze(tmp_path / "data.txt")


def test_analysis_reports_progress(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("1+1=2\n" * 5)
    reports: list[tuple[int, int]] = []
    analyze(tmp_path / "data.txt", lambda *report: reports.append(report))
    assert reports == [(5, 5)]
