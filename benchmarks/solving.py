"""Answering: `solve_batch` against transformers' `generate` one by one, the same model; a loaded `solve`.

python benchmarks/solving.py MODEL [--problems 100000] [--one-by-one 200]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from calcgpt import CalcGPT
from calcgpt.arithmetic.problems import Problems


def main(folder: str, count: int, alone: int) -> None:
    solver = CalcGPT(folder)
    rng = np.random.default_rng(0)
    problems = Problems.concatenate([task.sample(count, rng) for task in solver.tasks])
    order = rng.permutation(len(problems))
    texts = problems[order].expressions() if len(problems) else []
    texts = (texts * (count // len(texts) + 1))[:count]
    solver.solve_batch(texts[:2000])

    rates = []
    for _ in range(3):
        started = time.perf_counter()
        results = solver.solve_batch(texts)
        rates.append(len(texts) / (time.perf_counter() - started))
    rate = statistics.median(rates)
    right = sum(result["is_correct"] for result in results)
    print(f"solve_batch: {rate:,.0f} problems a second, texts in and dicts out; {right:,} of {len(texts):,} right")

    seconds = []
    for text in texts[:alone]:
        started = time.perf_counter()
        solver.solve(text)
        seconds.append(time.perf_counter() - started)
    print(f"solve, loaded: {statistics.median(seconds) * 1e3:.2f} ms median")

    model = AutoModelForCausalLM.from_pretrained(folder)
    parsed = problems[order][:alone]
    written = solver.notation.write_prompts(parsed).texts()
    limit = solver.model.config.max_length
    seconds, same = [], 0
    for text, ours in zip(written, solver.texts(solver.decode(parsed)), strict=True):
        prompt = torch.tensor([solver.tokenizer.encode(text)])
        started = time.perf_counter()
        tokens = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=limit - prompt.shape[1]
        )
        seconds.append(time.perf_counter() - started)
        same += solver.tokenizer.decode(tokens[0, prompt.shape[1] :].tolist()) == ours
    theirs = statistics.median(seconds)
    print(f"generate, one by one: {theirs * 1e3:.2f} ms median; {same} of {len(written)} completions the same as ours")
    print(f"ratio: {theirs * rate:.0f}x")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--problems", type=int, default=100_000)
    parser.add_argument("--one-by-one", type=int, default=200)
    options = parser.parse_args()
    main(options.model, options.problems, options.one_by_one)
