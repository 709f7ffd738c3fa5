"""The recipe `grokking`, drawn: the loss on what it was trained on, and exact match on the half it never saw.

python benchmarks/grokking.py [--steps 4000] [--seed 42] --plot docs/grokking.png
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import matplotlib

from calcgpt.training.recipes import load_recipe
from calcgpt.training.trainer import CalcGPTTrainer

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def train(steps: int, seed: int) -> list[dict[str, Any]]:
    recipe = load_recipe("grokking")
    config = dataclasses.replace(recipe.config, max_steps=steps, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        return CalcGPTTrainer(config, recipe.dataset, Path(folder) / "model").train()["history"]


def draw(history: list[dict[str, Any]], path: str) -> None:
    training = [(record["step"], record["loss"]) for record in history if "loss" in record]
    held_out = [(record["step"], record["exact_match"]) for record in history if "exact_match" in record]
    figure, left = plt.subplots(figsize=(7, 3.6), layout="constrained")
    right = left.twinx()
    lines = [
        *left.plot(*zip(*training, strict=True), color="#D55E00", linestyle="--", label="loss, trained on"),
        *right.plot(*zip(*held_out, strict=True), color="#0072B2", label="exact match, never seen"),
    ]
    left.set(xlabel="step", ylabel="loss", xscale="log", yscale="log", title="a+b modulo 97, from half of the table")
    right.set(ylabel="exact match", ylim=(-0.02, 1.02))
    left.legend(handles=lines, loc="center left")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--plot", required=True, help="where the picture goes")
    options = parser.parse_args()
    draw(train(options.steps, options.seed), options.plot)
