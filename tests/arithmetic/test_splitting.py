"""The split keeps a problem on one side; the augmentation is what a naive one would be."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.generate import generate
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.parsing import parse_example, write_expression
from calcgpt.arithmetic.spec import DatasetSpec
from calcgpt.arithmetic.splitting import augment_data, split_examples
from calcgpt.errors import ConfigError

OPERAND = st.one_of(st.integers(-4, 4), st.integers(-(10**25), 10**25))


@st.composite
def example_lines(draw: st.DrawFn) -> str:
    symbol = draw(st.sampled_from(list(OPERATIONS)))
    a, b = draw(OPERAND), draw(OPERAND)
    if not OPERATIONS[symbol].defined(a, b):
        b = 1
    return f"{write_expression(symbol, a, b)}={OPERATIONS[symbol].apply(a, b)}"


EXAMPLES = st.lists(example_lines(), max_size=25)
LINES = st.lists(st.one_of(example_lines(), st.sampled_from(["a rose", "is", "1+", ""])), max_size=25)


def exchanged(line: str) -> str | None:
    try:
        symbol, a, b, answer = parse_example(line)
    except ValueError:
        return None
    return f"{write_expression(symbol, b, a)}={answer}" if symbol in ("+", "*") else None


def naive_augmentation(lines: list[str]) -> list[str]:
    result: list[str] = []
    for line in lines:
        if line not in result:
            result.append(line)
    for line in list(result):
        other = exchanged(line)
        if other is not None and other not in result:
            result.append(other)
    return result


@given(EXAMPLES)
def test_augmentation_is_the_naive_one(lines: list[str]) -> None:
    assert augment_data(lines) == naive_augmentation(lines)


@given(EXAMPLES)
def test_augmenting_twice_changes_nothing(lines: list[str]) -> None:
    once = augment_data(lines)
    assert augment_data(once) == once
    for line in once:
        parse_example(line)


@given(LINES)
def test_text_passes_through(lines: list[str]) -> None:
    result = augment_data(lines)
    texts = [line for line in lines if exchanged(line) is None and "=" not in line]
    assert [line for line in result if "=" not in line] == texts


def test_augmentation_by_example() -> None:
    assert augment_data(["1+2=3", "5-3=2", "2*-3", "-3*4=-12", "2+1=3", "7+7=14", "1+2=3", "8%5=3"]) == [
        "1+2=3",
        "5-3=2",
        "2*-3",
        "-3*4=-12",
        "2+1=3",
        "7+7=14",
        "8%5=3",
        "4*(-3)=-12",
    ]
    assert augment_data([]) == []


def group(line: str) -> object:
    try:
        symbol, a, b, _ = parse_example(line)
    except ValueError:
        return line
    return (symbol, min(a, b), max(a, b)) if symbol in ("+", "*") else (symbol, a, b)


@given(LINES, st.floats(0.01, 0.99), st.integers(-5, 5))
def test_no_problem_is_on_both_sides(lines: list[str], share: float, seed: int) -> None:
    try:
        train, test = split_examples(lines, share, seed)
    except ConfigError:
        sizes = Counter(group(line) for line in lines)
        assert not lines or max(sizes.values()) > (1 - share) * len(lines)
        return
    assert not {group(line) for line in train} & {group(line) for line in test}
    assert not {group(line) for line in augment_data(train)} & {group(line) for line in augment_data(test)}
    assert train and test and len(test) >= share * len(lines) - 1e-6
    chosen = {group(line) for line in test}
    assert test == [line for line in lines if group(line) in chosen]
    assert train == [line for line in lines if group(line) not in chosen]
    largest = max(sum(group(line) == one for line in lines) for one in chosen)
    assert len(test) < share * len(lines) + largest


def test_the_split_of_the_classic_file() -> None:
    lines = generate(DatasetSpec()).examples()
    train, test = split_examples(lines, 0.2, 42)
    assert len(train) + len(test) == len(lines)
    assert math.ceil(0.2 * len(lines)) <= len(test) <= math.ceil(0.2 * len(lines)) + 1
    assert split_examples(lines, 0.2, 42) == (train, test)
    backwards = split_examples(lines[::-1], 0.2, 42)
    assert (sorted(backwards[0]), sorted(backwards[1])) == (sorted(train), sorted(test))
    assert split_examples(lines, 0.2, 43)[1] != test
    assert set(test) <= set(split_examples(lines, 0.4, 42)[1])


def test_nothing_is_held_out_for_a_share_of_nothing() -> None:
    assert split_examples(["1+1=2"], 0, 42) == (["1+1=2"], [])
    assert split_examples([], 0.0, 42) == ([], [])


@pytest.mark.parametrize(
    ("lines", "share", "reason"),
    [
        (["1+2=3", "2+1=3"], 0.5, r"0.5 of 2 examples \(1 different problems\) leaves none to train on"),
        (["1+2=3", "2+2=4"], 1.0, "leaves none to train on"),
        (["1+2=3"], 0.2, "leaves none to train on"),
        (["1+2=3", "2+2=4"], 1e-12, "leaves none to test on"),
        ([], 0.2, "no examples"),
        (["1+2=3"], -0.1, "between 0 and 1, not -0.1"),
        (["1+2=3"], 1.1, "between 0 and 1, not 1.1"),
        (["1+2=3"], float("nan"), "between 0 and 1, not nan"),
    ],
)
def test_splits_that_leave_nothing(lines: list[str], share: float, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        split_examples(lines, share, 42)
