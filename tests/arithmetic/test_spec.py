"""What a data set is described by: validation, names that parse back, sizes and estimates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from calcgpt.arithmetic.generate import generate
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.spec import DatasetSpec, parse_name
from calcgpt.errors import ConfigError


@st.composite
def specs(draw: st.DrawFn, largest: int = 10**30, most_digits: int = 40) -> DatasetSpec:
    low, high = sorted(draw(st.tuples(st.integers(-largest, largest), st.integers(-largest, largest))))
    fewest, most = sorted(draw(st.tuples(st.integers(1, most_digits), st.integers(1, most_digits))))
    by_digits = draw(st.booleans())
    limits: dict[str, Any] = (
        {"min_digits": fewest, "max_digits": most} if by_digits else {"min_value": low, "max_value": high}
    )
    try:
        return DatasetSpec(
            operations=tuple(draw(st.permutations(list(OPERATIONS)))[: draw(st.integers(1, 5))]),
            allowed_digits=draw(st.one_of(st.just("0123456789"), st.text("0123456789", min_size=1))),
            negative_results=draw(st.booleans()),
            count=draw(st.one_of(st.none(), st.integers(1, 10**9))),
            seed=draw(st.integers(0, 2**63 - 1)),
            **limits,
        )
    except ConfigError as error:
        assert "no operand" in str(error)
        assume(False)
        raise


@given(specs())
def test_names_parse_back(spec: DatasetSpec) -> None:
    assert parse_name(spec.name()) == spec
    assert parse_name(f"some/folder/{spec.name()}") == parse_name(spec.name().removesuffix(".txt")) == spec
    assert len({spec.name(), replace(spec, negative_results=not spec.negative_results).name()}) == 2


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (DatasetSpec(), "addition-subtraction_0to100_nonnegative_all.txt"),
        (
            DatasetSpec(("*",), min_value=-9, max_value=-1, negative_results=True, count=10, seed=7),
            "multiplication_-9to-1_signed_count10_seed7.txt",
        ),
        (
            DatasetSpec(("//", "%"), max_digits=3, allowed_digits="210"),
            "division-remainder_1to3digits_only012_nonnegative_all.txt",
        ),
    ],
)
def test_names(spec: DatasetSpec, name: str) -> None:
    assert spec.name() == name


@pytest.mark.parametrize("name", ["ds-calcgpt.txt", "", "addition_0to9_signed_all.csv", "addition_9_signed_all.txt"])
def test_other_names_carry_no_parameters(name: str) -> None:
    with pytest.raises(ConfigError, match="carries no parameters: expected one such as addition-subtraction"):
        parse_name(name)


def test_names_with_impossible_parameters() -> None:
    with pytest.raises(ConfigError, match="more than max_value"):
        parse_name("addition_9to1_signed_all.txt")
    with pytest.raises(ConfigError, match="unknown operation 'power'"):
        parse_name("power_0to1_signed_all.txt")


def test_settings_are_settled() -> None:
    spec = DatasetSpec(("addition", "//"), allowed_digits="3013", seed=5)
    assert (spec.operations, spec.allowed_digits, spec.min_value, spec.max_value) == (
        ("+", "//"),
        "013",
        0,
        100,
    )
    assert spec.seed == DatasetSpec().seed  # every problem there is needs no seed
    assert DatasetSpec("+").operations == ("+",)  # type: ignore[arg-type]
    assert DatasetSpec(max_digits=2).min_digits == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"operations": ()}, "one or more different operations"),
        ({"operations": ("+", "addition")}, "one or more different operations"),
        ({"operations": ("^",)}, "unknown operation '\\^': expected one of \\+ \\(addition\\)"),
        ({"min_value": 5, "max_value": 3}, "min_value is 5, more than max_value, which is 3"),
        ({"min_value": 0, "max_digits": 3}, "values or a range of digit counts, not both"),
        ({"min_digits": 2}, "there is no max_digits"),
        ({"min_digits": 0, "max_digits": 2}, "min_digits is a whole number of at least 1, not 0"),
        ({"min_digits": 3, "max_digits": 2}, "more than max_digits"),
        ({"max_value": 1.5}, "max_value is a whole number, not 1.5"),
        ({"max_value": True}, "max_value is a whole number, not True"),
        ({"max_value": float("nan")}, "not nan"),
        ({"max_digits": 10**9}, "at most 2,000 digits, not 1,000,000,000"),
        ({"max_value": 10**5000}, "at most 2,000 digits, not 5,001"),
        ({"min_value": 10**5000}, "more than max_value"),
        ({"allowed_digits": ""}, "allowed_digits"),
        ({"allowed_digits": "12a"}, "allowed_digits"),
        ({"allowed_digits": "٣"}, "allowed_digits"),
        ({"allowed_digits": "7", "max_value": 6}, "no operand 0 to 6 is written with the digits 7 only"),
        ({"allowed_digits": "0", "min_digits": 2, "max_digits": 3}, "no operand of 2 to 3 digits"),
        ({"count": 0}, "count is a whole number of at least 1, not 0"),
        ({"count": -(10**5000)}, "count is a whole number"),
        ({"count": 10**10}, "count is at most 1,000,000,000"),
        ({"count": 1, "seed": -1}, "seed is a whole number of at least 0"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        DatasetSpec(**settings)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@given(specs(largest=20, most_digits=1))
def test_size_is_what_is_generated(spec: DatasetSpec) -> None:
    everything = replace(spec, count=None)
    if everything.size():
        assert len(generate(everything)) == everything.size() == everything.expressions()


def test_sizes_without_building() -> None:
    assert DatasetSpec().size() == 10_201 + 5_151
    assert DatasetSpec(("*",), min_digits=18, max_digits=18).size() == (9 * 10**17) ** 2
    assert DatasetSpec(("//",), max_value=999, negative_results=True).size() == 1000 * 999


def test_nothing_or_too_little_to_take() -> None:
    with pytest.raises(ConfigError, match=r"no // of operands 0 to 0 has a solution"):
        DatasetSpec(("//",), max_value=0).expressions()
    with pytest.raises(ConfigError, match=r"no \+ of operands -5 to -1 has a solution that is not negative"):
        DatasetSpec(("+",), min_value=-5, max_value=-1).expressions()
    with pytest.raises(ConfigError, match="count is 101, but there are only 100 different expressions"):
        DatasetSpec(("+",), max_value=9, count=101).expressions()


def test_estimates() -> None:
    estimate = DatasetSpec().estimate()
    size = sum(len(line) + 1 for line in generate(DatasetSpec()).examples())
    assert estimate["expressions"] == 15_352
    assert abs(estimate["bytes"] / size - 1) < 0.05
    assert 0 < estimate["seconds"] < 5
    sampled = DatasetSpec(max_digits=9, count=1000).estimate()
    assert sampled["expressions"] == 1000
    huge = DatasetSpec(("*",), min_digits=2000, max_digits=2000).estimate()
    assert huge["expressions"] == (9 * 10**1999) ** 2 and huge["seconds"] > 10**100


@pytest.mark.parametrize("seed", [-1, 2**63, 10**20])
def test_a_seed_has_one_range(seed: int) -> None:
    with pytest.raises(ConfigError, match="seed"):
        DatasetSpec(count=5, seed=seed)
    assert DatasetSpec(count=5, seed=2**63 - 1).seed == 2**63 - 1
