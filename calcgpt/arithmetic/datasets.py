"""Data files: `12+34=46` line by line. Everything about them, gathered from the modules that do it.

spec: what a generated one holds, and the name that says so. generate: making and writing it. reading: finding
and validating. splitting: training and test without leakage, and augmentation. analysis: a file in numbers.
"""

from __future__ import annotations

from calcgpt.arithmetic.analysis import analyze
from calcgpt.arithmetic.generate import generate, write_examples
from calcgpt.arithmetic.reading import Dataset, find_dataset, load_dataset, read_dataset
from calcgpt.arithmetic.spec import DatasetSpec, parse_name
from calcgpt.arithmetic.splitting import augment_data, split_examples

__all__ = [
    "Dataset",
    "DatasetSpec",
    "analyze",
    "augment_data",
    "find_dataset",
    "generate",
    "load_dataset",
    "parse_name",
    "read_dataset",
    "split_examples",
    "write_examples",
]
