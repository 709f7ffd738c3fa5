"""Suites: what is asked in an evaluation, as data. One YAML file each, under suites/ or a person's own."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from calcgpt.arithmetic.datasets import Dataset, read_dataset
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.errors import ConfigError, check_seed, shown_value
from calcgpt.runtime.plain_yaml import load_yaml, parse_yaml

KINDS = {
    "uniform": "problems of the model's range, for each operation and number of digits",
    "exhaustive": "every problem of the model's range, or every one of operands of at most so many digits",
    "lengths": "problems of given lengths: the cases that break first, then drawn ones with long carries among them",
    "grid": "every pair of lengths, of the first operand and of the second",
    "carry": "sums and differences by the length of their longest carry or borrow cascade",
    "adversarial": "99...9+1, 10...0-1, a-a, 0 in every place, powers of ten and the like",
    "robustness": "unusual but legal ways to write a problem",
    "dataset": "the problems of a data file",
}
UNCOUNTED = ("exhaustive", "adversarial", "dataset")  # kinds that ask all that there is
DEFAULT = "standard"


@dataclass(frozen=True)
class Part:
    """What a suite asks of one kind.

    Args:
        kind: one of KINDS.
        count: problems for each operation and length, cell, cascade length, or way to write; the other kinds have none.
        digits: lengths such as "100", "20x10" or "30*30"; without it what the model was trained on. Of a grid the most
            digits of each operand.
        operations: of those that the model knows these alone; without it all.
        path: of a dataset; in a YAML file looked for beside that file first.

    Raises:
        ConfigError: a value that cannot work.
    """

    kind: str
    count: int = 100
    digits: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    path: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in list(KINDS):
            raise ConfigError(f"expected a part's kind as one of {' '.join(KINDS)}, not {shown_value(self.kind)}")
        if not isinstance(self.count, int) or isinstance(self.count, bool) or self.count < 1:
            raise ConfigError(f"count must be a whole number of at least 1, not {shown_value(self.count)}")
        given: Any = self.digits
        given = given if isinstance(given, (list, tuple)) else (given,)
        object.__setattr__(self, "digits", tuple(str(length) for length in given))
        names: Any = self.operations
        object.__setattr__(self, "operations", tuple(names) if isinstance(names, (list, tuple)) else (names,))
        unknown = [name for name in self.operations if name not in list(OPERATIONS)]
        if unknown:
            raise ConfigError(f"expected operations among {' '.join(OPERATIONS)}, not {shown_value(unknown[0])}")
        if not (isinstance(self.path, str) if self.kind == "dataset" else self.path is None):
            raise ConfigError("a part of kind dataset, and no other, has a path")

    @cached_property
    def dataset(self) -> Dataset:
        """The data file, read once: several models may be asked, and a pipe gives its lines a single time. Raises
        DataError."""
        assert self.path is not None
        return read_dataset(self.path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as YAML and JSON hold them."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**values, "digits": list(self.digits), "operations": list(self.operations)}


@dataclass(frozen=True)
class Suite:
    """Parts that are asked together.

    Args:
        name: of the suite. version: raised whenever it asks something else. seed: of its draws.
        description: one sentence. parts: what is asked, in order.
    """

    name: str
    parts: tuple[Part, ...]
    version: int = 1
    seed: int = 0
    description: str = ""

    def changed(
        self,
        count: int | None = None,
        digits: Sequence[str] = (),
        operations: Sequence[str] = (),
        seed: int | None = None,
    ) -> Suite:
        """The suite with other counts, lengths, operations or seed, where they are given.

        Raises:
            ConfigError: a value that cannot work.
        """
        parts = [
            replace(
                part,
                count=part.count if count is None else count,
                digits=tuple(digits) or part.digits,
                operations=tuple(operations) or part.operations,
            )
            for part in self.parts
        ]
        return replace(self, parts=tuple(parts), seed=self.seed if seed is None else seed)

    @property
    def complete(self) -> bool:
        """Whether it asks every problem there is, so that a share is no estimate."""
        return all(part.kind == "exhaustive" for part in self.parts)

    @property
    def folder(self) -> str:
        """What evaluations are called on disk: the name, and a mark of what is asked where the package's suite of that
        name asks something else, so that they do not overwrite each other."""
        if self.name in suite_names() and self == load_suite(self.name):
            return self.name
        content = json.dumps(self.to_dict(), sort_keys=True).encode("utf-8")
        return f"{self.name}-{hashlib.sha256(content).hexdigest()[:8]}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as YAML and JSON hold them."""
        return {
            "name": self.name,
            "version": self.version,
            "seed": self.seed,
            "description": self.description,
            "parts": [part.to_dict() for part in self.parts],
        }


def suite_names() -> list[str]:
    """The suites that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def load_suite(name: str | Path) -> Suite:
    """A suite that comes with the package, or a YAML file's.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    if str(name) in suite_names():
        content = parse_yaml((_folder() / f"{name}.yaml").read_bytes(), str(name))
    elif str(name).endswith((".yaml", ".yml")):
        content = load_yaml(name, "suite")
    else:
        raise ConfigError(f"there is no suite {str(name)!r}: expected {', '.join(suite_names())}, or a YAML file")
    suite = parse_suite(content, Path(name).stem)
    return replace(suite, parts=tuple(_located(part, Path(name).parent) for part in suite.parts))


def _located(part: Part, folder: Path) -> Part:
    """A part with the path of a data file that lies beside its suite."""
    beside = None if part.path is None else folder / part.path
    return replace(part, path=str(beside)) if beside is not None and os.path.exists(beside) else part


def parse_suite(content: Any, name: str) -> Suite:
    """A suite from what a YAML file holds: parts, and perhaps version, seed and description.

    Raises:
        ConfigError: something else is in it.
    """
    known = {"name", "version", "seed", "description", "parts"}
    if not isinstance(content, dict) or not isinstance(content.get("parts"), list):
        raise ConfigError(f"{name}: expected a suite with parts, and perhaps name, version, seed, description")
    if unknown := [key for key in content if key not in known]:
        raise ConfigError(f"{name}: expected name, version, seed, description and parts, not {shown_value(unknown[0])}")
    parts = []
    for part in content["parts"]:
        try:
            parts.append(_parse_part(part))
        except ConfigError as error:
            raise ConfigError(f"{name}, part {len(parts) + 1}: {error}") from error
    if not parts:
        raise ConfigError(f"{name}: a suite without parts asks nothing")
    numbers = {key: content.get(key, default) for key, default in (("version", 1), ("seed", 0))}
    for key, value in numbers.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ConfigError(f"{name}: {key} must be a whole number of 0 or more, not {shown_value(value)}")
    check_seed(numbers["seed"], f"{name}: seed")
    texts = {key: content.get(key, default) for key, default in (("name", name), ("description", ""))}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise ConfigError(f"{name}: {key} must be text, not {shown_value(value)}")
    if "name" in content and not re.fullmatch(r"\w[\w.-]*", texts["name"]):  # a folder is called so
        raise ConfigError(f"{name}: name must be one word, not {shown_value(texts['name'])}")
    return Suite(parts=tuple(parts), **texts, **numbers)


def _parse_part(content: Any) -> Part:
    if not isinstance(content, dict) or "kind" not in content:
        raise ConfigError(f"expected a part with a kind, such as {{kind: carry}}, not {shown_value(content)}")
    fields = list(Part.__dataclass_fields__)
    if unknown := [key for key in content if key not in fields]:
        raise ConfigError(f"expected of a part {' '.join(fields)}, not {shown_value(unknown[0])}")
    return Part(**content)


def _folder() -> Any:
    return resources.files(__name__)
