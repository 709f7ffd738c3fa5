"""Hashes that are the same on every machine and in every version; splits and held-out problems go by them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic.integers import IntegerArray

Words = NDArray[np.uint64]

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix(words: Words) -> Words:
    """A bijection of 64-bit words that spreads every bit over all of them: the finaliser of SplitMix64."""
    words = words + np.uint64(_GOLDEN)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def mix_with_seed(keys: Words, seed: int) -> Words:
    """(N,) keys reordered by a seed (any integer): different keys stay different."""
    return mix(keys ^ mix(np.array([seed & _MASK], dtype=np.uint64)))


def text_key(text: str) -> int:
    """A 64-bit hash of a text."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def text_keys(texts: Iterable[str]) -> Words:
    """(N,) `text_key` of each."""
    return np.array([text_key(text) for text in texts], dtype=np.uint64)


def integer_words(values: IntegerArray) -> Words:
    """(N,) one word an integer, whatever the array's type: its own bits where 64 are enough, else a hash."""
    if values.dtype != object:
        return values.astype(np.int64).view(np.uint64)
    return np.array([_word(value) for value in values.tolist()], dtype=np.uint64)


def _word(value: int) -> int:
    if -(2**63) <= value < 2**63:
        return value & _MASK
    return text_key(f"{value:x}")
