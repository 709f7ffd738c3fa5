"""YAML as this project reads it: plain values only, bounded, and of what is wrong one line with file and line.

PyYAML reads YAML 1.1. Of that, dates stay text, 1e-3 is a number, no key may come twice, and every tag of a type that
JSON does not have is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from calcgpt.errors import ConfigError, shown_path, shown_value
from calcgpt.runtime.texts import read_once, unify_line_ends

MOST_BYTES = 256 * 1024
MOST_VALUES = 10_000  # counted as often as aliases repeat them
DEEPEST = 40
_LONGEST_INTEGER = 4300  # digits: what Python converts to text by itself
_TAG = "tag:yaml.org,2002:"
_FLOAT = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """Resolves dates as text and 1e-3, for which YAML 1.1 wants 1.0e-3, as a number."""


_Loader.yaml_implicit_resolvers = {
    first: [entry for entry in entries if entry[0] != f"{_TAG}timestamp"]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789"))


def load_yaml(path: str | Path, what: str) -> Any:
    """The value that a YAML file holds. `what` it should be is named where it cannot be read.

    Raises:
        ConfigError: it cannot be read, or not as plain values.
    """
    try:
        data = read_once(path).data
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {shown_path(path)}: {error.strerror or error}") from error
    return parse_yaml(data, shown_path(path))


def parse_yaml(data: bytes, origin: str) -> Any:
    """The value that UTF-8 text writes as YAML: None, bool, int, float, str, or lists and dicts of them.

    Raises:
        ConfigError: in one line, what is wrong, and where in `origin`.
    """
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{origin}: expected at most {MOST_BYTES:,} bytes of YAML, not {len(data):,}")
    try:
        text = unify_line_ends(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{origin}:{line}: not UTF-8 text (byte {data[error.start]:#04x})") from None
    try:
        loader = _Loader(text)
        try:
            _check_depth(text, origin)
            node = loader.get_single_node()
            return None if node is None else _Builder(loader, origin).build(node, 1)
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{origin}:{line}: is not YAML: the character {chr(error.character)!r} is not text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = origin if mark is None else f"{origin}:{mark.line + 1}"
        told = getattr(error, "problem", None) or getattr(error, "context", None) or str(error)
        raise ConfigError(f"{where}: is not YAML: {' '.join(told.split())}") from None


def _check_depth(text: str, origin: str) -> None:
    """Before anything walks down into it."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _error(origin, event, f"expected lists and mappings at most {DEEPEST} deep")


def _error(origin: str, node: Any, problem: str) -> ConfigError:
    return ConfigError(f"{origin}:{node.start_mark.line + 1}: {problem}")


class _Builder:
    """Values from nodes; it counts them, because a few aliases can stand for billions."""

    def __init__(self, loader: _Loader, origin: str):
        self.origin, self.left = origin, MOST_VALUES
        self.scalars: dict[str, Callable[[Any], Any]] = {
            f"{_TAG}null": lambda node: None,
            f"{_TAG}bool": loader.construct_yaml_bool,
            f"{_TAG}int": loader.construct_yaml_int,
            f"{_TAG}float": loader.construct_yaml_float,
            f"{_TAG}str": lambda node: node.value,
            f"{_TAG}value": lambda node: node.value,  # a bare =
        }

    def build(self, node: Any, depth: int) -> Any:
        self.left -= 1
        if self.left < 0 or depth > DEEPEST + 1:  # aliases may go round in a circle
            raise _error(self.origin, node, f"expected at most {MOST_VALUES:,} values, and no alias within itself")
        if isinstance(node, yaml.ScalarNode) and node.tag in self.scalars:
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(inner, depth + 1) for inner in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, depth)
        tag = shown_value(str(node.tag).replace(_TAG, "!!"))
        raise _error(self.origin, node, f"the tag {tag}: expected plain values: texts, numbers, lists and mappings")

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            value = self.scalars[node.tag](node)
        except (ValueError, KeyError, IndexError, OverflowError):
            kind = node.tag.removeprefix(_TAG)
            problem = f"expected {kind}, not {shown_value(node.value)}"
            raise _error(self.origin, node, problem) from None
        if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER * 3.3:
            raise _error(self.origin, node, f"expected an integer of at most {_LONGEST_INTEGER:,} digits")
        return value

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                raise _error(self.origin, key_node, "the merge key << is not read: write the values out")
            key = self.build(key_node, depth + 1)
            if isinstance(key, (list, dict)):
                raise _error(self.origin, key_node, f"a key must be one word, not {shown_value(key)}")
            if key in values:
                raise _error(self.origin, key_node, f"the key {shown_value(key)} comes twice")
            values[key] = self.build(value_node, depth + 1)
        return values
