"""An operation of a user's own: asked by every suite where it is registered, and where it is not a clear error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcgpt.arithmetic.columns import ColumnProblems
from calcgpt.arithmetic.operations import OPERATIONS, Operation, register, unregister
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError, MissingOperation
from calcgpt.evaluation import evaluate
from calcgpt.evaluation.explain import explain
from calcgpt.evaluation.plots import all_plots
from calcgpt.evaluation.report import write_report
from calcgpt.evaluation.suites import suite_names
from calcgpt.inference.solver import CalcGPT

# Longer than its operands, negative, and not defined everywhere: nothing of what the built-in ones are.
OWN = Operation("@", "strange", lambda a, b: -7 * a - b, domain=lambda a, b: b % 2 == 1)
MISSING = r"knows an operation that is not registered here: .*there is no '@': .*operations.register\(Operation"


@pytest.fixture
def own() -> Iterator[Operation]:
    register(OWN)
    yield OWN
    if OWN.symbol in OPERATIONS:
        unregister(OWN.symbol)


def _answer(prompts: list[str]) -> list[str]:
    """Each prompt's solution, from its text alone."""
    found = []
    for prompt in prompts:
        bare = prompt.translate({ord(character): None for character in " ()="})
        a, b = map(int, bare.split("@"))
        found.append(str(-7 * a - b))
    return found


@pytest.mark.parametrize("task", [Task(max_value=99), Task(min_value=-9, max_value=9)])
@pytest.mark.parametrize("name", suite_names())
def test_every_suite_asks_it_or_says_that_it_cannot(own: Operation, name: str, task: Task) -> None:
    own_task = Task(("@",), task.min_value, task.max_value)
    if name in ("adversarial", "carry"):
        with pytest.raises(ConfigError, match=f"the suite {name} has nothing to ask _answer"):
            evaluate(_answer, name, own_task)
        return
    report = evaluate(_answer, name, own_task)
    assert report["right"] == report["problems"] > 10


@pytest.mark.parametrize("signs", [None, [[True, False], [False, True]]])
def test_solutions_are_its_own_whatever_the_signs(own: Operation, signs: Any) -> None:
    problems = ColumnProblems.from_operands("@", [[12, 3], [5, 9]], (2, 1), signs is not None)
    if signs is not None:
        problems = ColumnProblems(problems.shape, problems.digits, np.array(signs))
    expected = ["-87", "-44"] if signs is None else ["81", "-26"]
    assert problems.solutions().texts() == expected


def test_a_model_of_it_where_it_is_and_where_it_is_not(
    own: Operation, tiny_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from calcgpt.cli.main import main
    from calcgpt.training.trainer import CalcGPTTrainer

    task = Task(("+", "@"), 0, 9)
    config = replace(tiny_config, task=task, notation=replace(tiny_config.notation, answer_width=3), max_steps=3)
    CalcGPTTrainer(config, None, tmp_path / "own", verbose=False).train()
    report = evaluate(tmp_path / "own", "standard")
    assert {row["operation"] for row in report["operations"]} == {"+", "@"}
    write_report(tmp_path / "page.html", [report], {})
    assert all_plots([report], {}) and explain(CalcGPT(tmp_path / "own"), "3@5").solution == "-26"
    unregister("@")
    asks: list[Callable[[], Any]] = [lambda: CalcGPT(tmp_path / "own")]
    asks += [lambda name=name: evaluate(tmp_path / "own", name) for name in suite_names()]  # type: ignore[misc]
    for ask in asks:
        with pytest.raises(MissingOperation, match=MISSING):
            ask()
    monkeypatch.chdir(tmp_path)
    for line in (
        ["solve", "-m", "own", "1+1"],
        ["explain", "-m", "own", "1+1"],
        ["export", "own"],
        ["evaluate", "own"],
    ):
        assert main(line) == 2
    assert main(["models", "own"]) == 0
