"""Data of a run: split before it is augmented, a fair test, and room for the longest sequence that can come."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from calcgpt.arithmetic.datasets import load_dataset
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.problems import Problems, held_out
from calcgpt.arithmetic.scanning import scan
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError, DataError
from calcgpt.evaluation.sampling import exhaustive_blocks
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.config import TrainingConfig
from calcgpt.training.data import TrainingData, load_file_data, load_task_data

Config = Callable[..., Any]
SHIPPED = Path("datasets/ds-calcgpt.txt")


def keys(examples: list[str]) -> set[int]:
    return set(scan(examples).problems.keys().tolist())


def test_the_split_comes_before_the_augmentation(tmp_path: Path) -> None:
    path = tmp_path / "half.txt"  # of each pair a+b, b+a only one
    path.write_text("".join(f"{a}+{b}={a + b}\n" for a in range(30) for b in range(a, 30)))
    plain = load_file_data(path, TrainingConfig(no_augmentation=True))
    data = load_file_data(path, TrainingConfig())
    assert sorted(data.test) == sorted(plain.test) and not keys(data.train) & keys(data.test)
    assert len(data.test) == pytest.approx(0.2 * 465, abs=2)
    assert data.train[: len(plain.train)] == plain.train
    exchanged = {"{1}+{0}={2}".format(*example.replace("=", "+").split("+")) for example in plain.train}
    assert set(data.train) == set(plain.train) | exchanged
    assert data.identity == {
        "kind": "file",
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "examples": 465,
        "trained_on": len(data.train),
        "held_out": len(data.test),
    }


def test_the_first_held_out_examples_are_a_fair_sample() -> None:
    """The shipped file lists all sums before all differences; a validation looks at its first thousand."""
    data = load_file_data(SHIPPED, TrainingConfig())
    share = ["-" in example for example in data.test]
    assert np.mean(share[:1000]) == pytest.approx(np.mean(share), abs=0.05)
    again, other = (load_file_data(SHIPPED, TrainingConfig(seed=seed)).test for seed in (42, 1))
    assert again == data.test and other != data.test


def test_the_ranges_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mixed.txt"
    path.write_text("3+40=43\n12+5=17\n9-8=1\n100-7=93\n-3*5=-15\n")
    data = load_file_data(path, TrainingConfig(test_split=0.2))
    assert data.tasks == [Task(("+",), 3, 40, False), Task(("-",), 7, 100, False), Task(("*",), -3, 5, True)]
    assert load_file_data(SHIPPED, TrainingConfig()).tasks == [Task(("+",), 0, 100, False), Task(("-",), 0, 100, False)]


def test_no_test_and_impossible_tests(tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    path.write_text("1+1=2\n")
    data = load_file_data(path, TrainingConfig(test_split=0))
    assert (data.train, data.test) == (["1+1=2"], [])
    with pytest.raises(ConfigError, match="leaves none to train on"):
        load_file_data(path, TrainingConfig())


def test_bad_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("1+1=2\n2+2=5\n3+3=6\n4+4=8\n")
    with pytest.raises(DataError, match=r"bad.txt:2: 2\+2=5: 2\+2 is 4"):
        load_file_data(path, TrainingConfig())
    assert load_file_data(path, TrainingConfig(skip_invalid=True)).identity["examples"] == 3
    with pytest.raises(DataError, match="no data file .*none.txt: looked for"):
        load_file_data(tmp_path / "none.txt", TrainingConfig())


def test_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("to be\nor not to be\n1+1=2\nthat is = the question\n", encoding="utf-8")
    config = TrainingConfig(plain_text=True, test_split=0.25)
    data = load_file_data(path, config)
    assert sorted(data.train + data.test) == sorted(load_dataset(path, plain_text=True))
    tokenizer = Tokenizer.build(data.alphabet(config))
    assert data.longest(tokenizer, config) == len("that is = the question") + 1
    assert [task.operations for task in data.tasks] == [("+",)]


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_tasks_test(config_of: Config, share: float) -> None:
    config = config_of(task=Task(max_value=99), notation=Notation(2, 3), test_split=share)
    data = load_task_data(config)
    problems = scan(data.test).problems
    assert data.train == [] and len(data.test) == len(set(data.test)) > 1000
    assert config.task.contains(problems).all() and data.tasks == [config.task]
    assert not share or held_out(problems, share, config.seed).all()
    assert data.identity == {"kind": "task", "task": config.task.to_dict(), "held_out_share": share}
    assert load_task_data(config).test == data.test


@st.composite
def tasks(draw: Any) -> tuple[Task, Notation]:
    low = draw(st.one_of(st.integers(-130, 130), st.sampled_from([-1, 0, 1, 95, 99, 100, -100, -105])))
    operations = tuple(draw(st.lists(st.sampled_from(list(OPERATIONS)), min_size=1, unique=True)))
    task = Task(operations, low, low + draw(st.integers(0, 30)), draw(st.booleans()))
    notations = [Notation(), Notation(reverse=True), Notation(answer_width=6)]
    if low >= 0:
        notations += [Notation(3), Notation(4, 6, True, True), Notation(4, 6, complement=True)]
    return task, draw(st.sampled_from(notations))


@hypothesis_settings(max_examples=150)
@given(tasks(), st.sampled_from(["char", "number"]))
def test_every_problem_of_a_task_can_be_written_and_fits(case: tuple[Task, Notation], mode: Any) -> None:
    task, notation = case
    config = TrainingConfig(task=task, notation=notation, max_steps=1, tokenizer=mode)
    problems = Problems.concatenate([next(exhaustive_blocks(task, symbol))() for symbol in task.operations])
    if not len(problems):
        return
    data = TrainingData([], [], {}, [task])
    tokenizer = Tokenizer.build(data.alphabet(config), mode)
    texts = zip(
        notation.write_prompts(problems).texts(),
        notation.write_answers(problems, problems.solutions()).texts(),
        strict=True,
    )
    needed = max(len(tokenizer.encode(prompt)) + len(tokenizer.encode(answer)) + 1 for prompt, answer in texts)
    found = data.longest(tokenizer, config)
    characters = max(map(len, notation.write_prompts(problems).texts())) + max(
        map(len, notation.write_answers(problems, problems.solutions()).texts())
    )
    assert needed <= found <= characters + 8, "hardly a position is left unused"
