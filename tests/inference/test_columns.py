"""Answering in columns: verdicts, refusals, mixed shapes; and that nothing but the model looks at a digit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from calcgpt.arithmetic import columns as arithmetic
from calcgpt.arithmetic import digits, operations, traces
from calcgpt.arithmetic.columns import ColumnProblems, Shape, group, parse_columns
from calcgpt.errors import ConfigError, UnsupportedProblem
from calcgpt.inference import columns
from calcgpt.inference.choosing import Completions
from calcgpt.inference.columns import ask, trained_shape
from calcgpt.inference.results import was_cut
from calcgpt.inference.solver import CalcGPT
from calcgpt.inference.watch import Watch
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.places import place_shape
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer

Knowing = Callable[..., None]
SCHEME = Positions("coupled", "relative", (1,), segments=True, ahead=True)
KEYS = ["problem", "answer", "is_correct", "confidence", "in_distribution", "inference_time", "full_result"]
KEYS += ["completion", "error"]
TASK = {"operations": ["+", "-", "*", "//", "%"], "max_digits": [3, 2], "max_operands": 4}
MIXED = ["12+34", "1-22", "7*8", "100//7", "45+54", "1+2+3", "100%7", "305-299", "999+1", "12+5+99+7", "8*7", "5-5"]


def solver_of(scheme: Positions = SCHEME, layers: int = 1, **task: Any) -> CalcGPT:
    """A solver that answers at random."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.build(["0123456789+-*/%="])
    sizes = {"embedding_dim": 16, "num_layers": layers, "num_heads": 2, "feedforward_dim": 16}
    model = GPT(GPTConfig(len(tokenizer), 99, **sizes, positions=scheme))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    run = {"config": {"notation": {"work": "columns"}}, "data": {"tasks": [{**TASK, **task}]}}
    return CalcGPT.from_parts(model, tokenizer, run)


def true_answer(text: str) -> str:
    return str(eval(text))


def timeless(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "inference_time"}


def assert_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["confidence"] == pytest.approx(other["confidence"], rel=1e-3, abs=1e-7)
    assert {**timeless(one), "confidence": 0} == {**timeless(other), "confidence": 0}


@pytest.mark.parametrize("text", MIXED)
def test_a_result_has_the_documented_keys(text: str) -> None:
    result = solver_of().solve(text)
    assert list(result) == KEYS and result["error"] is None and result["problem"] == text
    assert 0 <= result["confidence"] <= 1 and result["inference_time"] >= 0
    assert json.loads(json.dumps(result)) == result


def test_right_work_is_right(knowing: Knowing) -> None:
    knowing()
    for text, result in zip(MIXED, solver_of().solve_batch(MIXED), strict=True):
        assert (result["problem"], result["answer"], result["is_correct"]) == (text, true_answer(text), True)
        assert result["full_result"] == f"{text}={true_answer(text)}"
        symbol, operands = parse_columns(text)
        assert result["completion"] == traces.shown(symbol, *operands).split("=")[1]


def test_any_length_is_asked(knowing: Knowing) -> None:
    knowing()
    texts = [f"{10**200 - 1}+1", f"1-{10**150}", f"{7**50}*{3**40}", f"{9**40}//{7**9}", "+".join(["99"] * 40)]
    for text, result in zip(texts, solver_of().solve_batch(texts), strict=True):
        assert result["is_correct"] and result["answer"] == true_answer(text) and not result["in_distribution"]


def test_a_wrong_digit_of_the_answer_is_wrong(knowing: Knowing) -> None:
    knowing(lambda prompt, work: work[:-1] + str((int(work[-1]) + 1) % 10))
    for text in ("12+34", "9-5", "1+2+3", "100%7"):
        result = solver_of().solve(text)
        assert result["answer"] not in (None, true_answer(text)) and result["is_correct"] is False


def test_a_wrong_sign_is_wrong(knowing: Knowing) -> None:
    knowing(lambda prompt, work: work.translate(str.maketrans("+-", "-+")))
    wrong, zero = solver_of().solve_batch(["9-5", "5-5"])
    assert (wrong["answer"], wrong["is_correct"]) == ("-4", False)
    assert (zero["answer"], zero["is_correct"]) == ("0", True), "there is one zero"


def test_only_the_answer_is_judged_not_the_work(knowing: Knowing) -> None:
    knowing(lambda prompt, work: "9" + work[1:])
    result = solver_of().solve("12-5")
    assert result["completion"].startswith("9") and result["is_correct"] and result["answer"] == "7"


@pytest.mark.parametrize("text", ["12+34", "12-34", "100//7"])
def test_what_has_no_form_or_no_end_is_no_answer(text: str, knowing: Knowing) -> None:
    for change in (lambda prompt, work: work[:-1], lambda prompt, work: "=" + work[1:]):
        knowing(change)
        result = solver_of().solve(text)
        assert result["answer"] is None and result["is_correct"] is False and result["error"] is None
        assert result["full_result"] == f"{text}={result['completion']}" and result["completion"]
    knowing(ended=False)
    result = solver_of().solve(text)
    assert result["answer"] is None and result["is_correct"] is False


# Batches


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("scheme", [SCHEME, Positions("abacus", "fire"), Positions("sequential", "rotary", (4,))])
def test_mixed_shapes_keep_their_order_and_answer_as_alone(scheme: Positions, layers: int) -> None:
    solver = solver_of(scheme, layers)
    together = solver.solve_batch(MIXED)
    assert [result["problem"] for result in together] == MIXED
    for text, result in zip(MIXED, together, strict=True):
        assert_alike(solver.solve(text), result)
    backwards = solver.solve_batch(MIXED[::-1])
    for one, other in zip(together, backwards[::-1], strict=True):
        assert_alike(one, other)


def test_a_neighbour_that_never_ends_changes_nothing(monkeypatch: pytest.MonkeyPatch, knowing: Knowing) -> None:
    knowing()
    decode = columns.decode_placed

    def one_goes_on(*arguments: Any) -> Completions:
        found = decode(*arguments)
        more = found.tokens.new_tensor([[0], [found.tokens[1, 0]], [0]])
        lengths, ended = found.lengths + torch.tensor([0, 1, 0]), torch.tensor([True, False, True])
        return Completions(torch.cat([found.tokens, more], 1), lengths, ended, found.log_probabilities)

    monkeypatch.setattr(columns, "decode_placed", one_goes_on)
    answers = [result["answer"] for result in solver_of().solve_batch(["12+34", "56+7", "8+90"])]
    assert answers == ["46", None, "98"]


def test_right_answers_keep_their_order(knowing: Knowing) -> None:
    knowing()
    texts = [f"{a}{symbol}{b}" for a in (3, 47, 250) for b in (6, 18) for symbol in ("+", "-", "*", "//", "%")]
    answers = [result["answer"] for result in solver_of().solve_batch(texts)]
    assert answers == [true_answer(text) for text in texts]


def test_sums_of_several_operands(knowing: Knowing) -> None:
    knowing()
    for text in ("1+2+3", "99+99+99+99", "0+0+0", " 5 + 6 + 77 = ", "+".join("123456789")):
        result = solver_of().solve(text)
        assert result["is_correct"] and result["answer"] == true_answer(text.strip(" ="))


def test_no_problems_give_no_results() -> None:
    assert solver_of().solve_batch([]) == []


def test_token_details_are_what_was_written() -> None:
    solver = solver_of()
    for result in solver.solve_batch(MIXED, token_details=True):
        names = [token["token"] for token in result["tokens"]]
        assert "".join(name for name in names if name != "<eos>") == result["completion"]
        assert names.count("<eos>") <= 1 and "<eos>" not in names[:-1]
        product = math.prod(token["probability"] for token in result["tokens"])
        assert result["confidence"] == pytest.approx(product, rel=1e-3)
    assert "tokens" not in solver.solve(MIXED[0])


def test_draws_follow_the_seed() -> None:
    solver = solver_of()
    drawn = [[r["completion"] for r in solver.solve_batch(MIXED, temperature=1.0, seed=seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(ConfigError, match="temperature must be a finite number of 0 or more"):
        solver.solve("1+1", temperature=-1.0)


def test_progress_counts_every_problem() -> None:
    calls: list[tuple[int, int]] = []
    solver_of().solve_batch([*MIXED, "nonsense"], progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (len(MIXED), len(MIXED)) and calls == sorted(calls)


# Refusals


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("12//0", "is not defined"),
        ("12%0", "is not defined"),
        ("-5+7", "no negative operands"),
        ("5+(-7)", "no negative operands"),
        ("12^3", "expected"),
        ("hello", "expected"),
        ("", "expected"),
        ("1+2-3", "expected"),
    ],
)
def test_what_cannot_be_asked_is_refused_alone(text: str, reason: str, knowing: Knowing) -> None:
    knowing()
    before, refused, after = solver_of().solve_batch(["1+2", text, "9*9"])
    assert before["is_correct"] and after["is_correct"] and before["error"] is after["error"] is None
    assert list(refused) == KEYS and reason in refused["error"] and refused["problem"] == text
    assert (refused["answer"], refused["is_correct"], refused["confidence"]) == (None, False, 0.0)
    assert (refused["completion"], refused["in_distribution"]) == ("", False)


def test_an_operator_it_was_not_trained_on_is_refused() -> None:
    result = solver_of(operations=["+", "-"]).solve("12*3")
    assert result["error"] == "this model was not trained on '*': it was trained on + -"


def test_what_needs_more_ids_than_there_are_is_refused_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    solver = solver_of(Positions("coupled", "learned", max_id=6))
    short, long, other = solver.solve_batch(["1234+1", "1234567+1", "5-3"])
    assert short["error"] is None and other["error"] is None
    assert long["error"] == "this model has 6 position ids, and the problem needs 8"
    problems = ColumnProblems.from_operands("+", [(1234567, 1)])
    with pytest.raises(UnsupportedProblem, match="6 position ids"):
        ask(solver, problems)


def test_other_texts_are_not_completed() -> None:
    with pytest.raises(UnsupportedProblem, match="positions are those of a problem's columns"):
        solver_of().complete("12+34=")


# What training could have asked


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        *(("999+999", True), ("1+1", True), ("1000+1", False), ("1-999", True), ("1-1000", False)),
        *(("999*99", True), ("99*999", False), ("100//10", True), ("10//100", False), ("7%7", True)),
        *(("999+999+999", True), ("1+1+1+1", True), ("1+1+1+1+1", False), ("1000+1+1", False)),
    ],
)
def test_in_distribution_is_what_the_task_has(text: str, inside: bool) -> None:
    solver = solver_of()
    assert solver.solve(text)["in_distribution"] is inside
    ((_, problems),) = group([parse_columns(text)])
    assert trained_shape(solver, problems.shape) is inside


def test_in_distribution_knows_the_operator() -> None:
    solver = solver_of(operations=["+"], max_digits=[5])
    assert trained_shape(solver, Shape("+", (5, 5))) and not trained_shape(solver, Shape("-", (5, 5)))


# Nothing but the model looks at a digit


SHAPES = [Shape("+", (3, 3)), Shape("-", (3, 3)), Shape("*", (2, 2)), Shape("//", (3, 2)), Shape("%", (2, 1))]
SHAPES.append(Shape("+", (3, 3, 3)))


def asked_of(shape: Shape, *numbers: int) -> ColumnProblems:
    """Problems of a shape: all operands the first number, cut to their widths, then all the second, ..."""
    rows = [[number % 10**width for width in shape.widths] for number in numbers]
    return ColumnProblems.from_operands(shape.symbol, rows, shape.widths)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.symbol}{len(shape.widths)}")
@pytest.mark.parametrize("scheme", [SCHEME, Positions("abacus", "alibi"), Positions("coupled", "learned")])
def test_the_layout_never_looks_at_digits(shape: Shape, scheme: Positions, monkeypatch: pytest.MonkeyPatch) -> None:
    solver, used = solver_of(scheme), []
    decode = columns.decode_placed

    def watched(choose: Any, prompts: Tensor, places: Any, *rest: Any) -> Completions:
        used.append(places)
        return decode(choose, prompts, places, *rest)

    monkeypatch.setattr(columns, "decode_placed", watched)
    for number in (111, 999, 358):
        ask(solver, asked_of(shape, number))
    assert all(places is used[0] for places in used), "the same places, whatever the digits"
    place_shape.cache_clear()
    again = place_shape(shape, scheme)
    assert again is not used[0]
    for name in ("ids", "anywhere", "asks", "segments", "next_segments"):
        one, other = getattr(again, name), getattr(used[0], name)
        assert (one is None and other is None) or (one == other).all()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.symbol}{len(shape.widths)}")
def test_completions_need_no_arithmetic(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every operation of the library broken a model writes what it wrote."""
    solver, problems = solver_of(layers=2), asked_of(shape, 123, 987, 555)
    expected = ask(solver, problems).completions

    def broken(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("something computed")

    for name in ("add", "subtract", "multiply", "complement", "carried"):
        monkeypatch.setattr(digits, name, broken)
    monkeypatch.setattr(operations.Operation, "apply", broken)
    for module in (operations, arithmetic):
        monkeypatch.setattr(module, "find_operation", broken)
    monkeypatch.setattr(arithmetic, "solve", broken)
    with pytest.raises(AssertionError, match="something computed"):
        problems.solutions()
    nothing = arithmetic.Numbers(problems.operand(0) * 0, problems.operand(0)[:, 0] > 99)
    monkeypatch.setattr(ColumnProblems, "solutions", lambda problems: nothing)
    found = ask(solver, problems).completions
    assert torch.equal(found.tokens, expected.tokens) and torch.equal(found.lengths, expected.lengths)
    assert torch.equal(found.log_probabilities, expected.log_probabilities)


# Limits


def test_the_tokens_to_come_are_known_before() -> None:
    solver = solver_of()
    texts = [*MIXED, "nonsense", "12//0", f"{'7' * 300}//{'3' * 100}"]
    counts = solver.count_tokens(texts)
    assert counts[-3:] == [0, 0, 154_204], "its end is counted"
    for text, count in zip(MIXED, counts, strict=False):
        symbol, operands = parse_columns(text)
        assert count == len(traces.shown(symbol, *operands).split("=")[1]) + 1


def test_what_takes_too_many_tokens_is_not_begun_and_the_others_are_answered(
    knowing: Knowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowing()
    decode, begun = columns.decode_placed, []

    def watched(choose: Any, prompts: Tensor, *rest: Any) -> Completions:
        begun.append(len(prompts))
        return decode(choose, prompts, *rest)

    monkeypatch.setattr(columns, "decode_placed", watched)
    solver = solver_of()
    short, long, refused = solver.solve_batch(["12+34", f"{'7' * 300}//{'3' * 100}", "x"], max_tokens=4)
    assert short["answer"] == "46" and short["error"] is None and begun == [1]
    assert list(long) == KEYS and (long["answer"], long["is_correct"], long["confidence"]) == (None, False, 0.0)
    assert long["error"] == "cut off: the work and the answer take 154,204 tokens, and max_tokens is 4"
    assert [was_cut(result) for result in (short, long, refused)] == [False, True, False]
    assert solver.solve("12+34", max_tokens=3)["error"].startswith("cut off: "), "its end is a token as well"
    for most in (0, -1, 1.5, True):
        with pytest.raises(ConfigError, match="max_tokens must be a whole number of at least 1"):
            solver.solve("12+34", max_tokens=most)


def test_what_takes_too_long_is_cut_off_and_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    solver = solver_of()
    monkeypatch.setattr(Watch, "expired", property(lambda watch: watch._written >= 1200))
    long, longer = f"{'7' * 60}//{'3' * 20}", f"{'7' * 70}//{'3' * 20}"
    count, more = solver.count_tokens([long, longer])
    calls: list[tuple[int, int]] = []
    late, cut = solver.solve_batch([longer, long], timeout=900, on_tokens=lambda *each: calls.append(each))
    assert list(cut) == KEYS and cut["answer"] is None and cut["is_correct"] is False and cut["confidence"] == 0.0
    assert cut["error"] == f"cut off: 900 s were over (timeout), with 1,200 of {count:,} tokens written"
    assert was_cut(cut) and len(cut["completion"]) == 1200 and cut["full_result"] == f"{long}={cut['completion']}"
    assert late["error"] == f"cut off: 900 s were over (timeout), with 0 of {more:,} tokens written"
    assert calls[0][1] == count + more and calls == sorted(calls)
    short = solver.solve_batch([longer, "12+34"], timeout=900)[1]
    assert short["error"] is None, "short problems are answered before long ones"
    with pytest.raises(ConfigError, match="timeout must be"):
        solver.solve("1+1", timeout=0)


def test_tokens_are_counted_within_one_problem() -> None:
    calls: list[tuple[int, int]] = []
    solver_of().solve(f"{'7' * 30}*{'3' * 30}", on_tokens=lambda done, total: calls.append((done, total)))
    assert len(calls) > 2 and calls[-1] == (30 * 63 + 1,) * 2 and calls == sorted(calls)


def test_what_does_not_fit_into_memory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "free_memory", lambda: 2**30)
    solver = solver_of()
    huge, other = solver.solve_batch([f"{'7' * 100_000}*{'3' * 100_000}", "12+34"])
    assert "20,000,300,001 tokens, for which there is not memory enough" in huge["error"] and not was_cut(huge)
    assert other["error"] is None


def test_many_problems_are_asked_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    solver, texts = solver_of(), [f"{a}*{b}" for a in range(10, 30) for b in (11, 73)]
    expected = solver.solve_batch(texts)
    monkeypatch.setattr(columns, "_HELD", 100)
    calls: list[int] = []
    for one, other in zip(
        solver.solve_batch(texts, progress=lambda done, _: calls.append(done)), expected, strict=True
    ):
        assert_alike(one, other)
    assert len(calls) > 5 and calls[-1] == 40 and calls == sorted(calls)


def test_draws_go_on_where_an_earlier_call_ended() -> None:
    solver = solver_of()
    whole = [result["completion"] for result in solver.solve_batch(MIXED, temperature=1.0, seed=5)]
    parts = [solver.solve_batch(MIXED[a:b], temperature=1.0, seed=5, first=a) for a, b in ((0, 5), (5, 12))]
    assert [result["completion"] for part in parts for result in part] == whole


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_model_that_diverged_says_so(temperature: float) -> None:
    solver = solver_of()
    with torch.no_grad():
        solver.model.h[0].mlp.c_fc.weight.fill_(float("nan"))
    for result in solver.solve_batch(MIXED, temperature=temperature, seed=1, token_details=True):
        assert "probabilities are not finite" in result["error"] and result["answer"] is None
        assert json.loads(json.dumps(result, allow_nan=False)) == result
