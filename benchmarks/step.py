"""A training step of CalcGPT against one of transformers' Trainer: same GPT-2 shape, data, batch and settings, fp32.

Both train from scratch, in turn, several times; the ratio of each pair and its median are printed, with both losses.

    python benchmarks/step.py [--steps 600] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics

from peers import Rows, their_model, train_ours, train_theirs

from calcgpt import TrainingConfig

SHAPES = {
    64: {"num_layers": 4, "feedforward_dim": 256},  # 533,632 parameters
    8: {"num_layers": 6, "feedforward_dim": 512},  # 1,193,344 parameters: the documented architecture
}


def measure(batch_size: int, steps: int, rounds: int) -> None:
    config = TrainingConfig(
        batch_size=batch_size, max_steps=steps, epochs=10_000, eval_steps=10**9, eval_examples=1, **SHAPES[batch_size]
    )
    ratios = []
    for number in range(1, rounds + 1):
        ours, our_loss, trainer = train_ours(config)
        rows = Rows(trainer.source.dataset, trainer.tokenizer.pad_id)
        theirs, their_loss = train_theirs(their_model(trainer.model.config), rows, config, steps)
        ratios.append(theirs / ours)
        print(
            f"batch {batch_size}, round {number}: Trainer {theirs / steps * 1e3:.1f} ms (loss {their_loss:.4f}), "
            f"CalcGPT {ours / steps * 1e3:.1f} ms (loss {our_loss:.4f}), ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"batch {batch_size}: median ratio {statistics.median(ratios):.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, choices=SHAPES, nargs="*", default=list(SHAPES))
    options = parser.parse_args()
    for size in options.batch:
        measure(size, options.steps, options.rounds)
