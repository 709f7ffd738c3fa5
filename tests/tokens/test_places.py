"""What tokens see, against a reference that looks at every pair of them; in one go and in stretches."""

from __future__ import annotations

import doctest
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calcgpt.arithmetic.cells import SEGMENTS, lay_out
from calcgpt.arithmetic.columns import Shape, written_widths
from calcgpt.tokens import places as module
from calcgpt.tokens.places import Neighbours, Pairs, Places, place_sequence, place_shape, visible
from calcgpt.tokens.scheme import Positions

SHAPES = [
    *(Shape("+", (1, 1)), Shape("+", (6, 6)), Shape("-", (5, 5))),
    *(Shape("+", written_widths("+", (3,) * 4)), Shape("*", (4, 3)), Shape("*", (1, 5))),
    *(Shape("//", (3, 2)), Shape("%", (2, 4)), Shape("-", (2, 2), True), Shape("%", (2, 1), True)),
]
WINDOWS = [
    *(("sequential", window) for window in ((0,), (1,), (5,), (100,))),
    *(("abacus", window) for window in ((0,), (1,), (3,))),
    *(("coupled", window) for window in ((0,), (1,), (3,), (1, 0, 2, 1), (0, 4, 1, 0))),
]
SCHEMES = [
    Positions(ids=ids, encoding="relative", window=window, ahead=ahead)  # type: ignore[arg-type]
    for ids, window in WINDOWS
    for ahead in (False, True)
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=[f"{s.symbol} {s.widths} {s.signed}" for s in SHAPES])
every_scheme = pytest.mark.parametrize("scheme", SCHEMES, ids=[f"{s.ids} {s.window} {s.ahead}" for s in SCHEMES])


def within(places: Places, token: int, key: int) -> bool:
    """The definition: on every axis near enough to where the token asks from, or seen from anywhere."""
    assert places.windows is not None
    return all(
        bool(places.anywhere[key, axis]) or abs(int(places.ids[key, axis]) - int(places.asks[token, axis])) <= window
        for axis, window in enumerate(places.windows)
    )


def keys_of(pairs: Pairs, start: int) -> dict[int, list[int]]:
    """The keys of each query, by `starts`, which must say what `queries` does."""
    ends = zip(pairs.starts[:-1].tolist(), pairs.starts[1:].tolist(), strict=True)
    found = {start + row: pairs.keys[begin:end].tolist() for row, (begin, end) in enumerate(ends)}
    assert pairs.queries.tolist() == [query for query, keys in found.items() for _ in keys]
    assert len(pairs.keys) == len(pairs.queries) == pairs.starts[-1]
    return found


@every_shape
@every_scheme
def test_a_window_shows_what_is_near_and_before(shape: Shape, scheme: Positions) -> None:
    places = place_shape(shape, scheme)
    found = keys_of(visible(places, 0, len(places)), 0)
    for token, keys in found.items():
        assert keys == ([key for key in range(token + 1) if within(places, token, key)] or [token])


@every_scheme
def test_no_token_sees_nothing(scheme: Positions) -> None:
    """Attention over no key is not a number, and a second layer spreads it to every token."""
    for shape in SHAPES:
        places = place_shape(shape, scheme)
        found = keys_of(visible(places, 0, len(places)), 0)
        assert [token for token, keys in found.items() if not keys] == [], shape


@every_shape
@every_scheme
def test_a_token_that_asks_from_where_it_stands_sees_itself(shape: Shape, scheme: Positions) -> None:
    places = place_shape(shape, replace(scheme, ahead=False))
    found = keys_of(visible(places, 0, len(places)), 0)
    assert all(token in keys for token, keys in found.items())


@every_shape
@every_scheme
def test_stretches_find_what_one_go_finds(shape: Shape, scheme: Positions) -> None:
    places = place_shape(shape, scheme)
    whole = keys_of(visible(places, 0, len(places)), 0)
    for sizes in ((1,) * len(places), (places.prompt, 1, 1, len(places) - places.prompt - 2), (0, 2, len(places) - 2)):
        neighbours, start = Neighbours(places), 0
        for size in sizes:
            found = keys_of(neighbours.see(start, start + size), start)
            assert found == {token: whole[token] for token in range(start, start + size)}
            start += size
        assert start == len(places)
    for start in (1, places.prompt - 1, places.prompt + 1):
        found = keys_of(visible(places, start, len(places)), start)
        assert found == {token: whole[token] for token in range(start, len(places))}, "what was left out is known"


def test_stretches_may_leave_tokens_out_but_not_go_back() -> None:
    places = place_shape(Shape("*", (4, 3)), Positions(ids="coupled", encoding="relative", window=(1,)))
    neighbours = Neighbours(places)
    neighbours.see(3, 5)
    assert keys_of(neighbours.see(9, 11), 9) == keys_of(visible(places, 9, 11), 9)
    with pytest.raises(AssertionError, match="from the first to the last"):
        neighbours.see(10, 12)


@every_shape
@pytest.mark.parametrize("ids", ["sequential", "abacus", "coupled"])
@pytest.mark.parametrize("ahead", [False, True])
def test_without_a_window_everything_before_is_seen(shape: Shape, ids: Any, ahead: bool) -> None:
    places = place_shape(shape, Positions(ids=ids, encoding="relative", ahead=ahead))
    assert places.windows is None
    for start, stop in ((0, len(places)), (2, 5), (4, 4)):
        assert keys_of(visible(places, start, stop), start) == {t: list(range(t + 1)) for t in range(start, stop)}


@every_shape
def test_a_wide_window_of_the_order_hides_nothing(shape: Shape) -> None:
    narrow, free = (place_shape(shape, Positions(encoding="relative", window=window)) for window in ((1000,), ()))
    one, other = (keys_of(visible(places, 0, len(places)), 0) for places in (narrow, free))
    assert one == other


@every_shape
def test_the_ids_of_each_scheme(shape: Shape) -> None:
    cells = lay_out(shape)
    total = len(cells.ids)
    order = place_shape(shape, Positions())
    assert order.ids[:, 0].tolist() == list(range(total)) and order.ids.shape == (total, 1) and not order.anywhere.any()
    abacus = place_shape(shape, Positions(ids="abacus"))
    assert abacus.ids[:, 0].tolist() == cells.places.tolist()
    assert abacus.anywhere[:, 0].tolist() == [place == 0 for place in cells.places.tolist()]
    coupled = place_shape(shape, Positions(ids="coupled"))
    assert (coupled.ids == cells.ids).all() and (coupled.anywhere == cells.anywhere).all()
    for places in (order, abacus, coupled):
        assert len(places) == total and places.prompt == cells.prompt and (places.asks == places.ids).all()
        assert places.ids.dtype == np.int64 and places.segments is None and places.next_segments is None


@every_shape
@pytest.mark.parametrize("ids", ["sequential", "abacus", "coupled"])
def test_a_token_that_looks_ahead_asks_from_the_next_place(shape: Shape, ids: Any) -> None:
    places = place_shape(shape, Positions(ids=ids, encoding="relative", ahead=True))
    assert (places.asks[:-1] == places.ids[1:]).all() and (places.asks[-1] == places.ids[-1]).all()


@every_shape
def test_segments_and_the_ones_that_come_next(shape: Shape) -> None:
    places, cells = place_shape(shape, Positions(segments=True)), lay_out(shape)
    assert places.segments is not None and places.next_segments is not None
    assert places.segments.tolist() == cells.segments.tolist()
    assert places.next_segments.tolist() == [*cells.segments[1:].tolist(), SEGMENTS.index("end")]


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("window", [(), (2,)])
def test_text_without_a_shape_stands_in_its_order(window: tuple[int, ...], ahead: bool) -> None:
    places = place_sequence(9, 4, Positions(encoding="relative", window=window, ahead=ahead))
    shaped = place_shape(Shape("+", (2, 2)), Positions(encoding="relative", window=window, ahead=ahead))
    assert len(places) == 9 and places.prompt == 4 and places.ids[:, 0].tolist() == list(range(9))
    assert (places.asks[:8] == shaped.asks[:8]).all() and places.windows == shaped.windows
    assert keys_of(visible(places, 0, 8), 0) == keys_of(visible(shaped, 0, 8), 0)
    assert place_sequence(0, 0, Positions()).ids.shape == (0, 1)


def test_the_examples_of_the_docstring() -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
