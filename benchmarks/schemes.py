"""Position schemes side by side: one model, the same sums of at most 10 digits, the same number of steps, several
seeds; and our own scheme taken apart.

python benchmarks/schemes.py --rows schemes.jsonl [--seeds 42 43 44] [--count 200] [--only abacus]

Each (scheme, steps, seed) is appended to the file as soon as it is finished, and skipped where the file has it: after
an interruption the same command goes on. `--table` prints the table of a file and trains nothing. One thread computes:
the number of threads changes the last bits of a product, and with them the model that a seed gives.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from calcgpt.evaluation import evaluate, load_suite
from calcgpt.inference.solver import CalcGPT
from calcgpt.tokens.scheme import Positions
from calcgpt.training.config import TrainingConfig
from calcgpt.training.recipes import load_recipe
from calcgpt.training.trainer import CalcGPTTrainer

LENGTHS = (10, 20, 50, 100, 1000)
LONG = 20  # problems of 1,000 digits: without a window each costs as much as thousands of short ones
PUBLISHED = ("position-coupling", "abacus", "nope", "rotary", "alibi", "fire")
OURS = Positions(ids="coupled", encoding="relative", window=(1,), segments=True, ahead=True)
PARTS = {
    "coupled ids, relative bias, window 1, segments, ahead": OURS,
    "... without window (distances up to 8)": dataclasses.replace(OURS, window=(), max_id=8),
    "... without coupling (window 40 on tokens' order)": dataclasses.replace(OURS, ids="sequential", window=(40,)),
    "... without segments": dataclasses.replace(OURS, segments=False),
    "... not asking ahead, window 2": dataclasses.replace(OURS, ahead=False, window=(2,)),
    "... a window alone (no bias)": dataclasses.replace(OURS, encoding="none"),
}
SCHEMES = {name: load_recipe(name).config.positions for name in PUBLISHED} | PARTS
GROUPS = {  # steps: what gets as many. The published schemes get twice the steps of their recipes
    3000: (*PUBLISHED, next(iter(PARTS))),
    1500: tuple(PARTS),
}

Row = dict[str, Any]


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    for steps, names in GROUPS.items():
        for seed in options.seeds:
            for name in names:
                wanted = {"scheme": name, "seed": seed, "steps": steps, "count": options.count}
                if options.only in name and not any(wanted.items() <= row.items() for row in read(options.rows)):
                    row = json.dumps(wanted | measure(name, seed, steps, options.count))
                    with open(options.rows, "a", encoding="utf-8") as file:
                        file.write(row + "\n")
                    print(row, flush=True)


def read(path: Path) -> list[Row]:
    """The finished rows of a file, none where there is no file yet."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def measure(name: str, seed: int, steps: int, count: int) -> Row:
    """Train one model, and ask it each length: [right, problems], or None where it has no position ids left."""
    config = configuration(SCHEMES[name], seed, steps)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        results = CalcGPTTrainer(config, None, folder, verbose=False).train()
        solver = CalcGPT(folder)
    found = {}
    for length in LENGTHS:
        asked = count if length < 1000 else min(count, LONG)
        report = evaluate(solver, load_suite("lengths").changed(asked, [str(length)]))
        found[length] = None if report["refused"] else [report["right"], report["problems"]]
    return {"seconds": round(results["training_time"], 1), "digits": found}


def configuration(positions: Positions, seed: int, steps: int) -> TrainingConfig:
    """The settings that all schemes share. The weights after the last step are the model; no test chooses them."""
    common = load_recipe("nope").config
    return dataclasses.replace(common, positions=positions, seed=seed, max_steps=steps, eval_steps=steps)


def table(rows: list[Row]) -> str:
    """Markdown: for each scheme and number of steps the mean over seeds, and (lowest–highest) where they differ."""
    lines = ["| scheme | steps | seeds | " + " | ".join(f"{length:,}" for length in LENGTHS) + " digits |"]
    lines.append("|---" * (3 + len(LENGTHS)) + "|")
    for name in SCHEMES:
        for steps in sorted({row["steps"] for row in rows if row["scheme"] == name}):
            same = [row for row in rows if (row["scheme"], row["steps"]) == (name, steps)]
            shares = [summary([row["digits"][str(length)] for row in same]) for length in LENGTHS]
            title = f"`{name}`" if name in PUBLISHED else name
            lines.append(f"| {title} | {steps:,} | {len(same)} | " + " | ".join(shares) + " |")
    return "\n".join(lines)


def summary(counts: list[list[int] | None]) -> str:
    """Mean exact match of several seeds, with its range."""
    shares = [100 * pair[0] / pair[1] for pair in counts if pair]
    if not shares:
        return "-"
    mean, low, high = map(percentage, (sum(shares) / len(shares), min(shares), max(shares)))
    return f"{mean}%" if low == high else f"{mean}% ({low}–{high})"


def percentage(share: float) -> str:
    """One decimal at most; 100 only where all are right."""
    return f"{share if share == 100 else min(share, 99.9):.1f}".removesuffix(".0")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="file of finished rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--count", type=int, default=200, help="problems a length; 20 of 1,000 digits")
    parser.add_argument("--only", default="", help="a part of the names to measure")
    parser.add_argument("--table", action="store_true", help="print the table of the file, and train nothing")
    arguments = parser.parse_args()
    if not arguments.table:
        main(arguments)
    print(table(read(arguments.rows)))
