"""The network's sizes: what they refuse, and their way through a GPT-2's config.json."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.errors import ConfigError, ModelFolderError
from calcgpt.model.config import GPTConfig
from calcgpt.tokens.scheme import Positions

HUGE = 10**5000  # more digits than Python writes
SIZES = ("vocab_size", "max_length", "embedding_dim", "num_layers", "num_heads", "feedforward_dim")
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2)
)


def kind_of(value: Any) -> str:
    return type(value).__name__


def config(**changes: Any) -> GPTConfig:
    return GPTConfig(**{"vocab_size": 17, "max_length": 12, **changes})


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [0, -1, 1.5, 8.0, math.nan, math.inf, True, "8", None, 2**31, HUGE], ids=kind_of)
def test_a_size_is_a_positive_integer(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be a positive integer") as caught:
        config(**{name: value})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize(("width", "heads"), [(128, 3), (64, 128), (7, 2), (2**31 - 1, 2)])
def test_heads_divide_the_width(width: int, heads: int) -> None:
    with pytest.raises(ConfigError, match=f"num_heads must divide embedding_dim: {width} .* {heads} heads") as caught:
        config(embedding_dim=width, num_heads=heads)
    for choice in map(int, re.findall(r"\d+", str(caught.value).partition("choose one of")[2])):
        config(embedding_dim=width, num_heads=choice)


@pytest.mark.parametrize("name", ["pad_id", "end_id"])
@pytest.mark.parametrize("value", [-1, 17, 1.0, None, "0", True])
def test_an_id_lies_in_the_vocabulary(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be one of the vocabulary's 17 ids"):
        config(**{name: value})


def test_pad_and_end_differ() -> None:
    with pytest.raises(ConfigError, match="pad_id and end_id must differ"):
        config(pad_id=1, end_id=1)


@pytest.mark.parametrize("value", [-0.1, 1.0, 2, math.nan, math.inf, None, "0", True])
def test_dropout_is_a_share(value: Any) -> None:
    with pytest.raises(ConfigError, match="dropout must be at least 0 and less than 1"):
        config(dropout=value)


@given(st.dictionaries(st.sampled_from([field.name for field in dataclasses.fields(GPTConfig)]), JUNK))
def test_junk_is_a_config_error_or_a_config(values: dict[str, Any]) -> None:
    try:
        made = config(**values)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert GPTConfig.from_dict(made.to_dict()) == made


def test_config_json_names_what_gpt2_names() -> None:
    made = config(embedding_dim=32, num_layers=3, num_heads=4, feedforward_dim=80, dropout=0.1).to_dict()
    assert made["model_type"] == "gpt2" and made["architectures"] == ["GPT2LMHeadModel"]
    shape = [made[name] for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner")]
    assert shape == [17, 12, 32, 3, 4, 80]
    assert (made["pad_token_id"], made["eos_token_id"]) == (0, 1)
    assert made["bos_token_id"] < 17, "GPT-2's default lies outside the vocabulary"
    assert made["resid_pdrop"] == 0.1


def test_a_foreign_or_damaged_config_json_is_told() -> None:
    good = config().to_dict()
    for bad, reason in [
        ({}, "expected a config.json of model_type 'gpt2', not None"),
        ({**good, "model_type": "llama"}, "not 'llama'"),
        ({name: value for name, value in good.items() if name not in ("n_embd", "n_head")}, "lacks n_embd, n_head"),
        ({**good, "n_head": 5}, "config.json is damaged: num_heads must divide"),
        ({**good, "n_layer": "many"}, "config.json is damaged: num_layers must be a positive integer"),
        ({**good, "resid_pdrop": None}, "config.json is damaged: dropout"),
    ]:
        with pytest.raises(ModelFolderError, match=re.escape(reason)):
            GPTConfig.from_dict(bad)


def schemes() -> list[Positions]:
    return [
        Positions("coupled", "relative", (1,), segments=True, ahead=True),
        Positions("coupled", "rotary", (1, 2, 0, 1)),
        Positions("abacus", "learned", offset="circular", max_id=77),
        Positions("sequential", "sinusoidal", offset="uniform"),
        Positions("sequential", "learned", (3,)),
        Positions(segments=True),
        Positions(encoding="none"),
    ]


@pytest.mark.parametrize("positions", schemes(), ids=str)
def test_other_positions_have_a_config_json_of_their_own(positions: Positions) -> None:
    made = config(embedding_dim=32, num_layers=3, num_heads=4, feedforward_dim=80, dropout=0.1, positions=positions)
    written = json.loads(json.dumps(made.to_dict()))
    assert written["model_type"] == "calcgpt", "no GPT-2: nobody shall open it as one"
    assert "architectures" not in written and "n_embd" not in written
    assert GPTConfig.from_dict(written) == made
    assert written["positions"]["ids"] == positions.ids and written["positions"]["window"] == list(positions.window)


def test_gpt2s_positions_have_gpt2s_config_json() -> None:
    assert config().positions == Positions() and config(positions=Positions()).to_dict() == config().to_dict()
    assert "positions" not in config().to_dict()


def test_a_damaged_config_json_of_our_own_is_told() -> None:
    good = config(positions=schemes()[0]).to_dict()
    positions = good["positions"]
    for bad, reason in [
        ({name: value for name, value in good.items() if name != "positions"}, "positions"),
        ({name: value for name, value in good.items() if name != "vocab_size"}, "vocab_size"),
        ({**good, "num_heads": 5}, "num_heads must divide"),
        ({**good, "positions": None}, "config.json is damaged"),
        ({**good, "positions": [1]}, "config.json is damaged"),
        ({**good, "positions": {**positions, "ids": "spiral"}}, "positions.ids must be one of"),
        ({**good, "positions": {**positions, "window": [1, 2]}}, "positions.window"),
        ({**good, "positions": {**positions, "colour": "red"}}, "colour"),
    ]:
        with pytest.raises(ModelFolderError, match="config.json is damaged") as caught:
            GPTConfig.from_dict(bad)
        assert reason in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ids", "width", "heads", "good"),
    [
        *(("sequential", 16, 8, True), ("sequential", 12, 4, False), ("abacus", 15, 5, False), ("abacus", 6, 1, True)),
        *(("coupled", 32, 4, True), ("coupled", 16, 4, False), ("coupled", 48, 4, False), ("coupled", 64, 4, True)),
    ],
)
def test_rotary_turns_pairs_of_channels_on_every_axis(ids: Any, width: int, heads: int, good: bool) -> None:
    def made(encoding: Any) -> GPTConfig:
        return config(embedding_dim=width, num_heads=heads, positions=Positions(ids, encoding))

    assert made("relative").embedding_dim == width
    if good:
        assert made("rotary").embedding_dim == width
        return
    parts = 8 if ids == "coupled" else 2
    with pytest.raises(ConfigError, match=f"expected a multiple of {parts} channels a head, not {width // heads}"):
        made("rotary")


@pytest.mark.parametrize("value", [None, "coupled", {"ids": "coupled"}, 1], ids=kind_of)
def test_positions_are_positions(value: Any) -> None:
    with pytest.raises(ConfigError, match="positions must be a Positions"):
        config(positions=value)


def test_every_field_is_described() -> None:
    text = inspect.getdoc(GPTConfig) or ""
    entries = re.findall(r"^    ([a-z_, ]+):", text.partition("Args:")[2].partition("Raises:")[0], re.MULTILINE)
    described = [name for entry in entries for name in entry.split(", ")]
    assert described == [field.name for field in dataclasses.fields(GPTConfig)]


def test_it_needs_no_torch() -> None:
    code = "import sys, calcgpt.model.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
