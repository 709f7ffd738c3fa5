"""Batches of problems: text, solutions, keys, held-out shares and samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.problems import Problems, from_expressions, held_out, parse_expression, sample
from calcgpt.errors import ConfigError, DataError, UnsupportedProblem

OPERAND = st.one_of(st.integers(-99, 99), st.integers(-(2**63), 2**63 - 1), st.integers(-(10**30), 10**30))
PROBLEM = st.tuples(st.sampled_from(list(OPERATIONS)), OPERAND, OPERAND).filter(
    lambda problem: OPERATIONS[problem[0]].defined(*problem[1:])
)
PROBLEMS = st.lists(PROBLEM, min_size=1, max_size=12)
Triples = list[tuple[str, int, int]]


def batch(triples: Triples) -> Problems:
    symbols = tuple(OPERATIONS)
    operation = np.array([symbols.index(symbol) for symbol, _, _ in triples])
    return Problems(symbols, operation, [[a, b] for _, a, b in triples])  # type: ignore[arg-type]


@given(PROBLEMS)
def test_solutions_and_text(triples: Triples) -> None:
    problems = batch(triples)
    solutions = [OPERATIONS[symbol].apply(a, b) for symbol, a, b in triples]
    assert problems.solutions().tolist() == solutions
    assert [parse_expression(text) for text in problems.expressions()] == triples
    assert problems.prompts() == [f"{text}=" for text in problems.expressions()]
    assert problems.examples() == [f"{t}{s}" for t, s in zip(problems.prompts(), solutions, strict=True)]
    assert problems.carries().tolist() == [OPERATIONS[symbol].carries(a, b) for symbol, a, b in triples]


@given(PROBLEMS)
def test_int64_only_where_everything_fits(triples: Triples) -> None:
    problems = batch(triples)
    values = [value for _, a, b in triples for value in (a, b)] + problems.solutions().tolist()
    if problems.operands.dtype == np.int64:
        assert all(abs(value) < 2**63 for value in values)
    small = all(abs(value) < 10**9 for value in values)
    assert not small or problems.operands.dtype == np.int64


@given(PROBLEMS)
def test_from_expressions_reads_what_a_batch_writes(triples: Triples) -> None:
    problems = batch(triples)
    again = from_expressions(problems.expressions())
    assert again.expressions() == problems.expressions()
    assert set(again.symbols) == {symbol for symbol, _, _ in triples}
    assert (again.keys() == problems.keys()).all()


def test_second_operands_are_bracketed() -> None:
    problems = batch([("-", 12, -34), ("+", -3, 4), ("+", -3, -4)])
    assert problems.expressions() == ["12-(-34)", "-3+4", "-3+(-4)"]
    assert problems.examples() == ["12-(-34)=46", "-3+4=1", "-3+(-4)=-7"]


def test_thirty_and_five_thousand_digits() -> None:
    a, b = 10**30 - 1, 10**29 + 7
    assert from_expressions([f"{a}*{b}"]).solutions().tolist() == [a * b]
    long = from_expressions(["9" * 5000 + "+1"])
    assert long.examples() == ["9" * 5000 + "+1=1" + "0" * 5000]


def test_products_that_leave_int64() -> None:
    problems = batch([("*", 2**32, 2**32), ("+", 1, 1)])
    assert problems.operands.dtype == object
    assert problems.solutions().tolist() == [2**64, 2]


@given(PROBLEMS, st.data())
def test_indexing_and_concatenation(triples: Triples, data: st.DataObject) -> None:
    problems = batch(triples)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(triples), max_size=len(triples))))
    texts = np.array(problems.expressions(), dtype=object)
    assert problems[mask].expressions() == texts[mask].tolist()
    assert problems[1:].expressions() == texts[1:].tolist()
    assert problems[np.flatnonzero(mask)[::-1]].expressions() == texts[mask][::-1].tolist()
    assert problems[-1].expressions() == [texts[-1]]
    parts = [from_expressions([text]) for text in texts]
    assert Problems.concatenate(parts).expressions() == texts.tolist()


def test_empty_batches() -> None:
    for empty in (Problems.concatenate([]), from_expressions([]), batch([("+", 1, 2)])[:0]):
        assert len(empty) == len(empty.solutions()) == len(empty.keys()) == 0
        assert empty.examples() == []


def test_what_is_no_batch_is_refused() -> None:
    with pytest.raises(UnsupportedProblem, match=r"unknown operator '\^'"):
        Problems(("^",), np.zeros(1, dtype=np.uint8), np.zeros((1, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="indices from 0 to 0"):
        Problems(("+",), np.array([256]), np.zeros((1, 2), dtype=np.int64))
    with pytest.raises(ValueError, match=r"\(1, 2\) operands"):
        Problems(("+",), np.zeros(1, dtype=np.uint8), np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="integers"):
        Problems(("+",), np.zeros(1, dtype=np.uint8), np.zeros((1, 2)))
    with pytest.raises(UnsupportedProblem, match="5//0 is not defined"):
        Problems(("//",), np.zeros(1, dtype=np.uint8), np.array([[5, 0]])).solutions()


def test_the_expression_that_cannot_be_read_is_numbered() -> None:
    with pytest.raises(DataError, match="expression 2: 'junk'"):
        from_expressions(["1+1", "junk"])


@given(PROBLEM)
def test_keys_are_the_same_for_exchanged_operands_where_it_commutes(problem: tuple[str, int, int]) -> None:
    symbol, a, b = problem
    exchanged = (symbol, b, a)
    if not OPERATIONS[symbol].defined(b, a):
        return
    first, second = batch([problem]), batch([exchanged])
    assert (first.keys() == second.keys()).all() == (OPERATIONS[symbol].commutative or a == b)
    assert (first.keys(ordered=True) == second.keys(ordered=True)).all() == (a == b)


def test_keys_do_not_depend_on_the_batch_and_never_change() -> None:
    alone = batch([("+", 12, 34)])
    with_a_large_one = batch([("+", 34, 12), ("*", 10**30, 1)])
    assert alone.operands.dtype != with_a_large_one.operands.dtype
    assert alone.keys()[0] == with_a_large_one.keys()[0]
    problems = from_expressions(["12+34", "12-34", "-7*3", "100000000000000000000//3"])
    assert problems.keys().tolist() == [
        18048762327744930076,
        7575532509159633141,
        2720722786324892518,
        11218513233374781572,
    ]


def test_keys_of_a_million_problems_are_different() -> None:
    a, b = np.meshgrid(np.arange(700), np.arange(700))
    operands = np.stack([a.ravel(), b.ravel()], axis=1)
    keys = Problems(("-",), np.zeros(len(operands), dtype=np.uint8), operands).keys()
    assert len(np.unique(keys)) == len(keys)


def test_held_out_is_a_share_that_depends_on_problem_and_seed_only() -> None:
    rng = np.random.default_rng(1)
    problems = sample(["+", "-"], 0, 999, 20_000, rng)
    mask = held_out(problems, 0.2, 42)
    assert abs(mask.mean() - 0.2) < 0.02
    order = rng.permutation(len(problems))
    assert (held_out(problems[order], 0.2, 42) == mask[order]).all()
    assert (held_out(problems, 0.3, 42) >= mask).all()  # a larger share holds the smaller one
    other = held_out(problems, 0.2, 43)
    assert abs((mask & other).mean() - 0.04) < 0.01  # another seed, an independent choice
    sums = problems[problems.operation == 0]
    exchanged = Problems(sums.symbols, sums.operation, sums.operands[:, ::-1])
    assert (held_out(sums, 0.2, 42) == held_out(exchanged, 0.2, 42)).all()


@pytest.mark.parametrize(("share", "expected"), [(0, 0.0), (1, 1.0), (0.0, 0.0), (1.0, 1.0)])
def test_held_out_nothing_and_everything(share: float, expected: float) -> None:
    assert held_out(from_expressions(["1+1", "2+2", "3+4"]), share, -5).mean() == expected


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_held_out_refuses_what_is_no_share(share: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        held_out(from_expressions(["1+1"]), share, 0)


@pytest.mark.parametrize("negative_results", [True, False])
def test_samples_are_uniform_over_all_problems(negative_results: bool) -> None:
    symbols = list(OPERATIONS)
    problems = sample(symbols, -2, 2, 40_000, np.random.default_rng(0), negative_results)
    wanted = {
        (symbol, a, b)
        for symbol in symbols
        for a in range(-2, 3)
        for b in range(-2, 3)
        if OPERATIONS[symbol].defined(a, b) and (negative_results or OPERATIONS[symbol].apply(a, b) >= 0)
    }
    texts, counts = np.unique(problems.expressions(), return_counts=True)
    assert {parse_expression(text) for text in texts} == wanted
    expected = len(problems) / len(wanted)
    assert abs(counts - expected).max() < 6 * expected**0.5


def test_samples_are_reproducible_and_cover_large_ranges() -> None:
    first, second = (sample(["+"], -(10**30), 10**30, 50, np.random.default_rng(3)) for _ in range(2))
    assert first.expressions() == second.expressions()
    assert first.operands.dtype == object
    assert (first.operands < 0).any() and (abs(first.operands) > 10**28).any()
    edge = sample(["-"], -(2**63), 2**63 - 1, 50, np.random.default_rng(3))
    assert all(-(2**63) <= value < 2**63 for value in edge.operands.reshape(-1).tolist())
    assert len(sample(["+"], 0, 9, 0, np.random.default_rng(0))) == 0


def test_samples_that_cannot_be_drawn() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="5 is more than 3"):
        sample(["+"], 5, 3, 1, rng)
    with pytest.raises(ConfigError, match="unknown operation"):
        sample(["^"], 0, 3, 1, rng)
    with pytest.raises(ConfigError, match="no operation"):
        sample([], 0, 3, 1, rng)
    with pytest.raises(ConfigError, match="only 0 have a solution that is not negative"):
        sample(["+"], -9, -1, 1, rng, negative_results=False)
    with pytest.raises(ConfigError, match="only 0 have a solution:"):
        sample(["//"], 0, 0, 1, rng)
