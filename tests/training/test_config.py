"""The settings of a run: every impossible value is a ConfigError, every possible one comes back from plain values."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.tokens.scheme import Positions
from calcgpt.training.config import TrainingConfig

HUGE = 10**5000  # more digits than Python writes
WRONG_KINDS = [None, "8", b"8", [], {}, object(), math.nan, math.inf, -math.inf, True, False, HUGE, -HUGE, 1j]

WHOLE = {  # name -> the smallest it may be
    **dict.fromkeys(("epochs", "batch_size", "embedding_dim", "num_layers", "num_heads", "feedforward_dim"), 1),
    **dict.fromkeys(("gradient_accumulation", "eval_examples", "max_steps", "eval_steps"), 1),
    **dict.fromkeys(("warmup_steps", "save_steps", "seed"), 0),
}
RATES = {
    "learning_rate": False,
    "muon_learning_rate": False,
    "max_seconds": False,
    "weight_decay": True,
    "gradient_clip": True,
}
SHARES = {"test_split": False, "dropout": False, "adam_beta2": False, "target_exact_match": True}
SWITCHES = ["no_augmentation", "skip_invalid", "plain_text", "overwrite"]
CHOICES = {
    "loss_on": ["answer", "all"],
    "tokenizer": ["char", "number"],
    "device": [None, "cuda", "mps", "cpu"],
    "precision": [None, "float32", "bfloat16"],
    "optimizer": ["adamw", "muon"],
    "schedule": ["linear", "cosine", "quadratic", "constant"],
}
OPTIONAL = ["max_steps", "max_seconds", "eval_steps", "target_exact_match", "compile", "init_from", "task"]
COLUMNS = {"batch_tokens": 1, "curriculum_steps": 0}  # name -> the smallest, where problems are drawn by their digits
FIELDS = [field.name for field in dataclasses.fields(TrainingConfig)]


def refuse(name: str, value: Any) -> None:
    if value is None and (name in OPTIONAL or None in CHOICES.get(name, [])):
        TrainingConfig(**{name: None})
        return
    with pytest.raises(ConfigError, match=f"^{name} must be ") as caught:
        TrainingConfig(**{name: value})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_the_documented_defaults() -> None:
    config = TrainingConfig()
    assert (config.epochs, config.batch_size, config.learning_rate) == (50, 8, 1e-3)
    assert (config.embedding_dim, config.num_layers, config.num_heads, config.feedforward_dim) == (128, 6, 8, 512)
    assert (config.test_split, config.seed, config.no_augmentation) == (0.2, 42, False)
    assert (config.loss_on, config.tokenizer, config.max_steps, config.max_seconds) == ("answer", "char", None, None)


def test_every_field_is_covered_here() -> None:
    others = ["compile", "init_from", "notation", "positions", "task"]
    assert sorted([*WHOLE, *RATES, *SHARES, *SWITCHES, *CHOICES, *COLUMNS, *others]) == sorted(FIELDS)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name: str) -> None:
    for value in [WHOLE[name] - 1, -5, 1.5, 2.0, *WRONG_KINDS]:
        refuse(name, value)
    assert getattr(TrainingConfig(**{name: 128}), name) == 128


@pytest.mark.parametrize("name", COLUMNS)
def test_whole_numbers_of_columns(name: str) -> None:
    drawn = {
        "task": Task(("+",), max_digits=(3,)),
        "notation": Notation(work="columns"),
        "positions": Positions(encoding="none"),
        "max_steps": 5,
    }
    for value in [COLUMNS[name] - 1, 1.5, "8", [], math.nan, True]:
        with pytest.raises(ConfigError, match=f"^{name} must be "):
            TrainingConfig(**drawn, **{name: value})
    assert getattr(TrainingConfig(**drawn, **{name: 128}), name) == 128
    with pytest.raises(ConfigError, match=f"{name} is for problems drawn by their number of digits"):
        TrainingConfig(**{name: 128})


def test_columns_say_what_they_need() -> None:
    task, columns, none = Task(("+",), max_digits=(3,)), Notation(work="columns"), Positions(encoding="none")
    for settings, reason in [
        ({"task": task}, "need each other"),
        ({"notation": columns}, "need each other"),
        ({"task": task, "notation": columns}, "another position scheme than GPT-2's own"),
        ({"task": task, "notation": columns, "positions": none, "tokenizer": "number"}, "set tokenizer to char"),
        (
            {"task": Task(("-",), max_digits=(3,), negative_results=False), "notation": columns, "positions": none},
            "differences of either sign",
        ),
        ({"positions": Positions(ids="abacus")}, "positions.ids depends on a problem's columns"),
        ({"positions": Positions(encoding="none", segments=True)}, "positions.segments depends"),
        ({"positions": Positions(offset="uniform")}, "positions.offset depends"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            TrainingConfig(max_steps=5, **settings)
    signed = Notation(work="columns", signed=True)
    with pytest.raises(ConfigError, match="has two operands"):
        TrainingConfig(max_steps=5, task=Task(("+",), max_digits=(3,), max_operands=3), notation=signed, positions=none)
    kept = TrainingConfig(max_steps=5, task=task, notation=columns, positions=none, batch_tokens=100)
    assert TrainingConfig.from_dict(json.loads(json.dumps(kept.to_dict()))) == kept


@pytest.mark.parametrize("name", RATES)
def test_rates(name: str) -> None:
    for value in [-1e-9, -1, *WRONG_KINDS, *([] if RATES[name] else [0, 0.0])]:
        refuse(name, value)
    for value in (1e-9, 5, 1e300, *([0] if RATES[name] else [])):
        assert getattr(TrainingConfig(**{name: value}), name) == value


@pytest.mark.parametrize("name", SHARES)
def test_shares(name: str) -> None:
    for value in [-0.1, 1.01, 2, *WRONG_KINDS, *([] if SHARES[name] else [1, 1.0])]:
        refuse(name, value)
    for value in (0, 0.5, *([1.0] if SHARES[name] else [])):
        assert getattr(TrainingConfig(**{name: value}), name) == value


@pytest.mark.parametrize("name", [*SWITCHES, "compile"])
def test_switches(name: str) -> None:
    for value in [0, 1, "yes", "true", 1.0, math.nan, [], HUGE]:
        refuse(name, value)
    for value in (True, False):
        assert getattr(TrainingConfig(**{name: value}), name) is value


@pytest.mark.parametrize("name", CHOICES)
def test_choices(name: str) -> None:
    for value in ["", "ADAMW", 0, 1, True, math.nan, [], ["adamw"], {}, HUGE, "cuda:x", *WRONG_KINDS]:
        refuse(name, value)
    for value in CHOICES[name]:
        assert getattr(TrainingConfig(**{name: value}), name) == value


def test_parts_of_another_type() -> None:
    for name in ("notation", "task", "init_from"):
        for value in (5, True, [1], math.nan, HUGE):
            refuse(name, value)
    refuse("notation", None)
    refuse("init_from", "")
    assert TrainingConfig(init_from=Path("models") / "old").init_from == str(Path("models") / "old")  # type: ignore[arg-type]


TASK = Task(max_value=999)
TOGETHER: list[tuple[dict[str, Any], str]] = [
    ({"embedding_dim": 128, "num_heads": 3}, "num_heads must divide embedding_dim: 128 channels .* 3 heads"),
    ({"task": TASK}, "a task has no end of its own: set max_steps or max_seconds"),
    ({"task": TASK, "max_steps": 5, "plain_text": True}, "plain_text is for a data file"),
    ({"notation": Notation(reverse=True), "plain_text": True}, "plain_text is for a data file"),
    ({"task": TASK, "max_steps": 5, "notation": Notation(2)}, "places for 2 digits an operand, and 999 has more"),
    ({"task": Task(min_value=-5), "max_steps": 5, "notation": Notation(2)}, "no negative operands, and -5 is one"),
    ({"target_exact_match": 0.9, "test_split": 0}, "measured on held-out examples: set test_split above 0"),
]


@pytest.mark.parametrize(("settings", "reason"), TOGETHER)
def test_settings_that_contradict_each_other(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        TrainingConfig(**settings)


def test_the_end_of_a_task_may_be_a_time() -> None:
    TrainingConfig(task=TASK, max_seconds=1.5)
    TrainingConfig(task=TASK, max_steps=1, target_exact_match=0.9, test_split=0)


JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=4),
        st.sampled_from([10**4000, "adamw", "+"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["width", "operations", "max_value", "carry_share", "reverse", "x"]), inner),
    ),
    max_leaves=5,
)


NAMES = st.one_of(st.sampled_from(FIELDS), st.text(max_size=4), st.integers(), st.none())


@given(st.one_of(JUNK, st.dictionaries(NAMES, JUNK)))
def test_junk_is_a_config_error_or_a_config(values: Any) -> None:
    try:
        config = TrainingConfig.from_dict(values)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert TrainingConfig.from_dict(config.to_dict()) == config


@st.composite
def configs(draw: Any) -> TrainingConfig:
    """Any config that is possible."""
    heads = draw(st.integers(1, 8))
    values: dict[str, Any] = {"num_heads": heads, "embedding_dim": heads * draw(st.integers(1, 9))}
    values |= {name: draw(st.sampled_from(choices)) for name, choices in CHOICES.items()}
    values |= {name: draw(st.floats(1e-9, 1e9)) for name in RATES}
    values |= {name: draw(st.floats(0.01, 0.99)) for name in SHARES}
    values |= {name: draw(st.integers(least, 2**63 - 1)) for name, least in WHOLE.items() if name not in values}
    values |= {name: draw(st.booleans()) for name in SWITCHES if name != "plain_text"}
    if draw(st.booleans()):
        operations = draw(st.lists(st.sampled_from(list(OPERATIONS)), min_size=1, unique=True))
        values["task"] = Task(
            tuple(operations), 0, draw(st.integers(0, 10**30)), draw(st.booleans()), draw(st.floats(0, 1))
        )
    width = draw(st.sampled_from([0, 40]))
    values["notation"] = Notation(
        width, draw(st.integers(0, 9)), bool(width) and draw(st.booleans()), draw(st.booleans())
    )
    return TrainingConfig(**values)


@given(configs())
def test_a_config_comes_back_from_json(config: TrainingConfig) -> None:
    values = config.to_dict()
    assert list(values) == FIELDS
    assert TrainingConfig.from_dict(json.loads(json.dumps(values))) == config
    assert TrainingConfig.from_dict(values) == config


def test_unknown_settings_are_named() -> None:
    for values, reason in [
        ({"epoch": 5}, "no such setting: epoch; there are epochs, batch_size"),
        ({"task": {"operation": ["+"]}}, "no such setting: task.operation; there are operations, min_value"),
        ({"notation": {"wide": 1}}, "no such setting: notation.wide; there are width"),
        ({5: 1}, "no such setting: 5"),
        ([("epochs", 5)], "expected settings by name"),
        (None, "expected settings by name, not None"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            TrainingConfig.from_dict(values)  # type: ignore[arg-type]


def test_from_dict_leaves_its_argument_alone() -> None:
    values = {"task": {"max_value": 9}, "max_steps": 1}
    TrainingConfig.from_dict(values)
    assert values == {"task": {"max_value": 9}, "max_steps": 1}


@pytest.mark.parametrize("kind", [TrainingConfig, Task, Notation])
def test_every_field_is_described_and_nothing_else(kind: type) -> None:
    text = (inspect.getdoc(kind) or "").partition("Args:\n")[2].partition("Raises:")[0]
    entries = re.findall(r"^    ([a-z_0-9]+): (.+)", text, re.MULTILINE)
    assert [name for name, _ in entries] == [field.name for field in dataclasses.fields(kind)]
    assert all(len(description) > 10 for _, description in entries)


def test_settings_and_recipes_need_no_torch() -> None:
    code = "import sys, calcgpt.training.config, calcgpt.training.recipes as r; r.load_recipe('classic'); "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
