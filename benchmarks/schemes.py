"""Position schemes side by side: one model, the same sums of at most 10 digits, the same seconds of training on this
machine; and our own, taken apart. How many steps a scheme gets follows from what its first steps take.

python benchmarks/schemes.py [--seconds 120] [--count 100]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

from calcgpt.evaluation import evaluate, load_suite
from calcgpt.inference.solver import CalcGPT
from calcgpt.tokens.scheme import Positions
from calcgpt.training.recipes import load_recipe
from calcgpt.training.trainer import CalcGPTTrainer

LENGTHS = (10, 20, 50, 100, 1000)
PUBLISHED = ("position-coupling", "abacus", "nope", "rotary", "alibi", "fire")
OURS = Positions(ids="coupled", encoding="relative", window=(1,), segments=True, ahead=True)
PARTS = {
    "coupled ids, window 1, segments, ahead": OURS,
    "... without window (distances up to 8)": dataclasses.replace(OURS, window=(), max_id=8),
    "... without coupling (window 40 on tokens' order)": dataclasses.replace(OURS, ids="sequential", window=(40,)),
    "... without segments": dataclasses.replace(OURS, segments=False),
    "... not asking ahead, window 2": dataclasses.replace(OURS, ahead=False, window=(2,)),
    "... a window alone (no bias)": dataclasses.replace(OURS, encoding="none"),
}


_TRIED = 240  # steps of a short run, from whose second half the time of one is told


def main(seconds: float, count: int, seed: int, only: str | None) -> None:
    schemes = {name: load_recipe(name).config.positions for name in PUBLISHED} | PARTS
    print("| scheme | steps | seconds | " + " | ".join(map(str, LENGTHS)) + " digits |", flush=True)
    for name, scheme in schemes.items():
        if only is None or only in name:
            config = dataclasses.replace(load_recipe("nope").config, positions=scheme, seed=seed)
            config = dataclasses.replace(config, max_steps=max(_TRIED, int(seconds / step_time(config))))
            took, found = measure(config, count)
            print(f"| {name} | {config.max_steps:,} | {took:.0f} | " + " | ".join(found) + " |", flush=True)


def step_time(config) -> float:
    """Seconds of a step, from a short run."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        config = dataclasses.replace(config, max_steps=_TRIED, eval_steps=_TRIED, eval_examples=1)
        CalcGPTTrainer(config, None, folder, verbose=False).train()
        records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    first, *_, last = [record for record in records if "loss" in record and record["step"] >= _TRIED // 2]
    return (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])


def measure(config, count: int) -> tuple[float, list[str]]:
    """Seconds of training, and exact match at each length ("-" where the scheme has no ids left)."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        results = CalcGPTTrainer(config, None, folder, verbose=False).train()
        solver = CalcGPT(folder)
    found = []
    for length in LENGTHS:
        asked = count if length < 1000 else min(count, 20)
        report = evaluate(solver, load_suite("lengths").changed(asked, [str(length)]))
        found.append("-" if report["refused"] else f"{report['exact_match']:.0%}")
    return results["training_time"], found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0, help="of training, for each scheme")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--only", help="a part of the names to measure")
    arguments = parser.parse_args()
    main(arguments.seconds, arguments.count, arguments.seed, arguments.only)
