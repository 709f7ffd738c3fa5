"""An evaluation that was interrupted goes on, and ends as one that was not; anything else begins anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation import evaluate, keeping
from calcgpt.evaluation.subjects import subject_of
from calcgpt.evaluation.suites import Part, Suite

TASK = Task(("+", "-", "*"), 0, 99)
SUITE = Suite("x", (Part("uniform", 8), Part("carry", 8), Part("robustness", 2)))
TIMED = ("seconds", "milliseconds", "problems_per_second", "resumed")


class Counting:
    """A model that is asked through a function, and is interrupted before it answers the `stop`-th batch."""

    __name__ = "counting"

    def __init__(self, stop: int = 10**9):
        self.stop = stop
        self.asked: list[str] = []

    def __call__(self, prompts: list[str]) -> list[str]:
        self.stop -= 1
        if self.stop < 0:
            raise KeyboardInterrupt
        self.asked += prompts
        return [self.answer(prompt) for prompt in prompts]

    def answer(self, prompt: str) -> str:
        """Wrong where five characters are asked, unreadable where there is a 0."""
        text = prompt.strip(" =").replace("×", "*").replace("−", "-")
        return "-" if "0" in text else str(eval(text) + (len(prompt) == 5))


def run(model: Any, folder: Path | None, suite: Suite = SUITE, **options: Any) -> dict[str, Any]:
    tasks = [TASK] if isinstance(model, Counting) else []
    return evaluate(model, suite, tasks=tasks, folder=folder, **options)


def timeless(report: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in report.items() if key not in TIMED}


@pytest.fixture(autouse=True)
def every_portion(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is written after each portion."""
    monkeypatch.setattr(keeping, "_INTERVAL", 0.0)


@pytest.fixture
def known_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if two functions of one name were the same."""
    monkeypatch.setattr(keeping, "_unknown", lambda: b"")


def test_a_function_never_goes_on_where_another_stopped(tmp_path: Path) -> None:
    first, second = Counting(7), Counting()
    with pytest.raises(KeyboardInterrupt):
        run(first, tmp_path)
    report = run(second, tmp_path)
    assert len(second.asked) == report["problems"] > len(first.asked)


@pytest.mark.parametrize("stop", [0, 1, 7, 20])
def test_an_interrupted_evaluation_goes_on(tmp_path: Path, stop: int, known_functions: None) -> None:
    whole, plain = Counting(), tmp_path / "plain"
    expected = run(whole, plain)
    folder, first, second = tmp_path / "kept", Counting(stop), Counting()
    with pytest.raises(KeyboardInterrupt):
        run(first, folder)
    assert (folder / "state.json").exists() == (stop > 0) and not (folder / "report.json").exists()
    report = run(second, folder)
    assert {**timeless(report), "failures_file": 0} == {**timeless(expected), "failures_file": 0}
    assert (folder / "failures.jsonl").read_bytes() == (plain / "failures.jsonl").read_bytes()
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == report
    assert sorted(entry.name for entry in folder.iterdir()) == ["failures.jsonl", "report.json"]
    assert (first.asked + second.asked)[-len(second.asked) :] == whole.asked[-len(second.asked) :]
    assert report["resumed"] == expected["problems"] - len(second.asked) and expected["resumed"] == 0
    if stop == 20:
        assert len(second.asked) < 0.9 * len(whole.asked), "finished portions are not asked again"


def test_again_and_again(tmp_path: Path, known_functions: None) -> None:
    expected, rounds = run(Counting(), None), 0
    while True:
        rounds += 1
        try:
            report = run(Counting(6), tmp_path)
            break
        except KeyboardInterrupt:
            assert rounds < 50
    assert rounds > 3
    assert {**timeless(report), "failures_file": None} == timeless(expected)


@pytest.mark.parametrize("from_progress", [True, False])
def test_a_model_of_ours_goes_on(stub: Callable[..., Any], tmp_path: Path, from_progress: bool) -> None:
    def rule(problems: Problems) -> np.ndarray:
        return problems.carries() > 0

    expected, calls, decoded = run(stub(TASK, wrong=rule), None), [], []

    def stop(done: int, total: int) -> None:
        calls.append(done)
        if from_progress and done > total // 2:
            raise KeyboardInterrupt

    def counted(problems: Problems) -> np.ndarray:
        decoded.append(len(problems))
        if not from_progress and len(decoded) == 12:
            raise KeyboardInterrupt
        return rule(problems)

    with pytest.raises(KeyboardInterrupt):
        run(stub(TASK, wrong=counted), tmp_path, progress=stop)
    before = sum(decoded)
    decoded.clear()
    decoded.extend([0] * 20)
    again: list[int] = []
    report = run(stub(TASK, wrong=counted), tmp_path, progress=lambda done, total: again.append(done))
    assert {**timeless(report), "failures_file": None} == timeless(expected)
    assert before and sum(decoded) < expected["problems"] <= before + sum(decoded)
    assert again == sorted(again)


def another_seed(stub: Any) -> dict[str, Any]:
    return {"suite": SUITE.changed(seed=1)}


def another_count(stub: Any) -> dict[str, Any]:
    return {"suite": SUITE.changed(count=9)}


def other_weights(stub: Any) -> dict[str, Any]:
    model = stub(TASK)
    with torch.no_grad():
        next(model.model.parameters()).add_(1)
    return {"model": model}


def another_notation(stub: Any) -> dict[str, Any]:
    return {"model": stub(TASK, notation=Notation(reverse=True))}


def other_tasks(stub: Any) -> dict[str, Any]:
    return {"model": stub(Task(("+", "-", "*"), 0, 98))}


@pytest.mark.parametrize("change", [another_seed, another_count, other_weights, another_notation, other_tasks])
def test_another_evaluation_begins_anew(stub: Callable[..., Any], tmp_path: Path, change: Any) -> None:
    interrupt(stub(TASK), tmp_path)
    options = {"model": stub(TASK), **change(stub)}
    expected = run(options["model"], None, options.get("suite", SUITE))
    done: list[int] = []
    found = run(options["model"], tmp_path, options.get("suite", SUITE), progress=lambda at, _: done.append(at))
    assert {**timeless(found), "failures_file": None} == timeless(expected)
    interrupt(stub(TASK), tmp_path / "same")
    again: list[int] = []
    run(stub(TASK), tmp_path / "same", progress=lambda at, _: again.append(at))
    assert len(done) > 1.2 * len(again), "all of it was asked, and not what was left"


def test_what_was_trained_on_tells_evaluations_apart(stub: Callable[..., Any]) -> None:
    model = stub(TASK)
    seen = [None, np.zeros(0, np.uint64), np.array([1, 2], np.uint64), np.array([1, 3], np.uint64)]
    keys = {keeping._identity(subject_of(model), SUITE, model, each) for each in seen}
    model.tokenizer.id_to_token.append("x")
    assert len(keys | {keeping._identity(subject_of(model), SUITE, model, None)}) == 5


def test_a_data_file_that_changed_begins_anew(stub: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    keys = []
    for lines in ("1+1=2\n", "1+2=3\n"):
        file.write_text(lines)
        model = stub(TASK)
        keys.append(keeping._identity(subject_of(model), Suite("d", (Part("dataset", path=str(file)),)), model, None))
    assert keys[0] != keys[1]


def interrupt(model: Any, folder: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(model, folder, progress=stop)
    assert (folder / "state.json").exists()


def damages() -> dict[str, Callable[[Path], Any]]:
    def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
        def damage(folder: Path) -> None:
            state = json.loads((folder / "state.json").read_text())
            change(state)
            (folder / "state.json").write_text(json.dumps(state))

        return damage

    return {
        "empty": lambda folder: (folder / "state.json").write_text(""),
        "half": lambda folder: (folder / "state.json").write_text((folder / "state.json").read_text()[:500]),
        "no dict": lambda folder: (folder / "state.json").write_text("[1]"),
        "no text": lambda folder: (folder / "state.json").write_bytes(b"\xff\xfe"),
        "no tables": edit(lambda state: state["tally"].pop("tables")),
        "no calibration": edit(lambda state: state["tally"].update(calibration=[1, 2])),
        "no portions": edit(lambda state: state.pop("portions")),
        "strange portions": edit(lambda state: state.update(portions="many")),
        "a row of three": edit(lambda state: state["tally"]["tables"]["all"][0][1].pop()),
        "nothing listed": edit(lambda state: state.update(listed=None)),
        "failures gone": lambda folder: (folder / "failures.jsonl").unlink(),
        "failures cut": lambda folder: (folder / "failures.jsonl").write_text(""),
    }


@pytest.mark.parametrize("name", damages())
def test_a_damaged_state_begins_anew(stub: Callable[..., Any], tmp_path: Path, name: str) -> None:
    def odd(problems: Problems) -> np.ndarray:
        return np.asarray(problems.operands[:, 0] % 2 == 1)

    expected = run(stub(TASK, wrong=odd), None)
    interrupt(stub(TASK, wrong=odd), tmp_path)
    damages()[name](tmp_path)
    found = run(stub(TASK, wrong=odd), tmp_path)
    assert {**timeless(found), "failures_file": None} == timeless(expected)
    lines = (tmp_path / "failures.jsonl").read_text().splitlines()
    assert len(lines) == found["problems"] - found["right"]


def test_a_finished_evaluation_is_asked_again(tmp_path: Path) -> None:
    one, other = Counting(), Counting()
    reports = [run(model, tmp_path) for model in (one, other)]
    assert other.asked == one.asked and timeless(reports[0]) == timeless(reports[1])


def test_an_old_report_goes_with_its_failures(stub: Callable[..., Any], tmp_path: Path) -> None:
    run(stub(TASK), tmp_path)
    assert (tmp_path / "report.json").exists()
    interrupt(stub(TASK), tmp_path)
    assert not (tmp_path / "report.json").exists(), "it would say something else than the failures beside it"


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(ConfigError, match="cannot write the evaluation to") as caught:
            run(Counting(), folder)
        assert "\n" not in str(caught.value)
    (tmp_path / "taken" / "failures.jsonl").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot write the evaluation to"):
        run(Counting(), tmp_path / "taken")
