"""A recipe over several seeds: training seconds, and exact match at lengths far beyond what it was trained on.

python benchmarks/lengths.py addition --seeds 10 --digits 100 200 500 1000 --count 1000
python benchmarks/lengths.py multiplication --seeds 10 --digits 20 5x20 50:100 100:100    (100 of the last two)
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

from calcgpt.evaluation import evaluate, load_suite
from calcgpt.inference.solver import CalcGPT
from calcgpt.training.recipes import load_recipe
from calcgpt.training.trainer import CalcGPTTrainer


def main(options: argparse.Namespace) -> None:
    recipe = load_recipe(options.recipe)
    succeeded = 0
    for seed in range(recipe.config.seed, recipe.config.seed + options.seeds):
        config = dataclasses.replace(recipe.config, seed=seed)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "model"
            results = CalcGPTTrainer(config, None, folder, verbose=False).train()
            solver = CalcGPT(folder)
        started = time.perf_counter()
        rows = measure(solver, options)
        seconds = time.perf_counter() - started
        succeeded += all(row["right"] == row["problems"] for row in rows)
        shown = [f"{row['operation']} {row['digits']}: {row['right']:,} of {row['problems']:,}" for row in rows]
        print(
            f"seed {seed}: trained in {results['training_time']:.1f} s ({results['steps']:,} steps, "
            f"{results['model_params']:,} parameters); {'; '.join(shown)}; asked in {seconds:.0f} s",
            flush=True,
        )
    print(f"{succeeded} of {options.seeds} seeds answered every problem")


def measure(solver: CalcGPT, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each operator and length."""
    rows = []
    for text in options.digits:
        length, _, count = text.partition(":")
        suite = load_suite("lengths").changed(int(count or options.count), [length], seed=options.test_seed)
        rows += evaluate(solver, suite)["buckets"]
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a recipe's name, or a YAML file")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--digits", nargs="+", required=True, help="lengths such as 100, 20x10 or 30*30")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--test-seed", type=int, default=0)
    main(parser.parse_args())
