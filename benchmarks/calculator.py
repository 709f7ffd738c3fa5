"""The calculator that comes with the package: every sum and difference of 0 to 999, samples of the rest, long problems.

python benchmarks/calculator.py [MODEL] [--count 100000]
"""

from __future__ import annotations

import argparse
from typing import Any

from calcgpt import CalcGPT
from calcgpt.arithmetic.columns import SYMBOLS
from calcgpt.arithmetic.task import Task
from calcgpt.evaluation import Part, Suite, evaluate, load_suite


def share(row: dict[str, Any]) -> str:
    return f"{row['right']:,} of {row['problems']:,}"


def main(options: argparse.Namespace) -> None:
    solver = CalcGPT(options.model)
    print(f"{solver.path}: {solver.model.num_parameters:,} parameters", flush=True)
    for symbol in ("+", "-") if options.exhaustive else ():
        report = evaluate(solver, load_suite("exhaustive").changed(digits=["3"], operations=[symbol]))
        apart = f"trained on {share(report['trained_on'])}, never seen {share(report['never_seen'])}"
        print(f"{symbol} every problem of 0 to 999: {share(report)} ({apart})", flush=True)
    suite = Suite("drawn", (Part("uniform", options.count),), seed=1)
    for name, low in (("0 to 999", 0), ("-999 to 999", -999)):
        for symbol in SYMBOLS:
            print(f"{symbol} {name}, drawn: {share(evaluate(solver, suite, [Task((symbol,), low, 999)]))}", flush=True)
    for length, count in (("20", 1000), ("20x10", 1000), ("100", 100), ("100x50", 100)):
        for row in evaluate(solver, load_suite("lengths").changed(count, [length]))["buckets"]:
            print(f"{row['operation']} {row['digits']} digits: {share(row)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="calculator")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--exhaustive", action="store_true", help="every sum and difference of 0 to 999 too")
    main(parser.parse_args())
