"""The flat table: a row for each figure, which adds up to the report."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcgpt.arithmetic.task import Task
from calcgpt.evaluation import evaluate, judging, load_suite
from calcgpt.evaluation.suites import Part, Suite
from calcgpt.evaluation.table import COLUMNS, rows, write_table

EVERYTHING = Suite("all", (*load_suite("standard").parts, Part("grid", 10)), 2, 5).changed(10)
TABLES = ("operations", "buckets", "carries", "cases", "grid")


@pytest.fixture
def reports(stub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    task = Task(("+", "*"), 0, 99)
    seen = np.unique(task.sample(500, np.random.default_rng(0)).keys())
    rule = {"wrong": lambda problems: problems.operands[:, 0] % 3 == 0}
    monkeypatch.setattr(judging, "trained_problems", lambda run: seen)
    first = evaluate(stub(task, **rule, mute=lambda problems: problems.operands[:, 1] == 9), EVERYTHING)
    monkeypatch.setattr(judging, "trained_problems", lambda run: None)
    return [first, {**evaluate(stub(Task(("-",), 0, 9)), "exhaustive"), "model": 'a "b", c'}]


def test_every_figure_is_a_row(reports: list[dict[str, Any]]) -> None:
    found = list(rows(reports))
    assert all(tuple(row) == COLUMNS for row in found)
    for report in reports:
        own = [row for row in found if row["model"] == report["model"]]
        assert {(row["suite"], row["version"], row["seed"]) for row in own} == {
            (report["suite"], report["version"], report["seed"])
        }
        (whole,) = [row for row in own if row["table"] == "all"]
        assert [whole[key] for key in ("problems", "right", "malformed", "exact_match")] == [
            report[key] for key in ("problems", "right", "malformed", "exact_match")
        ]
        assert [whole["low"], whole["high"]] == (report["interval"] or [None, None])
        assert whole["trained_on"] is whole["operation"] is whole["complete"] is None
        for key in ("refused", "calibration_error", "milliseconds", "problems_per_second"):
            assert whole[key] == report[key]
        for table in TABLES:
            part = [row for row in own if row["table"] == table]
            assert len(part) == len(report[table])
            for row, figures in zip(part, report[table], strict=True):
                assert {key: row[key] for key in figures if key != "interval"} == {
                    key: value for key, value in figures.items() if key != "interval"
                }
                assert [row["low"], row["high"]] == (figures["interval"] or [None, None])
            if table in ("operations", "buckets"):
                for key in ("problems", "right", "malformed"):
                    assert sum(row[key] for row in part) == whole[key]
        check_places_and_sides(own, report)
        bins = [row for row in own if row["table"] == "calibration"]
        assert [(row["confidence_from"], row["confidence_to"], row["confidence"], row["problems"]) for row in bins] == [
            (each["low"], each["high"], each["confidence"], each["problems"]) for each in report["calibration"]
        ]
        assert all(row["low"] is None and row["exact_match"] == row["right"] / row["problems"] for row in bins)
    assert {row["table"] for row in found} == {"all", "seen", "places", "calibration", *TABLES}


def test_language_tests_are_rows(stub: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("1+2=3\n9+4=13\n")
    report = evaluate(stub(Task(("+",), 0, 9)), Suite("x", (Part("dataset", path=str(tmp_path / "data.txt")),)))
    found = [row for row in rows([report]) if row["table"] == "language"]
    names = ("problems", "well_formed", "complete", "right", "exact", "refused")
    assert [row["case"] for row in found] == ["from the operand", "from the expression", "from the prompt"]
    assert [[row[name] for name in names] for row in found] == [
        [row[name] for name in names] for row in report["language"]
    ]


def check_places_and_sides(own: list[dict[str, Any]], report: dict[str, Any]) -> None:
    places = [row for row in own if row["table"] == "places"]
    for row, figures in zip(places, report["places"], strict=True):
        assert (row["operation"], row["place"]) == (figures["operation"], figures["place"])
        assert (row["problems"], row["right"]) == (figures["digits"], figures["right"])
        assert row["exact_match"] == figures["accuracy"] and row["digits"] is row["low"] is None
    sides = {row["trained_on"]: row for row in own if row["table"] == "seen"}
    assert set(sides) == (set() if report["trained_on"] is None else {True, False})
    for name, side in (("trained_on", True), ("never_seen", False)):
        if sides:
            assert sides[side]["problems"] == report[name]["problems"] and sides[side]["right"] == report[name]["right"]


def test_the_file_reads_as_it_was(reports: list[dict[str, Any]], tmp_path: Path) -> None:
    write_table(tmp_path / "out.csv", reports)
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    wanted = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows(reports)]
    assert found == wanted and tuple(found[0]) == COLUMNS


def test_nothing_and_no_place(tmp_path: Path) -> None:
    write_table(tmp_path / "out.csv", [])
    assert (tmp_path / "out.csv").read_text() == ",".join(COLUMNS) + "\n"
    write_table(tmp_path / "deep" / "er.csv", [])
    with pytest.raises(OSError):
        write_table(tmp_path / "out.csv" / "deeper.csv", [])
