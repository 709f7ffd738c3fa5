"""Linear probes: how well one bit can be read off features with one direction, beside three controls.

A probe is a logistic regression. What it reads is linearly present; whether the model uses it is another question. See
Alain and Bengio, "Understanding intermediate layers using linear classifier probes" (2016), for the shuffled labels
Hewitt and Liang, "Designing and Interpreting Probes with Control Tasks" (2019), and for the untrained network Zhang and
Bowman, "Language Modeling Teaches You More than Translation Does: Lessons Learned Through Auxiliary Task Analysis"
(2018).

Sizes: N problems, n of them to fit to, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]
READABLE = 0.95  # from this accuracy on a bit is called readable
CONTROLS = ("shuffled", "untrained", "majority")
FEWEST = 20  # problems of either kind to fit, and problems to test, below which nothing is told
_SHUFFLES = 3  # controls whose accuracies are averaged
_STILL = 1e-6  # spread of a feature below which it does not change
_ROUNDS = 30  # of Newton's method
_EASE = 1.0  # what half the squared weights of a probe cost


def tells(labels: Bits, test: Bits) -> bool:
    """Whether there are problems enough of either kind."""
    known = labels[~test]
    return bool(min(known.sum(), (~known).sum()) >= FEWEST and test.sum() >= FEWEST)


def probe(
    features: NDArray[Any], untrained: Sequence[NDArray[Any]], labels: Bits, test: Bits, rng: np.random.Generator
) -> dict[str, Any]:
    """How well a bit can be read off features, on rows that are held out of fitting.

    Args:
        features: (N, C), of the model.
        untrained: the same of untrained networks, one or more.
        labels: (N,). test: (N,) which rows are held out.
        rng: of the shuffles.

    Returns:
        accuracy; shuffled, of probes fitted to shuffled labels; untrained, the highest of probes for the untrained
        networks; majority, of always saying what is more frequent; problems, how many are held out.
    """
    known = labels[~test]
    own = _scaled(features, test)
    return {
        "accuracy": _held_out(own, known, labels, test),
        "shuffled": float(np.mean([_held_out(own, rng.permutation(known), labels, test) for _ in range(_SHUFFLES)])),
        "untrained": max(_held_out(_scaled(other, test), known, labels, test) for other in untrained),
        "majority": float((labels[test] == (2 * known.sum() > len(known))).mean()),
        "problems": int(test.sum()),
    }


def is_readable(row: dict[str, Any]) -> bool:
    """Whether a probe reads a bit: with an accuracy of READABLE, and above every control beyond chance."""
    return row["accuracy"] >= READABLE and _at_least(row) > max(row[control] for control in CONTROLS)


def _at_least(row: dict[str, Any]) -> float:
    """The lower end of Wilson's 95% interval for a row's accuracy."""
    share, n, z = row["accuracy"], row["problems"], 1.96
    spread = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return (share + z * z / (2 * n) - spread) / (1 + z * z / n)


def _scaled(features: NDArray[Any], test: Bits) -> NDArray[np.float64]:
    """Features with mean 0 and spread 1 in the rows to fit to."""
    features = features.astype(np.float64)
    middle, spread = features[~test].mean(0), features[~test].std(0)
    return (features - middle) / np.where(spread > _STILL, spread, np.inf)  # what never changes says nothing


def _held_out(features: NDArray[np.float64], known: Bits, labels: Bits, test: Bits) -> float:
    """The accuracy on the held-out rows of a probe fitted to the others with labels `known` (n,)."""
    weights = _fit(features[~test], known)
    return float(((features[test] @ weights[:-1] + weights[-1] > 0) == labels[test]).mean())


def _fit(x: NDArray[np.float64], labels: Bits) -> NDArray[np.float64]:
    """Logistic regression with a cost on its weights, by Newton's method: (n, C) -> (C + 1,), the last the offset."""
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    cost = np.append(np.full(x.shape[1] - 1, _EASE), 1e-6)
    weights = np.zeros(x.shape[1])

    def loss(w: NDArray[np.float64]) -> float:
        z = x @ w
        return float(np.logaddexp(0, z).sum() - z[labels].sum() + (cost * w * w).sum() / 2)

    for _ in range(_ROUNDS):
        share = 0.5 * (1 + np.tanh(x @ weights / 2))  # the logistic function, without overflow
        slope = x.T @ (share - labels) + cost * weights
        curve = (x * (share * (1 - share))[:, None]).T @ x + np.diag(cost)
        step, here, length = np.linalg.solve(curve, slope), loss(weights), 1.0
        while loss(weights - length * step) > here and length > 1e-4:
            length /= 2
        weights = weights - length * step
        if np.abs(length * step).max() < 1e-4:
            break
    return weights
