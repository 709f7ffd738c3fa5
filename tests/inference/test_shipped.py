"""The calculator that comes with the package answers before anything is trained, in any folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calcgpt.arithmetic.columns import SYMBOLS, Shape
from calcgpt.arithmetic.drawing import draw
from calcgpt.inference.columns import ask
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.catalog import SHIPPED
from calcgpt.training.recipes import load_recipe


@pytest.fixture(scope="module")
def calculator() -> CalcGPT:
    return CalcGPT("calculator", device="cpu")


def test_it_is_meant_where_there_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answers = CalcGPT().solve_batch(["123*456", "-7//3", "-7%3", "7-45", "999999+1", "1000//7"])
    assert [answer["answer"] for answer in answers] == ["56088", "-3", "2", "-38", "1000000", "142"]
    assert all(answer["is_correct"] and answer["error"] is None for answer in answers)


def test_it_is_what_its_recipe_makes(calculator: CalcGPT) -> None:
    recipe = json.loads(json.dumps(load_recipe("calculator").config.to_dict()))
    trained = dict(calculator.run["config"])
    del recipe["overwrite"], trained["overwrite"]  # where it went does not matter
    assert trained == recipe
    assert calculator.model.num_parameters <= 1_000_000
    assert sum(file.stat().st_size for file in (SHIPPED / "calculator").iterdir()) <= 4_000_000


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("widths", [(1, 1), (3, 3), (5, 2), (9, 9)])
def test_it_is_right(calculator: CalcGPT, symbol: str, widths: tuple[int, int]) -> None:
    if symbol in ("+", "-"):
        widths = (max(widths),) * 2
    problems = draw(Shape(symbol, widths, signed=True), 200, np.random.default_rng(7), 0.3)
    assert ask(calculator, problems).right.mean() >= 0.99
