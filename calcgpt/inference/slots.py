"""Which keys each written token looks at, and where they are held: known before decoding, because places are.

A key is dropped after the last token that looks at it, and a later one takes its slot. So the memory of a long product
or division is that of the few rows that are still seen, not of all its work; and of what each token sees only the
numbers of its keys are kept, the rest is made for one stretch of tokens at a time.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calcgpt.errors import CalcGPTError
from calcgpt.inference.watch import Watch
from calcgpt.model.positions import PositionEncoding, Sight
from calcgpt.tokens.places import Neighbours, Pairs, Places

STRETCH = 2048  # tokens of which is known at a time what they see
_KEPT = 2048  # tokens of the longest plans that are kept for the next asking, with all that each token sees


class TimeUp(CalcGPTError):
    """The time was up before the first token was written."""


class Slots:
    """A plan for decoding `total` tokens, the first `prompt` of them given and held in the first slots.

    count: slots in all. of: (total,) each token's slot. most: keys that a written token sees, at most. Without a window
    every token has its own slot, and is seen by all.
    """

    def __init__(self, places: Places, prompt: int, total: int, device: torch.device, watch: Watch | None = None):
        self.places, self.prompt, self.total, self.device = places, prompt, total, device
        self.windowed = places.windows is not None and total > prompt
        self.of, self.count, self.most = np.arange(total), total, total
        self._sights: dict[int, Sight] = {}
        if self.windowed:
            self._keys, counts = self._find(watch)
            self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
            last = np.arange(total)
            np.maximum.at(last, self._keys, np.repeat(np.arange(prompt - 1, total - 1), counts))
            self.of, self.count = _assign(last.tolist(), prompt)
            self.most = int(counts.max())

    def _find(self, watch: Watch | None) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The keys that the written tokens see, one token after the other, and how many each sees."""
        neighbours, parts, first = Neighbours(self.places), [], self.prompt - 1
        for start in range(first, self.total - 1, STRETCH):
            if watch is not None and watch.expired:
                raise TimeUp
            pairs = neighbours.see(start, min(start + STRETCH, self.total - 1))
            parts.append((pairs.keys.astype(np.int32), np.diff(pairs.starts).astype(np.int32)))
        keys, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
        return keys, counts

    def stretch(self, token: int, encoding: PositionEncoding) -> Stretch:
        """What the tokens from a written one on see, with what the encoding makes of it."""
        if not self.windowed:
            scores = encoding.scores(Sight(self.places, token, token + 1, self.device))
            return Stretch(token, token + 1, None, [], scores)
        sight = self._sights.get(token) or self._sight(token)
        if self.total <= _KEPT:
            self._sights[token] = sight
        slots = torch.from_numpy(self.of[sight.pairs.keys]).to(self.device)
        return Stretch(token, sight.stop, slots, sight.pairs.starts.tolist(), encoding.scores(sight))

    def _sight(self, token: int) -> Sight:
        first = token - self.prompt + 1
        starts = self._starts[first : first + STRETCH + 1]
        keys, stop = self._keys[starts[0] : starts[-1]].astype(np.int64), token + len(starts) - 1
        pairs = Pairs(np.repeat(np.arange(token, stop), np.diff(starts)), keys, starts - starts[0])
        return Sight(self.places, token, stop, self.device, pairs)


class Stretch:
    """What the written tokens from `start` to `stop` see.

    Args:
        slots: of the keys, token after token; None where each sees all before it. starts: where each token's begin.
        scores: (H or 1, n) of every pair, or None.
    """

    def __init__(self, start: int, stop: int, slots: Tensor | None, starts: list[int], scores: Tensor | None):
        self.start, self.stop, self._slots, self._starts, self._scores = start, stop, slots, starts, scores

    def seen(self, token: int) -> tuple[Tensor | None, Tensor | None]:
        """The slots that a token looks at, (K,), None for all before it; and their scores, (H or 1, K)."""
        if self._slots is None:
            return None, self._scores
        start, stop = self._starts[token - self.start], self._starts[token - self.start + 1]
        return self._slots[start:stop], None if self._scores is None else self._scores[:, start:stop]


def slots(places: Places, prompt: int, total: int, device: torch.device, watch: Watch | None = None) -> Slots:
    """A `Slots`; short ones are kept: the same shapes are asked again and again."""
    return _kept(places, prompt, total, device) if total <= _KEPT else Slots(places, prompt, total, device, watch)


@lru_cache(maxsize=64)
def _kept(places: Places, prompt: int, total: int, device: torch.device) -> Slots:
    return Slots(places, prompt, total, device)


def _assign(last: list[int], prompt: int) -> tuple[NDArray[np.int64], int]:
    """A slot for each token, given the last token that looks at each; and how many slots there are."""
    free: list[int] = []
    leaving: dict[int, list[int]] = {}
    found, count = list(range(prompt)), prompt
    for token, end in enumerate(last):
        if token >= prompt:
            if token > prompt:
                free += leaving.pop(token - 1, [])
            else:  # what only the prompt looked at
                for past in range(token):
                    free += leaving.pop(past, [])
            if not free:
                free.append(count)
                count += 1
            found.append(free.pop())
        leaving.setdefault(end, []).append(found[token])
    return np.array(found), count
