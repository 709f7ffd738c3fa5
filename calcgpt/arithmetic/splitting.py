"""The two ways to rearrange examples: into training and test, and doubled by exchanging operands."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from calcgpt.arithmetic.hashing import Words, mix_with_seed, text_keys
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.parsing import example_pattern
from calcgpt.arithmetic.scanning import scan
from calcgpt.errors import ConfigError


def split_examples(examples: Sequence[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """(training, test), each in the order given, with no problem in both: `a+b` and `b+a` stay together.

    Problems are ranked by a hash of the canonical problem and the seed, so the order of the lines does not
    matter; test takes the first ones until it holds `share` of the examples. Lines that are no examples are
    ranked by their text.
    Raises ConfigError for a share outside 0 to 1, or one above 0 that leaves either side without examples.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"the share of the test split lies between 0 and 1, not {share}")
    if not share:
        return list(examples), []
    if not examples:
        raise ConfigError(f"there are no examples to put {share:.4g} of into the test split")
    ranks = mix_with_seed(_group_keys(examples), seed)
    _, group, sizes = np.unique(ranks, return_inverse=True, return_counts=True)
    wanted = math.ceil(share * len(examples) - 1e-9)
    groups = int(np.searchsorted(np.cumsum(sizes), wanted)) + 1  # the fewest that hold as many
    is_test = group < groups
    if is_test.all() or not wanted:
        raise ConfigError(
            f"a test split of {share:.4g} of {len(examples):,} examples ({len(sizes):,} different problems) "
            f"leaves none to {'train' if wanted else 'test'} on: expected another share, or more examples"
        )
    train = [examples[place] for place in np.flatnonzero(~is_test).tolist()]
    return train, [examples[place] for place in np.flatnonzero(is_test).tolist()]


def _group_keys(examples: Sequence[str]) -> Words:
    """(N,) a key for each line, the same for lines that ask the same problem."""
    found = scan(examples)
    keys = np.zeros(len(examples), dtype=np.uint64)
    keys[found.lines] = found.problems.keys()
    others = np.ones(len(examples), dtype=bool)
    others[found.lines] = False
    places = np.flatnonzero(others)
    keys[places] = text_keys(examples[place] for place in places.tolist())
    return keys


def augment_data(examples: Sequence[str]) -> list[str]:
    """The examples, then `b+a=c` for every `a+b=c` that is without it; likewise for every commutative
    operation.

    Order is kept, and no example comes twice. Lines that are no examples (plain text) pass through as they
    are, repetitions and all. Linear in the number of examples.
    """
    match = example_pattern().fullmatch
    commutes = {symbol for symbol, operation in OPERATIONS.items() if operation.commutative}
    kept: list[str] = []
    exchanged: list[str] = []
    seen: set[str] = set()
    for example in examples:
        found = match(example)
        if found is None:
            kept.append(example)
        elif example not in seen:
            seen.add(example)
            kept.append(example)
            if found[2] in commutes:
                exchanged.append(_exchange(found))
    # Exchanging is one to one on different examples, so nothing can be added twice.
    return kept + [example for example in exchanged if example not in seen]


def _exchange(found: re.Match[str]) -> str:
    a, symbol, plain, bracketed, answer = found.groups()
    second = f"({a})" if a[0] == "-" else a
    return f"{plain or bracketed}{symbol}{second}={answer}"
