"""Which keys each written token looks at, and where they are held: known before decoding, because places are.

A key is dropped after the last token that looks at it, and a later one takes its slot. So the memory of a long product
or division is that of the few rows that are still seen, not of all its work.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from calcgpt.model.positions import PositionEncoding, Sight
from calcgpt.tokens.places import Neighbours, Places


class Slots:
    """A plan for decoding `total` tokens, the first `prompt` of them given and held in the first slots.

    count: slots in all. of: (total,) each token's slot. Without a window every token has its own, and is seen by all.
    """

    def __init__(self, places: Places, prompt: int, total: int, device: torch.device):
        self.places, self.prompt, self.device = places, prompt, device
        self.sight: Sight | None = None
        self.of, self.count = list(range(total)), total
        if places.windows is not None and total > prompt:
            found = Neighbours(places).see(prompt - 1, total - 1)
            self.sight = Sight(places, prompt - 1, total - 1, device, found)
            last = np.arange(total)
            np.maximum.at(last, found.keys, found.queries)
            self.of, self.count = _assign(last.tolist(), prompt)
            self._keys = torch.tensor(self.of, device=device)[self.sight.keys]
            self._starts = found.starts.tolist()

    def seen(self, token: int, scores: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """The slots that a written token looks at, (K,), None for all before it; and their scores, (H or 1, K).

        `scores` are those that `scored` gave.
        """
        if self.sight is None:
            return None, scores
        start, stop = self._starts[token - self.prompt + 1], self._starts[token - self.prompt + 2]
        return self._keys[start:stop], None if scores is None else scores[:, start:stop]

    def scored(self, encoding: PositionEncoding, token: int) -> Tensor | None:
        """The scores of every key that any written token sees; without a window those of one token."""
        return encoding.scores(self.sight or Sight(self.places, token, token + 1, self.device))


@lru_cache(maxsize=64)
def slots(places: Places, prompt: int, total: int, device: torch.device) -> Slots:
    """A `Slots`, kept: the same shapes are asked again and again."""
    return Slots(places, prompt, total, device)


def _assign(last: list[int], prompt: int) -> tuple[list[int], int]:
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
    return found, count
