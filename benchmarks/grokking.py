"""The recipe `grokking`, drawn: the loss on what it was trained on, and exact match on the half it never saw.

python benchmarks/grokking.py [--steps 4000] [--seed 42] --plot docs/grokking.png
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from calcgpt.evaluation.report_axes import percent_ticks
from calcgpt.evaluation.report_figure import Plot, drawn, styled
from calcgpt.training.recipes import load_recipe
from calcgpt.training.trainer import CalcGPTTrainer


def train(steps: int, seed: int) -> list[dict[str, Any]]:
    recipe = load_recipe("grokking")
    config = dataclasses.replace(recipe.config, max_steps=steps, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        return CalcGPTTrainer(config, recipe.dataset, Path(folder) / "model").train()["history"]


@styled()
def draw(history: list[dict[str, Any]], path: str) -> None:
    training = [(record["step"], record["loss"]) for record in history if "loss" in record]
    held_out = [(record["step"], record["exact_match"]) for record in history if "exact_match" in record]
    figure = Plot(figsize=(7, 4.6))
    figure.suptitle("a+b modulo 97, from half of the table", fontsize=11)
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(*zip(*training, strict=True), color="#D55E00")
    above.set(ylabel="loss\n(trained on)", xscale="log", yscale="log")
    below.plot(*zip(*held_out, strict=True), color="#0072B2")
    below.set(xlabel="step", ylabel="exact match\n(never seen)", ylim=(-0.02, 1.02))
    below.xaxis.set_major_formatter("{x:,.0f}")
    below.yaxis.set_major_formatter(percent_ticks())
    Path(path).write_bytes(drawn(figure, "png"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--plot", required=True, help="where the picture goes")
    options = parser.parse_args()
    draw(train(options.steps, options.seed), options.plot)
