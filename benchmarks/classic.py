"""The documented run, whole: CalcGPT against transformers' Trainer on the same rows, and both held-out exact matches.

python benchmarks/classic.py [--epochs 50]
"""

from __future__ import annotations

import argparse
import time

from peers import Rows, their_model, train_ours, train_theirs

from calcgpt.arithmetic.problems import from_expressions
from calcgpt.inference.solver import CalcGPT
from calcgpt.inference.verdicts import judge
from calcgpt.model.gpt import GPT
from calcgpt.training.config import TrainingConfig


def main(epochs: int) -> None:
    config = TrainingConfig(epochs=epochs)
    started = time.perf_counter()
    _, _, trainer = train_ours(config)
    ours = time.perf_counter() - started
    match = trainer.history[-1]["exact_match"]
    print(f"CalcGPT: {ours:.0f} s, {epochs} validations included; held-out exact match {match:.2%}", flush=True)

    model = their_model(trainer.model.config)
    rows = Rows(trainer.source.dataset, trainer.tokenizer.pad_id)
    theirs, _ = train_theirs(model, rows, config)
    # The same weights in the same decoder, so that only the training differs.
    copy = GPT(trainer.model.config)
    copy.load_weights(model.state_dict())
    solver = CalcGPT.from_parts(copy, trainer.tokenizer)
    held_out = from_expressions([example.split("=")[0] for example in trainer.data.test])
    match = judge(solver, held_out).exact_match
    print(f"Trainer: {theirs:.0f} s, no validation; held-out exact match {match:.2%}")
    print(f"CalcGPT takes {ours / theirs:.1%} of its time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=50)
    main(parser.parse_args().epochs)
