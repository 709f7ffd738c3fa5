"""Flags made from dataclasses, and tyro's boxes as one line."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.cli.flags import Decimal, Number, OptionalNumber, Switch, one_line, parse, parse_known, settings_class
from calcgpt.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    """What is inside.

    Args:
        symbols: some symbols.
        deep: a switch that is on.
    """

    symbols: tuple[str, ...] = ("+",)
    deep: bool = True


@dataclass
class Outer:
    """All of it.

    Args:
        size: how large.
        limit: at most.
        mode: which way.
        way: which other way.
        fast: a switch.
        inner: the inside.
        other: another inside, or none.
    """

    size: int = 3
    limit: float | None = None
    mode: Literal["a", "b"] = "a"
    way: Literal["x", "y"] | None = None
    fast: bool = False
    inner: Inner = field(default_factory=Inner)
    other: Inner | None = None

    def __post_init__(self) -> None:
        raise AssertionError("parsing checks nothing")


def _settings(**changes: Any) -> Any:
    settings = object.__new__(Outer)
    settings.__dict__.update({"size": 3, "limit": None, "mode": "a", "way": None, "fast": False}, **changes)
    settings.inner, settings.other = Inner(), None
    return settings


def _read(*arguments: str, **changes: Any) -> dict[str, Any]:
    return asdict(parse(settings_class(_settings(**changes), {"size": ["-s"]}), arguments, "calcgpt x"))


def test_without_flags_everything_is_as_it_was() -> None:
    inside = {"symbols": ("+",), "deep": True}
    expected = {"size": 3, "limit": None, "mode": "a", "way": None, "fast": False}
    assert _read() == {**expected, "inner": inside, "other": inside}


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--size", "5"], "size", 5),
        (["-s", "5"], "size", 5),
        (["--size=-5"], "size", -5),
        (["--limit", "1e-3"], "limit", 1e-3),
        (["--limit", "none"], "limit", None),
        (["--mode", "b"], "mode", "b"),
        (["--way", "y"], "way", "y"),
        (["--fast"], "fast", True),
        (["--inner.symbols", "+", "-"], "inner", {"symbols": ("+", "-"), "deep": True}),
        (["--inner.symbols", "-", "//", "--fast"], "inner", {"symbols": ("-", "//"), "deep": True}),
        (["--inner.symbols=-"], "inner", {"symbols": ("-",), "deep": True}),
        (["--inner.no-deep"], "inner", {"symbols": ("+",), "deep": False}),
        (["--other.symbols", "*"], "other", {"symbols": ("*",), "deep": True}),
    ],
)
def test_a_flag_sets_its_field(arguments: list[str], name: str, value: Any) -> None:
    assert _read(*arguments)[name] == value


def test_a_switch_that_is_on_can_be_turned_off() -> None:
    assert _read("--no-fast", fast=True)["fast"] is False
    with pytest.raises(ConfigError, match="unrecognized options: --no-fast"):
        _read("--no-fast")
    every = settings_class(_settings(), {}, every_flag=True)
    assert parse(every, ["--no-fast"], "calcgpt x").fast is False


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--size", "abc"], "-s/--size must be a whole number, not 'abc' (see calcgpt x --help)"),
        (["--size", "1.5"], "-s/--size must be a whole number, not '1.5' (see calcgpt x --help)"),
        (["--limit", "x"], "--limit must be a number, not 'x' (see calcgpt x --help)"),
        (["--sizes", "3"], "unrecognized options: --sizes, 3; did you mean --size? (see calcgpt x --help)"),
        (["--mode", "c"], "invalid choice 'c'"),
        (["--size"], "missing value"),
        (["stray"], "unrecognized options: stray (see calcgpt x --help)"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, encoding: str, arguments: list[str], expected: str
) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding))  # tyro draws its boxes accordingly
    with pytest.raises(ConfigError) as caught:
        _read(*arguments)
    assert str(caught.value).startswith(expected) and "\n" not in str(caught.value)


def test_help_shows_the_docstring_and_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _read("--help", size=77)
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "-s INT, --size INT" in shown and "how large. (default: 77)" in shown
    assert "--way {x,y}" in shown and "None" not in shown


def test_options_with_unknown_arguments_apart() -> None:
    @dataclass
    class Few:
        """Few."""

        number: Number = 1
        share: Decimal = 0.5
        seed: OptionalNumber = None
        json: Switch = False
        text: Annotated[str, "as it is"] = ""

    options, others = parse_known(Few, ["--json", "1+1", "--seed", "-3"], "calcgpt x")
    assert (options.json, options.seed, others) == (True, -3, ["1+1"])


@given(st.text())
def test_any_complaint_becomes_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
