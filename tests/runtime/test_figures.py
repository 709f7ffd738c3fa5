"""Figures as people read them: one rounding for every share."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.runtime import figures
from calcgpt.runtime.figures import NOTHING, percent_text, share_text


def test_worked_examples() -> None:
    results = doctest.testmod(figures)
    assert results.attempted and not results.failed


@pytest.mark.parametrize("decimals", [0, 1, 2])
@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_only_all_is_100_percent_and_only_none_is_0(decimals: int, right: int, total: int) -> None:
    text = share_text(min(right, total), total, decimals)
    assert (text == "100%") == (right >= total)
    assert (text == "0%") == (right == 0)
    assert float(text.strip("<>%")) == pytest.approx(100 * min(right, total) / total, abs=10.0**-decimals)


def test_a_share_is_never_said_better_than_it_is() -> None:
    assert share_text(999_996, 1_000_000) == share_text(10**15 - 1, 10**15) == ">99.99%"
    assert share_text(1999, 2000) == "99.95%" and share_text(1999, 2000, 0) == ">99%", "not 100%, not 100.0%"
    assert share_text(1, 3) == "33.33%" and share_text(1, 3, 0) == "33%"
    assert share_text(7, 7) == "100%" and share_text(0, 7) == "0%" and share_text(0, 0) == "–"
    assert share_text(1, 3_000_000) == "<0.01%", "nor worse"


@pytest.mark.parametrize("total", [1, 2, 3, 7, 199, 1000, 200_001])
def test_shares_are_rounded_like_fractions(total: int) -> None:
    for right in {*range(0, total + 1, max(1, total // 50)), total - 1, total}:
        text = share_text(right, total)
        assert (text == "100%") == (right == total)
        assert (text == "0%") == (right == 0)
        assert abs(float(text.strip("<>%")) - 100 * right / total) <= (0.01 if text[0] in "<>" else 0.0050001)


@given(st.integers(0, 10**4))
def test_counts_and_shares_are_rounded_alike(right: int) -> None:
    assert share_text(right, 10**4) == percent_text(right / 10**4)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "0%"), (1e-9, "<0.01%"), (0.0001, "0.01%"), (0.5, "50.00%"), (0.99999, ">99.99%"), (1.0, "100%")],
)
def test_a_probability_in_percent(share: float, expected: str) -> None:
    assert percent_text(share) == expected


def test_what_is_no_share_is_a_dash() -> None:
    assert percent_text(None) == percent_text(float("nan")) == share_text(0, 0) == NOTHING


def test_rounding_errors_do_not_leave_the_range() -> None:
    assert percent_text(1.0000000000000002) == "100%" and percent_text(-1e-17) == "0%"
