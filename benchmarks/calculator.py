"""The calculator that comes with the package: every sum and difference of 0 to 999, samples of the rest, long problems.

python benchmarks/calculator.py [MODEL] [--count 100000]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from calcgpt import CalcGPT
from calcgpt.arithmetic.columns import SYMBOLS, by_shape
from calcgpt.arithmetic.problems import Problems
from calcgpt.evaluation import evaluate, load_suite
from calcgpt.inference.columns import ask

BLOCK = 50_000


def right(solver: CalcGPT, problems: Problems) -> int:
    """How many are answered rightly."""
    total = 0
    for start in range(0, len(problems), BLOCK):
        for _, group in by_shape(problems[start : start + BLOCK], solver.notation.signed):
            total += int(ask(solver, group).right.sum())
    return total


def sample(symbol: str, low: int, count: int, rng: np.random.Generator) -> Problems:
    """Operands of `low` to 999, every pair as likely; what was trained on may be among them."""
    operands = rng.integers(low, 1000, (count, 2))
    if symbol in ("//", "%"):
        operands[operands[:, 1] == 0, 1] = 7
    return Problems((symbol,), np.zeros(count, np.uint8), operands)


def share(row: dict[str, Any]) -> str:
    return f"{row['right']:,} of {row['problems']:,}"


def main(options: argparse.Namespace) -> None:
    solver, rng = CalcGPT(options.model), np.random.default_rng(1)
    print(f"{solver.path}: {solver.model.num_parameters:,} parameters", flush=True)
    for symbol in ("+", "-") if options.exhaustive else ():
        report = evaluate(solver, load_suite("exhaustive").changed(digits=["3"], operations=[symbol]))
        apart = f"trained on {share(report['trained_on'])}, never seen {share(report['never_seen'])}"
        print(f"{symbol} every problem of 0 to 999: {share(report)} ({apart})", flush=True)
    for name, low in (("0 to 999", 0), ("-999 to 999", -999)):
        for symbol in SYMBOLS:
            found = right(solver, sample(symbol, low, options.count, rng))
            print(f"{symbol} {name}, drawn: {found:,} of {options.count:,}", flush=True)
    for length, count in (("20", 1000), ("20x10", 1000), ("100", 100), ("100x50", 100)):
        for row in evaluate(solver, load_suite("lengths").changed(count, [length]))["buckets"]:
            print(f"{row['operation']} {row['digits']} digits: {share(row)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="calculator")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--exhaustive", action="store_true", help="every sum and difference of 0 to 999 too")
    main(parser.parse_args())
