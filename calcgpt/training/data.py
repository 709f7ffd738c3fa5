"""What a run trains and tests on, and what identifies it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from calcgpt.arithmetic.cells import lay_out
from calcgpt.arithmetic.datasets import Dataset, augment_data, read_dataset, split_examples
from calcgpt.arithmetic.drawing import draw_shape
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.scanning import scan
from calcgpt.arithmetic.task import Task
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.column_source import draw_split, widest_shapes
from calcgpt.training.config import TrainingConfig
from calcgpt.training.source import longest, written_texts

_TASK_TESTS = 2000  # held-out problems that a task's runs are validated on
_SHAPE_TESTS = 20  # of one shape, where problems have many
_TEST_STREAM = 2**32  # a step that no run reaches: its draws are the test's


@dataclass
class TrainingData:
    """Training and test side of a run's data.

    train: examples, augmented; empty for a task, which draws its own. test: held-out examples, in a random order, so
    that the first of them are a fair sample. identity: what run.json says of where they came from. tasks: the ranges
    that training asks, for each operator.
    """

    train: list[str]
    test: list[str]
    identity: dict[str, Any]
    tasks: list[Task] = field(default_factory=list)

    def alphabet(self, config: TrainingConfig) -> Sequence[str]:
        """Texts that hold every character of this data in the config's notation."""
        if config.task is None:
            return written_texts(self.train + self.test, config.notation)
        if config.notation.work == "columns":
            return ["0123456789=+-", *config.task.operations]
        signs = "-" if config.task.min_value < 0 else ""
        signs += "+-" if config.notation.answer_width else "-" if config.task.negative_results else ""
        brackets = "()" if config.task.min_value < 0 else ""
        return ["0123456789=", *config.task.operations, signs, brackets]

    def longest(self, tokenizer: Tokenizer, config: TrainingConfig) -> int:
        """Tokens of the longest sequence, its end counted; perhaps more than that for a task with number tokens."""
        if config.task is None:
            return longest(tokenizer, self.train + self.test, config.notation)
        if config.notation.work == "columns":
            return max(len(lay_out(shape).ids) for shape in widest_shapes(config.task, config.notation.signed))
        # Characters, of which no token has less than one: with number tokens, 1000 takes more of them than 9999.
        extremes = _extremes(config.task)
        prompts = config.notation.write_prompts(extremes).lengths
        answers = config.notation.write_answers(extremes, extremes.solutions()).lengths
        return int(prompts.max() + answers.max()) + 1


def load_file_data(path: Path, config: TrainingConfig) -> TrainingData:
    """A data file, split before it is augmented.

    Raises:
        DataError: the file is missing, unreadable or wrong.
        ConfigError: the split leaves a side without examples.
    """
    return file_data(read_dataset(path, skip_invalid=config.skip_invalid, plain_text=config.plain_text), path, config)


def file_data(dataset: Dataset, path: Path, config: TrainingConfig) -> TrainingData:
    """The same of a file that was read, from the path that the user gave.

    Raises:
        ConfigError: the split leaves a side without examples.
    """
    examples = dataset.examples
    train, test = split_examples(examples, config.test_split, config.seed)
    if not config.no_augmentation:
        train = augment_data(train)
    test = [test[place] for place in np.random.default_rng(config.seed).permutation(len(test)).tolist()]
    identity: dict[str, Any] = {
        "kind": "file",
        "path": str(path),
        "sha256": dataset.sha256,
        "examples": len(examples),
        "trained_on": len(train),
        "held_out": len(test),
    }
    if not dataset.rereadable:  # it came through a pipe: nobody can tell again what was in it
        identity["rereadable"] = False
    return TrainingData(train, test, identity, _ranges(examples))


def load_task_data(config: TrainingConfig) -> TrainingData:
    """The test problems of a task: none is ever drawn for training, where anything is held out."""
    assert config.task is not None
    rng = np.random.default_rng((config.seed, _TEST_STREAM))
    identity = {"kind": "task", "task": config.task.to_dict(), "held_out_share": config.test_split}
    if config.notation.work == "columns":
        return TrainingData([], _column_tests(config, rng), identity, [config.task])
    if config.test_split:
        problems = config.task.sample_split(_TASK_TESTS, rng, config.test_split, config.seed, test=True)
    else:
        problems = config.task.sample(_TASK_TESTS, rng)
    return TrainingData([], list(dict.fromkeys(problems.examples())), identity, [config.task])


def _column_tests(config: TrainingConfig, rng: np.random.Generator) -> list[str]:
    """Held-out examples of many shapes, in a random order."""
    assert config.task is not None
    examples: list[str] = []
    for _ in range(_TASK_TESTS // _SHAPE_TESTS):
        shape = draw_shape(config.task, rng, signed=config.notation.signed)
        drawn = draw_split(config, shape, _SHAPE_TESTS, rng, test=config.test_split > 0)
        pairs = zip(drawn.expressions(), drawn.solutions().texts(), strict=True)
        examples += [f"{expression}={solution}" for expression, solution in pairs]
    examples = list(dict.fromkeys(examples))
    return [examples[place] for place in rng.permutation(len(examples)).tolist()]


def _ranges(examples: Sequence[str]) -> list[Task]:
    """For each operator of a file the smallest task that holds its problems; nothing where a line is an example and not
    right, because then the text has an arithmetic of its own, such as that of remainders."""
    found = scan(examples)
    if not found.right().all():
        return []
    tasks = []
    for index, symbol in enumerate(found.problems.symbols):
        part = found.problems[found.problems.operation == index]
        low, high = int(part.operands.min()), int(part.operands.max())
        tasks.append(Task((symbol,), low, high, negative_results=bool((part.solutions() < 0).any())))
    return tasks


def _extremes(task: Task) -> Problems:
    """Problems among which are a longest prompt and one with a longest answer."""
    low, high = task.min_value, task.max_value
    # The longest remainder is that of a number by its neighbour; the longest quotient, that by 1 or -1.
    values = [value for value in sorted({low, low + 1, -1, 0, 1, high - 1, high}) if low <= value <= high]
    pairs = [(a, b) for a in values for b in values]
    operation = np.repeat(np.arange(len(task.operations)), len(pairs))
    problems = Problems(task.operations, operation, np.array(pairs * len(task.operations), dtype=object))
    return problems[problems.defined()]
