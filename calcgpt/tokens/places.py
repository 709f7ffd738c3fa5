"""Places: the position ids of tokens, and what each of them may see. Made from a shape, never from a token's value.

>>> from calcgpt.arithmetic.columns import Shape
>>> scheme = Positions(ids="coupled", encoding="relative", window=(1,), ahead=True)
>>> places = place_shape(Shape("+", (3, 3)), scheme)     # 123+456=, then four digits and the end
>>> visible(places, 7, 8).keys.tolist()     # what = sees, which asks for the units: tens and units, and the marks
[1, 2, 3, 5, 6, 7]
>>> visible(places, 9, 10).keys.tolist()     # the answer's tens ask for the hundreds
[0, 1, 3, 4, 5, 7, 9]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic.cells import SEGMENTS, lay_out
from calcgpt.arithmetic.columns import Shape
from calcgpt.tokens.scheme import Positions


@dataclass(frozen=True, eq=False)
class Places:
    """Where T tokens stand.

    ids: (T, A) of each token, as others see it. anywhere: (T, A) whether it is seen from everywhere on an axis.
    asks: (T, A) the ids from which each token looks at others. segments, next_segments: (T,) its kind and that of the
    token after it, or None. windows: (A,) or None. prompt: how many of them are given.
    """

    ids: NDArray[np.int64]
    anywhere: NDArray[np.bool_]
    asks: NDArray[np.int64]
    segments: NDArray[np.int64] | None
    next_segments: NDArray[np.int64] | None
    windows: tuple[int, ...] | None
    prompt: int

    def __len__(self) -> int:
        return len(self.ids)


class Pairs(NamedTuple):
    """Which queries see which keys: `queries` and `keys` (n,), token numbers, by query; `starts` (Q + 1,) where each
    query's begin."""

    queries: NDArray[np.int64]
    keys: NDArray[np.int64]
    starts: NDArray[np.int64]


@lru_cache(maxsize=1024)
def place_shape(shape: Shape, scheme: Positions) -> Places:
    """The places of a shape's prompt, completion and end."""
    cells = lay_out(shape)
    if scheme.ids == "coupled":
        ids, anywhere = cells.ids.astype(np.int64), cells.anywhere
    elif scheme.ids == "abacus":
        ids = cells.places[:, None].astype(np.int64)
        anywhere = ids == 0
    else:
        ids = np.arange(len(cells.ids))[:, None]
        anywhere = np.zeros((len(ids), 1), bool)
    segments = cells.segments.astype(np.int64) if scheme.segments else None
    following = None if segments is None else np.append(segments[1:], SEGMENTS.index("end"))
    return Places(ids, anywhere, _asks(ids, scheme), segments, following, scheme.windows, cells.prompt)


@lru_cache(maxsize=64)
def place_sequence(length: int, prompt: int, scheme: Positions) -> Places:
    """The places of `length` tokens of any text, the first `prompt` of them given."""
    ids = np.arange(length)[:, None]
    return Places(ids, np.zeros((length, 1), bool), _asks(ids, scheme), None, None, scheme.windows, prompt)


def _asks(ids: NDArray[np.int64], scheme: Positions) -> NDArray[np.int64]:
    return np.concatenate([ids[1:], ids[-1:]]) if scheme.ahead else ids


def visible(places: Places, start: int, stop: int) -> Pairs:
    """What the tokens from `start` to `stop` see: themselves and what is before them, as far as the window goes.

    A token with nothing in its window sees itself.
    """
    return Neighbours(places).see(start, stop)


class Neighbours:
    """Finds what tokens see, one stretch of them after another.

    With a window, tokens are looked up by their places, so that a token costs the same wherever it stands.
    """

    def __init__(self, places: Places):
        self.places, self._known = places, 0
        if places.windows is None:
            return
        # Tokens that are seen from anywhere on the same axes are looked up alike: by their places on the others.
        kinds, kind = np.unique(places.anywhere, axis=0, return_inverse=True)
        self._kind = kind.reshape(-1)
        self._axes = [np.flatnonzero(~row).tolist() for row in kinds]
        self._reach = [[places.windows[axis] for axis in own] for own in self._axes]
        self._held: list[dict[tuple[int, ...], list[int]]] = [{} for _ in self._axes]

    def see(self, start: int, stop: int) -> Pairs:
        """What the tokens from `start` to `stop` see; each stretch begins where the last ended, or later."""
        if self.places.windows is None:
            counts = np.arange(start, stop) + 1
            keys = np.concatenate([np.arange(count) for count in counts]) if stop > start else np.zeros(0, np.int64)
        else:
            assert start >= self._known, "what tokens see is found from the first to the last"
            self._hold(self._known, start)
            found = [self._look(token) for token in range(start, stop)]
            self._known = stop
            counts = np.fromiter(map(len, found), np.int64, len(found))
            keys = np.fromiter((key for row in found for key in row), np.int64, int(counts.sum()))
        starts = np.concatenate([[0], np.cumsum(counts)])
        return Pairs(np.repeat(np.arange(start, stop), counts), keys, starts)

    def _hold(self, start: int, stop: int) -> None:
        rows, kinds = self.places.ids[start:stop].tolist(), self._kind[start:stop].tolist()
        for token, (row, kind) in enumerate(zip(rows, kinds, strict=True), start=start):
            place = tuple([row[axis] for axis in self._axes[kind]])
            self._held[kind].setdefault(place, []).append(token)

    def _look(self, token: int) -> list[int]:
        self._hold(token, token + 1)
        asks = self.places.asks[token].tolist()
        keys: list[int] = []
        for own, reach, held in zip(self._axes, self._reach, self._held, strict=True):
            at = [asks[axis] for axis in own]
            if prod([2 * size + 1 for size in reach]) > len(held):  # a window wider than all there is
                for place, tokens in held.items():
                    if all(abs(a - b) <= size for a, b, size in zip(at, place, reach, strict=True)):
                        keys += tokens
                continue
            for near in product(*[range(a - size, a + size + 1) for a, size in zip(at, reach, strict=True)]):
                keys += held.get(near, ())
        return sorted(keys) or [token]  # attention needs something to look at
