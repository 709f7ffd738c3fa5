"""Reports: figures that add up, whatever the model gets wrong; and a trained model against a random one."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError, ModelFolderError
from calcgpt.evaluation import Part, Suite, evaluate, judging, load_suite
from calcgpt.evaluation.language import TESTS
from calcgpt.inference.solver import CalcGPT

Stub = Callable[..., Any]
TASK = Task(("+", "-"), 0, 30, negative_results=True)
KEYS = ["model", "suite", "version", "seed", "description", "parts", "complete", "parameters", "unseen", "run"]
KEYS += [
    "problems",
    "right",
    "malformed",
    "refused",
    "exact_match",
    "interval",
    "trained_on",
    "never_seen",
    "operations",
    "buckets",
]
KEYS += ["carries", "cases", "grid", "places", "calibration", "calibration_error", "resumed", "wrong"]
KEYS += ["failures_file", "seconds", "milliseconds", "problems_per_second", "language"]


def carries(problems: Problems) -> np.ndarray:
    return problems.carries() > 0


def keys_of(*problems: Problems) -> np.ndarray:
    return np.unique(Problems.concatenate(problems).keys())


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[[np.ndarray | None], None]:
    """Says what models were trained on from then on."""
    return lambda keys: monkeypatch.setattr(judging, "trained_problems", lambda run: keys)


def asked(problems: Problems) -> list[tuple[str, tuple[int, int]]]:
    symbols = [problems.symbols[index] for index in problems.operation]
    return [(symbol, (a, b)) for symbol, (a, b) in zip(symbols, problems.operands.tolist(), strict=True)]


def carries_of(a: int, b: int) -> bool:
    return a % 10 + b % 10 > 9


def borrows_of(a: int, b: int) -> bool:
    return max(a, b) % 10 < min(a, b) % 10


def test_exhaustive_counts_exactly(stub: Stub, trained: Any) -> None:
    every = [(a, b) for a in range(31) for b in range(31)]
    wrong = {symbol: sum(carry(a, b) for a, b in every) for symbol, carry in (("+", carries_of), ("-", borrows_of))}
    drawn = TASK.sample(900, np.random.default_rng(0))
    trained(keys_of(drawn))
    calls: list[tuple[int, int]] = []
    report = evaluate(stub(TASK, wrong=carries), "exhaustive", progress=lambda *call: calls.append(call))
    total = 2 * 31 * 31
    assert list(report) == KEYS
    assert report["suite"] == "exhaustive" and report["problems"] == total and report["unseen"] is True
    assert report["right"] == total - sum(wrong.values()) and report["exact_match"] == report["right"] / total
    for key in ("problems", "right"):
        assert report["trained_on"][key] + report["never_seen"][key] == report[key]
    seen = {(symbol, *pair) for symbol, pair in asked(drawn)} | {
        ("+", b, a) for symbol, (a, b) in asked(drawn) if symbol == "+"
    }
    assert report["trained_on"]["problems"] == len(seen)
    mistakes = {"+": carries_of, "-": borrows_of}
    assert report["trained_on"]["right"] == sum(not mistakes[symbol](a, b) for symbol, a, b in seen)
    assert [row["operation"] for row in report["operations"]] == ["+", "-"]
    assert [row["problems"] - row["right"] for row in report["operations"]] == list(wrong.values())
    assert calls == sorted(calls) and calls[-1] == (total, total)
    assert len(report["wrong"]) == 100 and report["seconds"] > 0
    (first,) = [row for row in report["wrong"] if row["problem"] == "9-10"]
    assert (first["answer"], first["solution"], first["error"]) == ("0", "-1", None)
    assert all(each["confidence"] >= other["confidence"] for each, other in pairwise(report["wrong"]))
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize("suite", ["quick", "standard"])
def test_what_was_trained_on_is_not_drawn_and_counts_add_up(suite: str, stub: Stub, trained: Any) -> None:
    trained(keys_of(TASK.sample(300, np.random.default_rng(0))))
    chosen = load_suite(suite).changed(count=40, seed=3)
    report = evaluate(stub(TASK, wrong=carries), chosen)
    assert report["suite"] == suite and report["unseen"] is True and report["seed"] == 3
    if suite == "quick":
        assert report["trained_on"]["problems"] == 0
    for table in ("operations", "buckets", "carries"):
        for key in ("problems", "right", "malformed"):
            assert report[key] == sum(row[key] for row in report[table]), table
    assert report["problems"] > 120
    if suite == "quick":
        assert report["problems"] - report["right"] >= len(report["wrong"]) > 40, "each problem once"
    assert all(int(row["answer"]) == int(row["solution"]) + 1 for row in report["wrong"])
    assert {row["trained_on"] for row in report["wrong"]} <= {False, suite == "standard"}
    assert json.loads(json.dumps(report)) == report
    again = evaluate(stub(TASK, wrong=carries), chosen)
    for timed in ("seconds", "milliseconds", "problems_per_second"):
        assert report.pop(timed) > 0 and again.pop(timed) > 0
    assert again == report


def test_carries_are_where_the_mistakes_are(stub: Stub) -> None:
    rows = evaluate(stub(Task(("+", "-"), 0, 999), wrong=carries), load_suite("carry").changed(50))["carries"]
    kept = [(row["operation"], row["chain"], row["problems"], row["right"]) for row in rows]
    assert kept == [("+", 0, 50, 50), *(("+", n, 50, 0) for n in (1, 2, 3)), ("-", 0, 50, 50)] + [
        ("-", n, 50, 0) for n in (1, 2)
    ]


def test_the_grid_says_which_lengths_fail(stub: Stub) -> None:
    rule = lambda problems: problems.operands[:, 1] > 99  # noqa: E731
    report = evaluate(stub(Task(("+", "*"), 0, 999), wrong=rule), load_suite("length-grid").changed(7))
    cells = {(row["operation"], row["first"], row["second"]): row["exact_match"] for row in report["grid"]}
    expected = {(symbol, a, b): float(b < 3) for symbol in "+*" for a in (1, 2, 3) for b in (1, 2, 3)}
    assert cells == expected


@pytest.mark.parametrize("suite", ["standard", "lengths", "length-grid", "adversarial"])
def test_progress_goes_one_way_to_its_end(suite: str, stub: Stub) -> None:
    calls: list[tuple[int, int]] = []
    solver = stub(Task(("+", "*", "//"), 0, 10**12 - 1), positions=60)
    evaluate(solver, load_suite(suite).changed(count=3), progress=lambda *call: calls.append(call))
    assert calls == sorted(calls) and calls[-1][0] == calls[-1][1] and len({total for _, total in calls}) == 1


def test_blocks_are_counted_like_one(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite("standard").changed(count=50)
    whole = evaluate(stub(TASK, wrong=carries), suite)
    monkeypatch.setattr(judging, "BLOCK", 7)
    parts = evaluate(stub(TASK, wrong=carries), suite)
    for name in ("seconds", "milliseconds", "problems_per_second", "calibration", "calibration_error"):
        del whole[name], parts[name]
    assert sorted(map(str, parts.pop("cases"))) == sorted(map(str, whole.pop("cases")))
    assert parts == whole


def test_what_was_trained_on_may_be_unknown(stub: Stub) -> None:
    report = evaluate(stub(TASK), "exhaustive")
    assert report["exact_match"] == 1.0 and report["wrong"] == [] and report["unseen"] is False
    assert report["trained_on"] is None and report["never_seen"] is None
    assert evaluate(stub(TASK), "quick")["unseen"] is False


def test_nothing_to_ask(stub: Stub, trained: Any) -> None:
    for suite in ("standard", "exhaustive", "lengths"):
        with pytest.raises(ConfigError, match="trained on text without arithmetic"):
            evaluate(stub(), suite)
    task = Task(("+",), 0, 3)
    trained(keys_of(*[task.sample(2000, np.random.default_rng(0))]))
    report = evaluate(stub(task), "quick")
    assert (report["problems"], report["exact_match"], report["milliseconds"]) == (0, None, None)
    nothing = {**dict.fromkeys(("problems", "right", "malformed", "refused"), 0), "exact_match": None, "interval": None}
    assert evaluate(stub(task), "exhaustive")["never_seen"] == nothing
    with pytest.raises(ConfigError, match="expected at most 1,000,000,000 pairs of operands"):
        evaluate(stub(Task(("+",), 0, 10**6)), "exhaustive")


def test_a_complete_count_is_no_estimate(stub: Stub) -> None:
    report = evaluate(stub(TASK, wrong=carries), "exhaustive")
    tables = [row for name in ("operations", "buckets", "carries") for row in report[name]]
    assert report["complete"] and all(
        row["interval"] is None for row in [report, report["trained_on"] or report, *tables]
    )
    drawn = evaluate(stub(TASK, wrong=carries), Suite("x", (Part("exhaustive"), Part("carry", 10))))
    assert not drawn["complete"] and drawn["interval"] is not None


def test_the_lines_of_a_file_are_completed_too(stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("1+2=3\n9-4=5\n8+8=16\n")
    suite, calls = Suite("x", (Part("dataset", path=str(tmp_path / "data.txt")),)), []
    report = evaluate(stub(TASK), suite, progress=lambda *call: calls.append(call))
    assert [(row["test"], row["problems"]) for row in report["language"]] == [(name, 3) for name in TESTS]
    assert calls[-1] == (12, 12) and calls == sorted(calls)
    functions = evaluate(lambda prompts: ["0"] * len(prompts), suite, tasks=[TASK])
    assert functions["language"] == [] and evaluate(stub(TASK), "quick")["language"] == []


def test_a_range_that_is_refused_is_not_asked(stub: Stub) -> None:
    narrow = stub(TASK, notation=Notation(2, 3))
    for digits in ("3", "4"):
        with pytest.raises(ConfigError, match=r"cannot be asked 999.*places for 2 digits"):
            evaluate(narrow, load_suite("exhaustive").changed(digits=(digits,)))
    assert evaluate(narrow, load_suite("exhaustive").changed(digits=("1",)))["problems"] == 200


def test_ranges_of_ones_own(stub: Stub) -> None:
    report = evaluate(stub(TASK), "exhaustive", tasks=[Task(("*",), 0, 3)])
    assert [(row["operation"], row["problems"]) for row in report["operations"]] == [("*", 16)]


def test_a_trained_model_is_told_from_a_random_one(tiny_model: Path) -> None:
    solver = CalcGPT(tiny_model, device="cpu")
    report = evaluate(solver, "exhaustive")
    assert report["problems"] == 200 and report["trained_on"]["problems"] + report["never_seen"]["problems"] == 200
    assert report["never_seen"]["problems"] > 10, "a fifth is held out"
    assert report["model"] == str(tiny_model) and report["parameters"] == solver.model.num_parameters
    assert (
        report["exact_match"]
        == sum(solver.solve(f"{a}{symbol}{b}")["is_correct"] for symbol in "+-" for a in range(10) for b in range(10))
        / 200
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in solver.model.parameters():
            parameter.normal_(std=0.1)
    random = evaluate(solver, "exhaustive")
    assert report["right"] > 60 and random["right"] < 30
    assert random["trained_on"]["problems"] == report["trained_on"]["problems"]
    fresh = evaluate(solver, load_suite("quick").changed(1000))
    unseen = report["never_seen"]["problems"]
    assert sum(row["problems"] for row in fresh["buckets"]) == fresh["problems"] >= unseen
    uniform = evaluate(solver, load_suite("lengths").changed(1000))
    assert uniform["problems"] == unseen and uniform["trained_on"]["problems"] == 0, "all that is left"


def test_models_by_name(tiny_model: Path) -> None:
    for model in (tiny_model, str(tiny_model)):
        assert evaluate(model, "exhaustive", device="cpu")["problems"] == 200
    with pytest.raises(ModelFolderError, match="there is no model"):
        evaluate("nothing-of-this-name")
    with pytest.raises(ConfigError, match="there is no suite"):
        evaluate(tiny_model, "nothing")
