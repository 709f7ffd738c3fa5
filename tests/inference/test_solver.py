"""Solving: what a result says, what is refused alone, and that a batch answers as one by one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.notation import Written
from calcgpt.arithmetic.operations import OPERATIONS, Operation
from calcgpt.arithmetic.problems import Problems, from_expressions, sample
from calcgpt.errors import CalcGPTError, ConfigError, ModelFolderError, TokenError, UnsupportedProblem
from calcgpt.inference.decoding import Completions
from calcgpt.inference.results import was_cut
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.store import write_model

SolverOf = Callable[..., CalcGPT]

KEYS = {
    "problem": str,
    "answer": (str, type(None)),
    "is_correct": bool,
    "confidence": float,
    "in_distribution": bool,
    "inference_time": float,
    "full_result": str,
    "completion": str,
    "error": (str, type(None)),
}
PADDED = {"width": 2, "answer_width": 3, "interleave": True, "reverse": True}
SUMS = {"operations": ["+", "-"], "min_value": 0, "max_value": 99, "negative_results": True, "carry_share": 0.0}


def run_of(notation: dict[str, Any] | None = None, *tasks: dict[str, Any]) -> dict[str, Any]:
    return {"config": {"notation": notation or {}}, "data": {"tasks": list(tasks or [SUMS])}}


def knowing(solver: CalcGPT, wrong: set[str] = frozenset(), mute: set[str] = frozenset()) -> CalcGPT:  # type: ignore[assignment]
    """The same solver, whose model writes the solution; one more for `wrong` expressions, nothing for `mute` ones."""

    def decode(problems: Problems, *options: Any, **more: Any) -> Completions:
        texts = problems.expressions()
        values = problems.solutions() + np.array([text in wrong for text in texts])
        written = solver.notation.write_answers(problems, values)
        lengths = torch.tensor([0 if text in mute else n for text, n in zip(texts, written.lengths, strict=True)])
        tokens = torch.from_numpy(solver.tokenizer.encode_characters(written.characters))
        tokens = tokens.masked_fill(torch.arange(tokens.shape[1]) >= lengths[:, None], 0)
        scores = torch.full((len(problems), tokens.shape[1] + 1), -0.1)
        return Completions(tokens, lengths, torch.ones(len(problems), dtype=torch.bool), scores)

    solver.decode = decode  # type: ignore[method-assign]
    return solver


def timeless(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "inference_time"}


@pytest.mark.parametrize("text", ["12+34", "7", "1000+1"])
def test_a_result_has_the_documented_keys(solver_of: SolverOf, text: str) -> None:
    result = solver_of(**run_of()).solve(text)
    assert list(result) == list(KEYS)
    assert all(isinstance(result[key], kind) for key, kind in KEYS.items())
    assert 0 <= result["confidence"] <= 1 and result["inference_time"] >= 0
    assert json.loads(json.dumps(result)) == result


def test_a_right_and_a_wrong_answer(solver_of: SolverOf) -> None:
    for notation in ({}, PADDED):
        solver = knowing(solver_of(max_length=24, **run_of(notation)), wrong={"30-40"}, mute={"7-7"})
        right, wrong, silent = solver.solve_batch(["12 + 34 =", "30-40", "7-7"])
        assert (right["problem"], right["answer"], right["is_correct"]) == ("12+34", "46", True)
        assert right["full_result"] == "12+34=46" and right["error"] is None
        assert (wrong["answer"], wrong["is_correct"], wrong["full_result"]) == ("-9", False, "30-40=-9")
        assert (silent["answer"], silent["is_correct"], silent["full_result"]) == (None, False, "7-7=")
        assert right["completion"] == ("46" if not notation else "+640")


def test_confidence_is_the_probability_of_the_whole_completion(solver_of: SolverOf) -> None:
    solver = solver_of(**run_of())
    for result in solver.solve_batch(["1+1", "12-3", "99+9"], token_details=True):
        probabilities = [token["probability"] for token in result["tokens"]]
        assert math.isclose(result["confidence"], math.prod(probabilities), rel_tol=1e-4)
        texts = [token["token"] for token in result["tokens"]]
        assert "".join(texts).removesuffix("<eos>") == result["completion"]
    assert "tokens" not in solver.solve("1+1")


REFUSED = {
    "12 plus 34": "unknown operator 'plus'",
    "": "an empty line",
    "   ": "an empty line",
    "12+": "expected two whole numbers",
    "1.5+2": "expected two whole numbers",
    "12/4": "unknown operator '/'",
    "12^4": "unknown operator '^'",
    "5//0": "5//0 is not defined",
    "5%0": "5%0 is not defined",
    "3*4": "no token for '*': it was trained on + -",
    "9" * 5000 + "+1": "more digits than the model has places",
    "1+" + "9" * 5000: "more digits than the model has places",
    "12345678+12345678": "more digits than the model has places",
    "①+2": "expected two whole numbers",
    "1+2\x00": "expected two whole numbers",
    "😀": "expected two whole numbers",
}


@pytest.mark.parametrize("mode", ["char", "number"])
def test_what_cannot_be_asked_is_refused_alone(solver_of: SolverOf, mode: str) -> None:
    solver = solver_of(mode=mode, max_length=12 if mode == "char" else 8, **run_of())
    results = solver.solve_batch([text for refused in REFUSED for text in ("1+1", refused)])
    assert [result["error"] for result in results[1::2]] == [solver.solve(text)["error"] for text in REFUSED]
    alone = timeless(solver.solve("1+1"))
    for answered, refused, reason in zip(results[::2], results[1::2], REFUSED.values(), strict=True):
        assert {**timeless(answered), "confidence": 0} == {**alone, "confidence": 0}
        assert reason in refused["error"] and len(refused["error"]) < 250 and "\n" not in refused["error"]
        assert refused["answer"] is None and not refused["is_correct"] and not refused["in_distribution"]
        assert refused["full_result"] == refused["problem"] and refused["confidence"] == 0
    assert [result["problem"] for result in results[1::2]] == list(REFUSED), "each text as it was given"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-3+4", "no negative operands, and -3 is one"),
        ("3-(-4)", "no negative operands, and -4 is one"),
        ("100+1", "places for 2 digits an operand, and 100 has more"),
        ("9" * 5000 + "+1", "places for 2 digits an operand, and 9999"),
        ("-" + "9" * 5000 + "+1", "no negative operands, and -9999"),
    ],
)
def test_what_a_padded_notation_cannot_write(solver_of: SolverOf, text: str, reason: str) -> None:
    solver = solver_of(**run_of(PADDED))
    refused, answered = solver.solve_batch([text, "12+34"])
    assert reason in refused["error"] and len(refused["error"]) < 250
    assert answered["error"] is None and answered["problem"] == "12+34"


def test_a_batch_where_nothing_can_be_asked(solver_of: SolverOf) -> None:
    solver = solver_of(**run_of())
    assert [result["error"] is not None for result in solver.solve_batch(["x", "9" * 5000 + "-1"])] == [True, True]
    assert solver.solve_batch([]) == []


def test_one_long_number_does_not_widen_the_whole_batch(solver_of: SolverOf, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = solver_of(**run_of())
    widths: list[int] = []
    write = type(solver.notation).write_prompts

    def watched(notation: Any, problems: Problems) -> Written:
        written = write(notation, problems)
        widths.append(written.characters.shape[1])
        return written

    monkeypatch.setattr(type(solver.notation), "write_prompts", watched)
    solver.solve_batch(["1+1"] * 50 + ["7" * 5000 + "+1"])
    assert max(widths) < 50


def test_out_of_distribution_is_answered_and_marked(solver_of: SolverOf) -> None:
    tasks = [SUMS, {**SUMS, "operations": ["*"], "max_value": 9}]
    solver = solver_of("0123456789+-*=()", **run_of({}, *tasks))
    texts = ["99+99", "0-99", "9*9", "100+1", "10*9", "-1+5", "5-(-1)"]
    results = solver.solve_batch(texts)
    assert [result["error"] for result in results] == [None] * len(texts)
    assert [result["in_distribution"] for result in results] == [True, True, True, False, False, False, False]
    nonnegative = solver_of(**run_of({}, {**SUMS, "negative_results": False}))
    assert [result["in_distribution"] for result in nonnegative.solve_batch(["5-3", "3-5"])] == [True, False]


@pytest.mark.parametrize("notation", [{}, PADDED, {"reverse": True}])
def test_a_batch_answers_as_one_by_one(solver_of: SolverOf, notation: dict[str, Any]) -> None:
    solver = solver_of(**run_of(notation))
    texts = sample(("+", "-"), 0, 99, 150, np.random.default_rng(0)).expressions()
    batch = solver.solve_batch(texts)
    for text, together in zip(texts, batch, strict=True):
        alone = solver.solve(text)
        assert math.isclose(alone.pop("confidence"), together.pop("confidence"), rel_tol=1e-3, abs_tol=1e-6)
        assert timeless(alone) == timeless(together)


def test_temperature_draws_reproducibly(solver_of: SolverOf) -> None:
    solver, texts = solver_of(**run_of()), ["12+34", "5-7", "99+1"] * 10

    def completions(**options: Any) -> list[str]:
        return [result["completion"] for result in solver.solve_batch(texts, **options)]

    assert completions(temperature=1.5, seed=1) == completions(temperature=1.5, seed=1)
    assert completions(temperature=1.5, seed=1) != completions(temperature=1.5, seed=2)
    assert completions() == completions(temperature=0.0, seed=9)
    with pytest.raises(ValueError, match="temperature must be"):
        completions(temperature=-1)


def test_complete_continues_any_text(solver_of: SolverOf) -> None:
    solver = solver_of("abcdefgh ", max_length=12)
    text = solver.complete("abc")
    assert set(text) <= set("abcdefgh ") and len(text) <= 9
    assert solver.complete("abc", max_new_tokens=2) == text[:2]
    assert solver.complete("abc", temperature=2.0, seed=1) == solver.complete("abc", temperature=2.0, seed=1)
    for prompt, error, reason in [
        ("abX", TokenError, "unknown character 'X' at position 3"),
        ("", UnsupportedProblem, "expected a text of 1 to 11 tokens, not 0"),
        ("a" * 12, UnsupportedProblem, "expected a text of 1 to 11 tokens, not 12"),
    ]:
        with pytest.raises(error, match=reason):
            solver.complete(prompt)
    with pytest.raises(UnsupportedProblem, match="max_new_tokens must be at least 1"):
        solver.complete("a", max_new_tokens=0)


def test_a_plain_text_model_has_no_problems(solver_of: SolverOf) -> None:
    solver = solver_of("abc ", data={"tasks": []})
    result = solver.solve("1+1")
    assert "no token for '1': it was trained on text without arithmetic" in result["error"]


def test_decoding_does_no_arithmetic(solver_of: SolverOf, monkeypatch: pytest.MonkeyPatch) -> None:
    for notation in ({}, PADDED, {"width": 2, "answer_width": 3}, {**PADDED, "complement": True}):
        solver = solver_of(max_length=24, **run_of(notation))
        problems = sample(("+", "-"), 0, 99, 300, np.random.default_rng(1))
        before = solver.decode(problems)
        with monkeypatch.context() as patch:
            for name in ("apply", "carries"):
                patch.setattr(Operation, name, lambda *_: pytest.fail("arithmetic is done while decoding"))
            for symbol, operation in list(OPERATIONS.items()):
                broken = Operation(symbol, operation.name, lambda a, b: 1 / 0, operation.commutative)
                patch.setitem(OPERATIONS, symbol, broken)
            after = solver.decode(problems)
            solver.refusals(problems)
        assert torch.equal(before.tokens, after.tokens) and torch.equal(before.lengths, after.lengths)


def test_answers_of_any_length_are_read(solver_of: SolverOf) -> None:
    """Completions longer than int64 has digits, beside short ones, and one that was never ended."""
    solver = solver_of(**run_of())
    texts = ["12", "-7", "9" * 30, "", "-", "1-2", "=5", "007", "5"]
    written = Written(*_columns(texts))
    tokens = torch.from_numpy(solver.tokenizer.encode_characters(written.characters))
    ended = torch.tensor([True] * 8 + [False])
    values, readable = solver.read_answers(Completions(tokens, torch.from_numpy(written.lengths), ended, tokens))
    assert readable.tolist() == [True, True, True, False, False, False, False, True, False]
    assert values[readable].tolist() == [12, -7, int("9" * 30), 7]


def _columns(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    width = max(map(len, texts))
    rows = np.array([[ord(c) for c in text.ljust(width, "\0")] for text in texts], np.uint8)
    return rows, np.array([len(text) for text in texts])


def test_a_folder_is_all_it_needs(solver_of: SolverOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solver, run = solver_of(**run_of(PADDED)), run_of(PADDED)
    folder = tmp_path / "models" / "small"
    folder.mkdir(parents=True)
    write_model(folder, solver.model.state_dict(), solver.model.config.to_dict(), solver.tokenizer, run)
    monkeypatch.chdir(tmp_path)
    for model in (folder, str(folder), "small", None):
        loaded = CalcGPT(model, device="cpu")
        assert timeless(loaded.solve("12+34")) == timeless(solver.solve("12+34"))
        assert loaded.path is not None and loaded.path.resolve() == folder.resolve()
    with pytest.raises(ModelFolderError, match="there is no model 'smal': did you mean small"):
        CalcGPT("smal")
    with pytest.raises(ConfigError, match="unknown device 'tpu'"):
        CalcGPT("small", device="tpu")


@pytest.mark.parametrize(
    "run",
    [
        {"config": {"notation": {"width": -1}}},
        {"config": {"notation": {"wide": 1}}},
        {"config": []},
        {"data": {"tasks": [{"operations": [5]}]}},
        {"data": {"tasks": [5]}},
    ],
)
def test_a_run_json_that_makes_no_sense(solver_of: SolverOf, run: dict[str, Any]) -> None:
    with pytest.raises(ModelFolderError, match="run.json does not say how the model was trained"):
        solver_of(**run)


def test_from_expressions_is_what_a_batch_reads(solver_of: SolverOf) -> None:
    solver = solver_of("0123456789+-*/%=()", **run_of())
    texts = ["+5 + 3", "(−2)×3", "007-0010", "5 // 2="]
    assert [result["problem"] for result in solver.solve_batch(texts)] == from_expressions(texts).expressions()


def test_a_model_says_what_it_is(tiny_model: Path) -> None:
    solver = CalcGPT(tiny_model, device="cpu")
    said = repr(solver)
    assert said.startswith("<CalcGPT: computes + - of 0 to 9, parameters ") and str(tiny_model) in said
    assert f"{solver.model.num_parameters:,}" in said and "1+2=3 is written " in said
    html = solver._repr_html_()
    assert "<table" in html and "+ - of 0 to 9" in html
    memory = CalcGPT.from_parts(solver.model, solver.tokenizer)
    assert "text without arithmetic" in repr(memory) and "from memory" in repr(memory)
    assert "12+34=46 is written +12++34=+640+640" in repr(CalcGPT("calculator", device="cpu"))


# Limits


def test_limits_of_tokens_and_time(solver_of: SolverOf) -> None:
    solver, texts = solver_of(max_length=40, **run_of()), ["12+34", "5-7", "99+1", "hello"] * 5
    whole = solver.solve_batch(texts)
    counts = solver.count_tokens(texts)
    assert all((count == 0) == (text == "hello") for count, text in zip(counts, texts, strict=True))
    assert max(counts) >= max(len(result["completion"]) for result in whole)
    parts = solver.solve_batch(texts, max_tokens=2)
    for result, part in zip(whole, parts, strict=True):
        if len(result["completion"]) < 2:  # with its end, or refused
            assert timeless(part) == timeless(result)
        else:
            assert part["error"] == "cut off: no end after 2 tokens (max_tokens)" and part["answer"] is None
            assert part["completion"] == result["completion"][:2] and part["confidence"] == 0.0 and was_cut(part)
    assert any(map(was_cut, parts)) and not all(map(was_cut, parts))
    late = solver.solve_batch(texts, timeout=1e-9)
    assert [was_cut(result) for result in late] == [text != "hello" for text in texts]
    assert "s were over (timeout), with 0 tokens written" in late[0]["error"]
    calls: list[tuple[int, int]] = []
    solver.solve_batch(texts, on_tokens=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (sum(counts),) * 2 and calls == sorted(calls)


def test_draws_of_a_batch_are_those_of_its_parts(solver_of: SolverOf) -> None:
    solver, texts = solver_of(**run_of()), ["12+34", "5-7", "x", "99+1"] * 30
    whole = [result["completion"] for result in solver.solve_batch(texts, temperature=1.0, seed=9)]
    parts = [solver.solve_batch(texts[a : a + 7], temperature=1.0, seed=9, first=a) for a in range(0, 120, 7)]
    assert [result["completion"] for part in parts for result in part] == whole
    assert len(set(whole[::4])) > 1, "one problem is drawn in several ways"


def test_a_model_that_diverged_says_so(solver_of: SolverOf, tmp_path: Path) -> None:
    solver = solver_of(**run_of())
    with torch.no_grad():
        solver.model.wpe.weight.fill_(float("nan"))
    for temperature in (0.0, 1.0):
        result = solver.solve("12+34", temperature=temperature, token_details=True)
        assert "probabilities are not finite" in result["error"] and result["answer"] is None
        assert json.loads(json.dumps(result, allow_nan=False)) == result
        with pytest.raises(CalcGPTError, match="probabilities are not finite"):
            solver.complete("12+34=", temperature=temperature)
    write_model(tmp_path, solver.model.state_dict(), solver.model.config.to_dict(), solver.tokenizer, run_of())
    with pytest.raises(ModelFolderError, match="the model's weights are not finite"):
        CalcGPT(tmp_path)
