"""Data at a million lines: generating, writing, reading, augmenting, splitting; and what `calcgpt --help` takes.

python benchmarks/data.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calcgpt.arithmetic.datasets import (
    DatasetSpec,
    augment_data,
    generate,
    load_dataset,
    split_examples,
    write_examples,
)

LINES = 1_000_000


def timed(what: str, work: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = work()
    print(f"{what}: {time.perf_counter() - started:.2f} s", flush=True)
    return result


def main() -> None:
    spec = DatasetSpec(operations=("+", "-"), min_value=0, max_value=9999, negative_results=True, count=LINES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.txt"
        problems = timed(f"generate {LINES:,} expressions", lambda: generate(spec))
        timed("write them", lambda: write_examples(path, problems))
        examples = timed("load_dataset, every line checked", lambda: load_dataset(path))
    timed(f"augment_data of {len(examples):,} examples", lambda: augment_data(examples))
    timed("split_examples", lambda: split_examples(examples, 0.2, 0))
    seconds = []
    for _ in range(7):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "calcgpt", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    print(f"calcgpt --help: {statistics.median(seconds):.2f} s median, a whole process")


if __name__ == "__main__":
    main()
