"""The recipe three-digit on several seeds: training time, and the proof on all 2,000,000 problems.

python benchmarks/three_digit.py [--seeds 5]
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time

from calcgpt import CalcGPT, CalcGPTTrainer
from calcgpt.evaluation import evaluate
from calcgpt.training.recipes import load_recipe


def main(seeds: int, first: int | None) -> None:
    recipe = load_recipe("three-digit")
    start = recipe.config.seed if first is None else first
    proven = 0
    for seed in range(start, start + seeds):
        with tempfile.TemporaryDirectory() as folder:
            config = dataclasses.replace(recipe.config, seed=seed)
            results = CalcGPTTrainer(config, None, f"{folder}/model", verbose=False).train()
            solver = CalcGPT(f"{folder}/model")
            started = time.perf_counter()
            report = evaluate(solver, "exhaustive")
            seconds = time.perf_counter() - started
        proven += report["right"] == report["problems"]
        never = report["never_seen"]
        print(
            f"seed {seed}: trained in {results['training_time']:.1f} s, proven in {seconds:.1f} s: "
            f"{report['right']:,} of {report['problems']:,} right; unseen {never['right']:,} of {never['problems']:,}",
            flush=True,
        )
        for wrong in report["wrong"][:5]:
            print(f"    {wrong['problem']} = {wrong['solution']}, answered {wrong['answer']}", flush=True)
    print(f"{proven} of {seeds} seeds without a mistake")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=None, help="first seed; the recipe's own unless given")
    options = parser.parse_args()
    main(options.seeds, options.first)
