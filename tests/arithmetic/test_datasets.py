"""The gathered names, the file that ships, and speed that stays linear."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from calcgpt.arithmetic import datasets
from calcgpt.arithmetic.datasets import (
    DatasetSpec,
    analyze,
    augment_data,
    find_dataset,
    generate,
    load_dataset,
    parse_name,
    split_examples,
    write_examples,
)
from calcgpt.cli.data import run

SHIPPED = Path(__file__).parents[2] / "datasets" / "ds-calcgpt.txt"


def test_every_name_is_there() -> None:
    for name in datasets.__all__:
        assert callable(getattr(datasets, name))


def test_the_command_that_makes_the_shipped_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`calcgpt data --operations + - --min 0 --max 100 -o datasets/ds-calcgpt.txt`, byte for byte."""
    path = tmp_path / "ds-calcgpt.txt"
    assert run(["--operations", "+", "-", "--min", "0", "--max", "100", "-o", str(path)]) == 0
    assert path.read_bytes() == SHIPPED.read_bytes()
    capsys.readouterr()


def test_the_shipped_file_is_every_sum_and_every_non_negative_difference() -> None:
    sums = [f"{a}+{b}={a + b}" for a in range(101) for b in range(101)]
    differences = [f"{a}-{b}={a - b}" for a in range(101) for b in range(a + 1)]
    assert SHIPPED.read_text(encoding="ascii").splitlines() == sums + differences
    assert (len(sums), len(differences)) == (10_201, 5_151)


def test_from_a_spec_to_training_lines(tmp_path: Path) -> None:
    spec = DatasetSpec(("+", "*"), max_digits=2, count=500)
    path = tmp_path / spec.name()
    write_examples(path, generate(spec))
    assert generate(parse_name(path)).examples() == load_dataset(find_dataset(path))
    train, test = split_examples(load_dataset(path), 0.2, 42)
    assert len(augment_data(train)) > len(train) and len(test) >= 100
    assert analyze(path)["duplicates"]["exact"] == 0


def test_arithmetic_needs_no_torch() -> None:
    program = (
        "import sys, calcgpt.arithmetic.datasets; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'tyro', 'rich', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=SHIPPED.parents[1]).returncode == 0


def test_a_hundred_thousand_examples_are_a_matter_of_a_second(tmp_path: Path) -> None:
    """Far above what it takes (0.3 s), far below what anything quadratic would."""
    start = time.perf_counter()
    path = tmp_path / "data.txt"
    write_examples(path, generate(DatasetSpec(max_digits=6, count=100_000)))
    train, _ = split_examples(load_dataset(path), 0.2, 42)
    augment_data(train)
    assert time.perf_counter() - start < 20
