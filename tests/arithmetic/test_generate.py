"""Generated problems against loops; samples against what a sample is; files whole or not at all."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgpt.arithmetic import generate as module
from calcgpt.arithmetic.generate import generate, write_examples
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.problems import from_expressions
from calcgpt.arithmetic.reading import load_dataset
from calcgpt.arithmetic.spec import DatasetSpec
from calcgpt.errors import ConfigError, DataError

SUBSETS = st.lists(st.sampled_from(list(OPERATIONS)), min_size=1, unique=True).map(tuple)


def by_loops(spec: DatasetSpec, values: list[int]) -> list[str]:
    lines = []
    for symbol, a, b in product(spec.operations, values, values):
        operation = OPERATIONS[symbol]
        if operation.defined(a, b) and (spec.negative_results or operation.apply(a, b) >= 0):
            second = f"({b})" if b < 0 else b
            lines.append(f"{a}{symbol}{second}={operation.apply(a, b)}")
    return lines


@settings(max_examples=40)
@given(
    operations=SUBSETS,
    limits=st.tuples(st.integers(-15, 15), st.integers(-15, 15)).map(sorted),
    digits=st.sampled_from(["0123456789", "12", "05", "1"]),
    negative_results=st.booleans(),
)
def test_everything_there_is_in_order(
    operations: tuple[str, ...], limits: list[int], digits: str, negative_results: bool
) -> None:
    values = [value for value in range(limits[0], limits[1] + 1) if set(str(abs(value))) <= set(digits)]
    if not values:
        return
    low, high = limits
    spec = DatasetSpec(operations, low, high, allowed_digits=digits, negative_results=negative_results)
    expected = by_loops(spec, values)
    if expected:
        assert generate(spec).examples() == expected
    else:
        with pytest.raises(ConfigError, match="has a solution"):
            generate(spec)


def test_ranges_of_digits() -> None:
    spec = DatasetSpec(("-",), min_digits=2, max_digits=2, allowed_digits="019", negative_results=True)
    assert generate(spec).examples() == by_loops(spec, [10, 11, 19, 90, 91, 99])


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, sampled = DatasetSpec(max_value=30), DatasetSpec(max_digits=4, count=500)
    whole, sample = generate(spec).examples(), generate(sampled).examples()
    monkeypatch.setattr(module, "_BLOCK", 100)
    reports: list[tuple[int, int]] = []
    assert generate(spec, lambda *report: reports.append(report)).examples() == whole
    assert reports[-1] == (len(whole), len(whole)) and len(reports) > 10 and reports == sorted(reports)
    assert len(set(generate(sampled).examples())) == len(sample)


@pytest.mark.parametrize(
    "spec",
    [
        DatasetSpec(max_digits=3, count=5000, seed=1),
        DatasetSpec(("+", "*", "//", "%"), -50, 50, count=20_000, seed=1, negative_results=True),
        DatasetSpec(("-",), max_value=99, count=5050, seed=1),
        DatasetSpec(("+",), max_value=99, count=4999, seed=1),
        DatasetSpec(("%",), max_value=99, count=1),
        DatasetSpec(("+", "*"), min_digits=18, max_digits=18, allowed_digits="123", count=3000),
        DatasetSpec(("+", "*"), min_digits=30, max_digits=30, count=300),
    ],
)
def test_samples_have_no_repetition_and_are_reproducible(spec: DatasetSpec) -> None:
    reports: list[tuple[int, int]] = []
    lines = generate(spec, lambda *report: reports.append(report)).examples()
    assert len(lines) == len(set(lines)) == spec.count
    assert generate(spec).examples() == lines
    assert reports[-1][0] == reports[-1][1]
    for line in lines[:200]:
        expression, _, answer = line.partition("=")
        assert eval(expression) == int(answer)  # noqa: S307
        assert spec.negative_results or int(answer) >= 0


def test_another_seed_is_another_sample() -> None:
    first, second = (set(generate(DatasetSpec(max_digits=4, count=100, seed=seed)).examples()) for seed in (1, 2))
    assert len(first & second) < 5


@pytest.mark.parametrize("count", [20, 60])  # drawn one by one, and out of all of them
def test_every_problem_is_as_likely_in_a_sample(count: int) -> None:
    drawn = [
        line
        for seed in range(600)
        for line in generate(DatasetSpec(("+", "-"), max_value=7, count=count, seed=seed)).examples()
    ]
    lines, counts = np.unique(drawn, return_counts=True)
    assert len(lines) == 64 + 36
    expected = 600 * count / 100
    assert abs(counts - expected).max() < 5 * expected**0.5


def test_thirty_digits_are_right() -> None:
    problems = generate(DatasetSpec(tuple(OPERATIONS), min_digits=30, max_digits=30, count=50, negative_results=True))
    assert problems.operands.dtype == object
    for expression, solution in zip(problems.expressions(), problems.solutions().tolist(), strict=True):
        assert eval(expression) == solution  # noqa: S307


def test_what_is_too_large_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="about 10\\^36 expressions.*too many to list: expected a count"):
        generate(DatasetSpec(max_digits=18))
    with pytest.raises(ConfigError, match="too many to list"):
        generate(DatasetSpec(max_digits=2000))
    with pytest.raises(ConfigError, match="only 100 different"):
        generate(DatasetSpec(("+",), max_value=9, count=101))


def test_written_files_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 100)
    problems = generate(DatasetSpec(("-", "%"), -9, 9, negative_results=True))
    path = tmp_path / "new" / "folder" / "data.txt"
    reports: list[tuple[int, int]] = []
    size = write_examples(path, problems, lambda *report: reports.append(report))
    assert load_dataset(path) == problems.examples()
    assert size == path.stat().st_size and reports[-1] == (len(problems), len(problems))
    data = path.read_bytes()
    assert data.endswith(b"\n") and b"\r" not in data
    write_examples(str(path), iter(problems.examples()))
    assert path.read_bytes() == data


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot write .*"):
        write_examples(tmp_path, ["1+1=2"])
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="cannot write"):
        write_examples(tmp_path / "file" / "data.txt", ["1+1=2"])
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_is_left_where_a_solution_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    problems = from_expressions(["1+1", "4//2"])
    problems.operands[1, 1] = 0
    with pytest.raises(ValueError, match="not defined"):
        write_examples(path, problems)
    assert list(tmp_path.iterdir()) == []
