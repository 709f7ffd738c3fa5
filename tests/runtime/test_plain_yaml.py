"""YAML of plain values: everything else is one line that says where."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

import pytest
import yaml

import calcgpt
from calcgpt.errors import ConfigError
from calcgpt.runtime.plain_yaml import DEEPEST, MOST_BYTES, load_yaml, parse_yaml

SHIPPED = sorted(Path(calcgpt.__file__).parent.glob("*/*/*.yaml"))


def _read(text: str) -> object:
    return parse_yaml(text.encode("utf-8", "surrogatepass"), "x.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_what_comes_with_the_package_reads_as_the_library_reads_it(path: Path) -> None:
    assert load_yaml(path, "file") == yaml.safe_load(path.read_bytes())
    assert parse_yaml(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"), "x") == load_yaml(path, "file")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("a: 1\rb: 2\r", {"a": 1, "b": 2}),
        ("[1, -2, 0x1F, 1_000, 1.5, 1e-3, -2E5, .5]", [1, -2, 31, 1000, 1.5, 1e-3, -2e5, 0.5]),
        ("[yes, off, true, ~, null, '1', \"2\"]", [True, False, True, None, None, "1", "2"]),
        ("{a: 2020-12-24, b: 2020-99-99}", {"a": "2020-12-24", "b": "2020-99-99"}),
        ("operations: [+, -, =]", {"operations": ["+", "-", "="]}),
        ("{a: &x [1], b: *x}", {"a": [1], "b": [1]}),
        ("[" * DEEPEST + "]" * DEEPEST, eval("[" * DEEPEST + "]" * DEEPEST)),
        ("{1: a, 1.5: b, null: c}", {1: "a", 1.5: "b", None: "c"}),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    assert _read(text) == value


def test_numbers_that_are_none() -> None:
    first, second = _read("[.nan, -.inf]")  # type: ignore[misc]
    assert math.isnan(first) and second == -math.inf


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "\n".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: !!timestamp 'x'", "x.yaml:2: the tag '!!timestamp': expected plain values"),
        ("a: !!binary aGk=", "x.yaml:1: the tag '!!binary'"),
        ("a: !!set {x}", "x.yaml:1: the tag '!!set'"),
        ("a: !!python/name:os.system x", "x.yaml:1: the tag '!!python/name:os.system'"),
        ("a: !own x", "x.yaml:1: the tag '!own'"),
        ("a: !!str [x]", "x.yaml:1: the tag '!!str'"),
        ("a: !!int 'x'", "x.yaml:1: expected int, not 'x'"),
        ("a: !!int ''", "x.yaml:1: expected int, not ''"),
        ("a: !!float x", "x.yaml:1: expected float, not 'x'"),
        ("a: !!bool x", "x.yaml:1: expected bool, not 'x'"),
        ("a:\n  b: 1\n  b: 2", "x.yaml:3: the key 'b' comes twice"),
        ("? [a]\n: b", "x.yaml:1: a key must be one word, not ['a']"),
        ("a: &a {b: 1}\nc: {<<: *a}", "x.yaml:2: the merge key <<"),
        (f"a: {'9' * 4301}", "x.yaml:1: expected int"),
        (f"a: 0x{'f' * 9000}", "x.yaml:1: expected an integer of at most 4,300 digits"),
        ("[" * 2000, "x.yaml:1: expected lists and mappings at most 40 deep"),
        ("[" * 2000 + "]" * 2000, "x.yaml:1: expected lists and mappings at most 40 deep"),
        ("a:\n- " + "- " * 2000, "x.yaml:2: expected lists and mappings at most 40 deep"),
        ("a: &a [*a]", "x.yaml:1: expected at most 10,000 values, and no alias within itself"),
        (BOMB, "x.yaml:1: expected at most 10,000 values"),
        ("a: 1\nb: [", "x.yaml:2: is not YAML"),
        ("a: *nowhere", "x.yaml:1: is not YAML: found undefined alias"),
        ("a\n---\nb", "x.yaml:2: is not YAML"),
        ("a: 1\nb: \0", "x.yaml:2: is not YAML: the character '\\x00'"),
        ("a: \x1b[31m", "x.yaml:1: is not YAML: the character '\\x1b'"),
        ("\ta: 1", "x.yaml:1: is not YAML"),
        ("%YAML 9.9\n---\na", "x.yaml:1: is not YAML"),
        ("a" * (MOST_BYTES + 1), "x.yaml: expected at most 262,144 bytes of YAML, not 262,145"),
    ],
)
def test_everything_else_is_one_line_that_says_where(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(text)
    assert str(caught.value).startswith(expected)
    assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 300


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(ConfigError, match=r"x.yaml:2: not UTF-8 text \(byte 0xff\)"):
        parse_yaml(b"a: 1\nb: \xff", "x.yaml")


def test_files_that_are_none(tmp_path: Path) -> None:
    for path, reason in [
        (tmp_path, "Is a directory"),
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path / "none.yaml" / "x", "No such file"),
        ("a\0b.yaml", "no file can have this name"),
        ("a\ud800.yaml", "no file can have this name"),
        ("x" * 5000, "File name too long"),
    ]:
        with pytest.raises(ConfigError, match=f"cannot read the suite .*: {reason}") as caught:
            load_yaml(path, "suite")
        assert len(str(caught.value).splitlines()) == 1


def test_a_deep_caller_changes_nothing() -> None:
    def down(depth: int) -> object:
        return down(depth - 1) if depth else _read("[" * DEEPEST + "]" * DEEPEST)

    assert down(sys.getrecursionlimit() // 2)


def test_mutations_of_what_is_shipped_are_values_or_one_line() -> None:
    rng = random.Random(0)
    for _ in range(300):
        text = bytearray(rng.choice(SHIPPED).read_bytes())
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(text))
            text[place : place + rng.randint(0, 3)] = rng.choice(
                [b"\0", b"[", b"!!int ", b"&a ", b"*a", b"\t", b"\xff", b"? "]
            )
        try:
            parse_yaml(bytes(text), "x.yaml")
        except ConfigError as error:
            assert len(str(error).splitlines()) == 1
