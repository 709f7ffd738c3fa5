"""Evaluation: every problem of a plain model's range, a grid of lengths of one that writes columns, and their memory.

python benchmarks/evaluating.py models/three-digit models/addition [--grid 100]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time


def measure(title: str, *arguments: str) -> None:
    """Run `calcgpt evaluate` in a process of its own: what it says, its seconds, and the most memory that it held."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, "-m", "calcgpt", "evaluate", *arguments, "--json", "--folder", folder]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
        output.seek(0)
        report = json.load(output)
    rate, memory = report["problems_per_second"], usage.ru_maxrss / 2**20
    counts = f"{report['right']:,} of {report['problems']:,} right in {seconds:.1f} s, all included"
    print(f"{title}: {counts}; {rate:,.0f} problems a second while asking; {memory:.2f} GiB at most", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plain", help="a model such as three-digit")
    parser.add_argument("columns", help="a model such as addition")
    parser.add_argument("--grid", type=int, default=100, help="digits of the longest operands of the grid")
    options = parser.parse_args()
    measure("quick", options.plain, "--suite", "quick")
    measure("exhaustive", options.plain, "--exhaustive")
    measure(f"grid to {options.grid} digits", options.columns, "--suite", "length-grid", "--digits", str(options.grid))
