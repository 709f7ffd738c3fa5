"""Functions from prompts to completions, and models of ours: the same mistakes give the same counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcgpt.arithmetic.columns import ColumnProblems
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.errors import CalcGPTError, ConfigError
from calcgpt.evaluation import Part, Suite, evaluate, load_suite
from calcgpt.evaluation.subjects import subject_of
from calcgpt.inference.solver import CalcGPT

TASK = Task(("+", "-", "*", "//"), -20, 20)
SUITE = load_suite("standard").changed(count=25)
TOLD = ("problems", "right", "malformed", "refused", "exact_match", "interval", "operations", "buckets", "carries")
TOLD += ("cases", "grid", "places")
COMPARED = ("problem", "answer", "solution", "first_wrong", "case", "error")


def solution(prompt: str) -> int:
    """What is typed, computed by Python."""
    text = prompt.strip(" =").replace("×", "*").replace("−", "-")
    return int(eval(re.sub(r"(?<![0-9])0+(?=[0-9])", "", text)))


def perfect(prompts: Sequence[str]) -> list[str]:
    return [str(solution(prompt)) for prompt in prompts]


def ask(function: Any, suite: Suite = SUITE, *tasks: Task) -> dict[str, Any]:
    return evaluate(function, suite, tasks=tasks or [TASK])


def test_a_perfect_function_is_right_everywhere() -> None:
    for suite in (SUITE, load_suite("lengths").changed(30), load_suite("length-grid").changed(20)):
        report = ask(perfect, suite)
        assert report["right"] == report["problems"] > 100 and report["malformed"] == report["refused"] == 0
    assert (report["model"], report["parameters"], report["unseen"]) == ("perfect", None, None)
    assert report["trained_on"] is report["calibration_error"] is None and report["calibration"] == []
    assert all(row["accuracy"] == 1 for row in report["places"])


@pytest.mark.parametrize(
    ("write", "right", "malformed"),
    [
        (lambda value: f"{value}", True, False),
        (lambda value: f" {value}\n", True, False),
        (lambda value: f"{value} because", True, False),
        (lambda value: f"{value}.", True, False),
        (lambda value: f"{value}, so", True, False),
        (lambda value: f"{value} * 2", False, True),
        (lambda value: f"{value} 1/2", False, True),
        (lambda value: f"{value} 000", False, True),
        (lambda value: f"{value}. 5", False, True),
        (lambda value: f"{value}, or {value + 1}", False, True),
        (lambda value: f"{value} because\n1+1=2", True, False),
        (lambda value: f"{value}+1=3", False, True),
        (lambda value: f"{value}e5", False, True),
        (lambda value: f"{value}/1", False, True),
        (lambda value: f"{value:+}\n12", True, False),
        (lambda value: f"{'-' * (value < 0)}00{abs(value)}", True, False),
        (lambda value: f"{value + 1}", False, False),
        (lambda value: f"{value}1", False, False),
        (lambda value: f"{value}.5", False, True),
        (lambda value: f"{value},000", False, True),
        (lambda value: f"is {value}", False, True),
        (lambda value: "", False, True),
        (lambda value: "-", False, True),
        (lambda value: "٣", False, True),
        (lambda value: "-999", False, False),
        (lambda value: "9" * 10**6, False, True),
        (lambda value: f"-{10**30}", False, True),
    ],
)
def test_what_is_made_of_a_completion(write: Callable[[int], str], right: bool, malformed: bool) -> None:
    suite = Suite("x", (Part("uniform", 20), Part("robustness", 4)))
    report = ask(lambda prompts: [write(solution(prompt)) for prompt in prompts], suite, Task(("+", "-"), 1, 50))
    assert report["problems"] > 60
    assert report["right"] == right * report["problems"] and report["malformed"] == malformed * report["problems"]
    for record in report["wrong"]:
        value = solution(record["problem"])
        assert record["solution"] == str(value) and (record["answer"] is None) == malformed
        assert record["case"] is not None or record["completion"] == write(value)


def test_what_repeats_the_prompt_has_no_answer() -> None:
    for suite in (SUITE, "robustness", "carry", "adversarial"):
        for task in (Task(("+", "-"), 0, 9), Task(("+", "-"), 0, 99)):
            report = evaluate(list, suite, tasks=task)
            assert report["malformed"] == report["problems"] > 0


def test_minus_nothing_is_nothing() -> None:
    report = ask(lambda prompts: [f"-{-solution(p)}" if solution(p) <= 0 else "x" for p in prompts])
    zero_or_less = sum(row["right"] for row in report["operations"])
    assert zero_or_less + report["malformed"] == report["problems"] and report["malformed"] > 0


@pytest.mark.parametrize(
    "answer",
    [
        lambda prompts: perfect(prompts)[1:],
        lambda prompts: [*perfect(prompts), "1"],
        lambda prompts: [1 for _ in prompts],
        lambda prompts: [None for _ in prompts],
        lambda prompts: "1" * len(prompts),
        lambda prompts: None,
        lambda prompts: (text for text in perfect(prompts)),
    ],
)
@pytest.mark.parametrize("kind", ["uniform", "robustness"])
def test_what_a_function_must_give(answer: Any, kind: str) -> None:
    with pytest.raises(CalcGPTError, match=r"was given \d+ prompts: expected a list of as many texts") as caught:
        ask(answer, Suite("x", (Part(kind, 10),)))
    assert "\n" not in str(caught.value)


def test_arrays_of_text_and_tuples_do() -> None:
    assert ask(lambda prompts: tuple(perfect(prompts)))["exact_match"] == 1


@pytest.mark.parametrize(
    "task", [TASK, Task(("+", "-"), 0, 999, negative_results=False), Task(("+", "*"), 0, 10**40 - 1)], ids=str
)
def test_a_function_with_a_models_mistakes_has_its_counts(stub: Callable[..., Any], task: Task, tmp_path: Path) -> None:
    rules = {
        "wrong": lambda problems: problems.operands[:, 0] % 3 == 0,
        "mute": lambda problems: problems.operands[:, 1] % 5 == 0,
    }
    solver = stub(task, positions=300, **{name: lambda p, r=rule: r(p).astype(bool) for name, rule in rules.items()})

    def alike(prompts: Sequence[str]) -> list[str]:
        found = []
        for prompt in prompts:
            bare = re.sub(r"[ ()]", "", prompt.rstrip(" =")).replace("×", "*").replace("−", "-").lstrip("+")
            a, b = re.fullmatch(r"(-?\d+)(?:\+|-|\*|//)(-?\d+)", bare).groups()  # type: ignore[union-attr]
            found.append("?" if int(b) % 5 == 0 else str(solution(prompt) + (int(a) % 3 == 0)))
        return found

    ours = evaluate(solver, SUITE, folder=tmp_path / "ours")
    theirs = evaluate(alike, SUITE, tasks=task, folder=tmp_path / "theirs")
    assert {key: ours[key] for key in TOLD} == {key: theirs[key] for key in TOLD}
    assert 0 < ours["malformed"] < ours["problems"] - ours["right"] < ours["problems"]
    files = [Path(report["failures_file"]).read_text(encoding="utf-8").splitlines() for report in (ours, theirs)]
    for one, other in zip(*(map(json.loads, lines) for lines in files), strict=True):
        assert {key: one[key] for key in COMPARED} == {key: other[key] for key in COMPARED}


def test_what_cannot_be_asked_is_refused_and_not_malformed(stub: Callable[..., Any]) -> None:
    """Two digits are all that fit; of three and more some are asked of no one."""
    solver = stub(Task(("+",), 0, 999), notation=Notation(2, 4), mute=lambda problems: problems.operands[:, 0] == 7)
    report = evaluate(solver, Suite("x", (Part("uniform", 30), Part("robustness", 5))))
    assert report["problems_per_second"] * report["seconds"] == pytest.approx(60), "those that could be asked"
    assert report["refused"] == 30 + 5 * 6 and report["right"] + report["malformed"] == 60 and report["malformed"]
    rows = {row["digits"]: row for row in report["buckets"]}
    assert (rows["3"]["problems"], rows["3"]["right"], rows["3"]["malformed"]) == (60, 0, 0)
    refused = [record for record in report["wrong"] if record["error"]]
    assert len(refused) == 60 and all(record["confidence"] in (0.0, None) for record in refused)
    assert sum(row["problems"] for row in report["calibration"]) == 60, "no confidence where nothing was asked"
    assert max(row["place"] for row in report["places"]) == 2 and report["places"][0]["digits"] == report["right"]
    alone = evaluate(solver, Suite("x", (Part("uniform", 30, ("3",)),)))
    assert alone["refused"] == alone["problems"] == 30 and alone["places"] == [] and alone["calibration_error"] is None


def test_some_of_a_batch_are_refused(stub: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("".join(f"{a}+{b}={eval(f'{a}+{b}')}\n" for a in (5, 88, 12) for b in ("(-3)", "9", "40")))
    wrong = {"wrong": lambda problems: problems.operands[:, 0] == 12}
    report = evaluate(stub(Task(("+",), 0, 99), notation=Notation(2, 4), **wrong), _dataset(path))
    assert (report["problems"], report["refused"], report["right"]) == (9, 3, 4)
    told = {record["problem"]: (record["answer"], record["completion"] is None) for record in report["wrong"]}
    assert told == {
        **{f"{a}+(-3)": (None, True) for a in (5, 88, 12)},
        "12+9": ("22", False),
        "12+40": ("53", False),
    }


def _dataset(path: Path) -> Suite:
    return Suite("dataset", (Part("dataset", path=str(path)),))


def test_numbers_of_forty_digits(stub: Callable[..., Any]) -> None:
    def odd(problems: Problems) -> np.ndarray:
        return (problems.operands[:, 0] % 2 == 1).astype(bool)

    suite = load_suite("lengths").changed(30)
    report = evaluate(stub(Task(("+", "*"), 0, 10**40 - 1), positions=300, wrong=odd), suite)
    assert [row["digits"] for row in report["buckets"]] == ["40", "40"] and 0 < report["right"] < 60
    for record in report["wrong"]:
        value = eval(record["problem"])
        assert record["solution"] == str(value) and record["answer"] == str(value + 1)
    assert max(row["place"] for row in report["places"]) >= 78
    short = evaluate(stub(Task(("+",), 0, 10**40 - 1)), suite)
    assert short["refused"] == 30 and "40 positions" in short["wrong"][0]["error"]


def test_columns_without_a_token_for_an_operator(columns_of: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("1+1=2\n6*7=42\n")
    solver = columns_of(characters="0123456789+=", operations=["+"], max_operands=2)
    report = evaluate(solver, _dataset(path))
    assert (report["problems"], report["refused"]) == (2, 1) and "*" in report["wrong"][-1]["error"]


@pytest.mark.parametrize(
    ("model", "tasks", "message"),
    [
        (perfect, (), "expected `tasks` that say what to ask a function"),
        (3, [TASK], "expected a model, or a function from prompts to completions, not int"),
        (None, [TASK], "expected a model, or a function from prompts to completions, not NoneType"),
    ],
)
def test_what_cannot_be_asked(model: Any, tasks: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        evaluate(model, SUITE, tasks=tasks)


def test_names_and_ranges(stub: Callable[..., Any], columns_of: Callable[..., Any], tiny_model: Path) -> None:
    assert subject_of(stub(TASK)).name == "a model in memory" and subject_of(stub(TASK)).tasks == [TASK]
    assert [subject_of(each, [TASK]).signed for each in (perfect, stub(TASK))] == [True, True]
    assert not subject_of(perfect, [Task()]).signed and not subject_of(stub(Task())).columns
    assert subject_of(columns_of()).columns and not subject_of(columns_of()).signed
    assert subject_of(columns_of(signed=True, max_operands=2)).signed

    class Named:
        def __call__(self, prompts: list[str]) -> list[str]:
            return prompts

    assert subject_of(Named(), [TASK]).name == "Named"


def test_tokens_are_those_of_their_problem_whatever_is_refused(tiny_model: Any) -> None:
    solver = CalcGPT(tiny_model, device="cpu")
    problems = ColumnProblems.from_operands("+", [[3, 4], [300, 4], [5, 9], [6, 1000], [2, 2]])
    answers = subject_of(solver).answer(problems)
    assert [reason is None for reason in answers.refusals or []] == [True, False, True, False, True]
    for row in (0, 2, 4):
        (expected,) = solver.solve_batch([problems.expressions()[row]], token_details=True)
        completion, tokens = answers.written(row)
        assert completion == expected["completion"]
        assert [token["token"] for token in tokens or []] == [token["token"] for token in expected["tokens"]]
    assert answers.written(1) == (None, None)


def test_what_was_typed_oddly_is_kept_with_its_tokens(tiny_model: Any) -> None:
    answers = subject_of(CalcGPT(tiny_model, device="cpu")).answer_texts([" 3 + 4 ", "3^4", "007+1="])
    assert [reason is None for reason in answers.refusals or []] == [True, False, True]
    completion, tokens = answers.written(2)
    assert tokens and "".join(token["token"] for token in tokens[:-1]) == completion
    assert answers.confidence is not None and 0 < answers.confidence[0] <= 1
    assert answers.written(1) == (None, None)
