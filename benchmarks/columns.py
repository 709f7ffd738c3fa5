"""What columns cost: a training step, 1,000 sums of 1,000 digits, one of 10,000, and a token near and far.

python benchmarks/columns.py MODEL      (a trained `addition`)
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import statistics
import tempfile
import time

import numpy as np

from calcgpt.arithmetic.columns import Shape
from calcgpt.arithmetic.drawing import draw
from calcgpt.inference.columns import ask
from calcgpt.inference.placed import PlacedCache
from calcgpt.inference.solver import CalcGPT
from calcgpt.training.recipes import load_recipe
from calcgpt.training.trainer import CalcGPTTrainer


class TimedTrainer(CalcGPTTrainer):
    """Notes the seconds of every step."""

    def _step(self, step: int):  # noqa: ANN202 - as in the trainer
        started = time.perf_counter()
        loss = super()._step(step)
        self.seconds.append(time.perf_counter() - started)
        return loss


def training_step() -> None:
    config = dataclasses.replace(load_recipe("addition").config, max_steps=300)
    with tempfile.TemporaryDirectory() as folder:
        trainer = TimedTrainer(config, None, f"{folder}/model", verbose=False)
        trainer.seconds = []
        trainer.train()
    print(f"training step at {config.batch_tokens:,} tokens: median {statistics.median(trainer.seconds) * 1e3:.1f} ms")


def decoding(solver: CalcGPT, digits: int, count: int) -> None:
    problems = draw(Shape("+", (digits, digits)), count, np.random.default_rng(0), 0.3)
    started = time.perf_counter()
    answers = ask(solver, problems)
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{count:,} sums of {digits:,} digits: {seconds:.1f} s, {int(answers.right.sum()):,} right, "
        f"{memory:.2f} GiB at most so far"
    )


def tokens_near_and_far(solver: CalcGPT, digits: int) -> None:
    """Times every token of one decoding, and compares the ones around the 10th digit with the last."""
    seconds: list[float] = []
    attend = PlacedCache.attend

    def timed(self: PlacedCache, *arguments):  # noqa: ANN002, ANN202
        seconds.append(time.perf_counter())
        return attend(self, *arguments)

    PlacedCache.attend = timed
    ask(solver, draw(Shape("+", (digits, digits)), 1, np.random.default_rng(0)))
    PlacedCache.attend = attend
    costs = np.diff(np.array(seconds))  # one layer: from one token to the next
    near, far = np.median(costs[5:500]), np.median(costs[-500:])
    mean_near, mean_far = costs[5:1029].mean(), costs[-1024:].mean()
    print(
        f"a token near the 10th digit {near * 1e6:.0f} µs, near the {digits:,}th {far * 1e6:.0f} µs "
        f"({far / near:.2f} of it); "
        f"mean of 1,024 tokens {mean_near * 1e6:.0f} and {mean_far * 1e6:.0f} µs ({mean_far / mean_near:.2f})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    solver = CalcGPT(parser.parse_args().model)
    training_step()
    decoding(solver, 1000, 1000)
    decoding(solver, 10_000, 1)
    tokens_near_and_far(solver, 10_000)
