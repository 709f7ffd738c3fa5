"""Columns decoded in slices that fit the processor's caches, against one piece: the same problems in turn, in one run.

python benchmarks/slices.py [MODEL] [--threads 1 2] [--rounds 5] [--touched 25]      (without MODEL: the calculator)

A busy machine slows both down; the ratio is what to look at.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from calcgpt.arithmetic.columns import ColumnProblems
from calcgpt.inference import placed
from calcgpt.inference.columns import ask
from calcgpt.inference.solver import CalcGPT


def seconds(solver: CalcGPT, problems: ColumnProblems, touched: int) -> tuple[float, torch.Tensor]:
    """How long all of them take where a token of a slice touches at most so many bytes; and what was written."""
    placed._TOUCHED = touched
    started = time.perf_counter()
    answers = ask(solver, problems)
    return time.perf_counter() - started, answers.completions.tokens


def main(folder: str, threads: list[int], rounds: int, sizes: list[int]) -> None:
    solver = CalcGPT(folder, device="cpu")
    pairs = [(a, b) for a in range(10, 100) for b in range(10, 100)]
    problems = ColumnProblems.from_operands("*", pairs, (2, 2), solver.notation.signed)
    for count in threads:
        torch.set_num_threads(count)
        times: dict[int, list[float]] = {size: [] for size in (62, *sizes)}
        seconds(solver, problems, 2 ** sizes[0])
        for _ in range(rounds):
            written = []
            for size, taken in times.items():
                spent, tokens = seconds(solver, problems, 2**size)
                taken.append(spent)
                written.append(tokens)
            assert all(torch.equal(tokens, written[0]) for tokens in written), "the same tokens"
        for size in sizes:
            whole, sliced = (statistics.median(times[each]) for each in (62, size))
            ratio = statistics.median(a / b for a, b in zip(times[62], times[size], strict=True))
            print(
                f"{count} threads: {len(pairs):,} products, one piece {len(pairs) / whole:,.0f} a second, "
                f"slices of 2^{size} bytes {len(pairs) / sliced:,.0f}: {ratio:.2f} times as fast"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="calculator")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--touched", type=int, nargs="+", default=[25], help="powers of two to compare")
    options = parser.parse_args()
    main(options.model, options.threads, options.rounds, options.touched)
