"""What the tests of evaluation share: models that write columns, and what a suite asks a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.evaluation.portions import Batch, Drawer
from calcgpt.evaluation.subjects import subject_of
from calcgpt.evaluation.suites import Part, Suite
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer

TASK = {"operations": ["+", "-", "*", "//", "%"], "max_digits": [3, 2], "max_operands": 3}
SCHEME = Positions("coupled", "relative", (1,), segments=True, ahead=True)


def make_columns(
    signed: bool = False, scheme: Positions = SCHEME, characters: str = "0123456789+-*/%=", **task: Any
) -> CalcGPT:
    """A solver that writes columns, with random weights."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.build([characters])
    model = GPT(GPTConfig(len(tokenizer), 99, 16, 1, 2, 16, positions=scheme))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    tasks = {**TASK, **task}
    config: dict[str, Any] = {"notation": {"work": "columns", "signed": signed}, "task": tasks, "max_steps": 1}
    config["positions"] = asdict(scheme)
    run = {"config": config, "data": {"tasks": [tasks]}}
    return CalcGPT.from_parts(model, tokenizer, run)


@pytest.fixture(scope="session")
def columns_of() -> Callable[..., CalcGPT]:
    return make_columns


@pytest.fixture(scope="session")
def asked_of() -> Callable[..., dict[str, list[Batch]]]:
    """What a part of a kind asks a model, by the portion's name: `seen` are sorted keys of what it was trained on."""

    def ask(
        model: Any, kind: str, seen: np.ndarray | None = None, seed: int = 0, tasks: Any = (), **part: Any
    ) -> dict[str, list[Batch]]:
        suite = Suite("x", (Part(kind, **part),), seed=seed)
        portions = Drawer(subject_of(model, tasks), suite, seen).portions()
        assert len({portion.name for portion in portions}) == len(portions), "a name is a stream"
        return {portion.name: list(portion.batches()) for portion in portions}

    return ask


def texts_of(batches: Iterator[Batch] | list[Batch]) -> list[str]:
    return [text for batch in batches for text in batch.problems.expressions()]


@pytest.fixture(scope="session")
def texts() -> Callable[..., list[str]]:
    """The expressions of some batches."""
    return texts_of


VOID = {"meta", "base", "br", "hr", "img", "input", "link"}
CELLS = {"td", "th"}
ENDS = {
    "td": CELLS,
    "th": CELLS,
    "tr": {*CELLS, "tr"},
    "tbody": {*CELLS, "tr", "thead"},
    "table": {*CELLS, "tr", "tbody"},
}


class PageReader(HTMLParser):
    """Reads a page strictly: it is whole and well-formed, stands alone, and is one that everybody can read."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        assert page.startswith("<!DOCTYPE html>")
        self.feed(page)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        assert len(self.ids) == len(set(self.ids)), "an id is there once"
        for reference in self.references:
            local = reference.startswith("#") and reference[1:] in self.ids
            assert local or reference.startswith("data:image/png;base64,"), reference
        assert not {"script", "link", "iframe", "object", "base"} & set(self.tags), "nothing is loaded, nothing runs"
        assert self.tags.count("style") == 1 and self.tags.count("h1") == 1 and self.tags.count("main") == 1
        assert ("html", {"lang": "en"}) in self.attributes
        headings = [int(tag[1]) for tag in self.tags if re.fullmatch("h[1-6]", tag)]
        assert all(after - before <= 1 for before, after in zip(headings, headings[1:], strict=False)), headings

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._end_implied(tag, closing=False)
        self.tags.append(tag)
        self.attributes.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        assert len(dict(attributes)) == len(attributes), "an attribute is there once"
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset", "background"):
                self.references.append(value or "")
            self.references += re.findall(r"url\(([^)]*)\)", value or "")
            assert not name.startswith("on"), "no script"
        names = dict(attributes)
        if tag == "svg":
            assert names.get("aria-label") or names.get("aria-hidden"), "a picture says what it shows"
        if tag == "th" and "tbody" in self.open[-3:]:
            assert names.get("scope") == "row"

    def _end_implied(self, tag: str, closing: bool) -> None:
        """HTML lets cells, rows and groups of rows end where the next begins."""
        if tag in CELLS or tag in ("tr", "tbody") or (closing and tag in ("table", "thead")):
            while self.open and self.open[-1] in ENDS.get(tag, set()) and not (closing and self.open[-1] == tag):
                self.open.pop()

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        self._end_implied(tag, closing=True)
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.references += re.findall(r"url\(([^)]*)\)|@import", data)
        elif data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    @property
    def text(self) -> str:
        """All words, with single spaces."""
        return " ".join(" ".join(text for _, text in self.texts).split())

    def of(self, tag: str) -> list[str]:
        """The texts directly inside such tags."""
        return [text for name, text in self.texts if name == tag]

    def with_class(self, name: str) -> int:
        """How many elements have a class."""
        return sum(name in (attributes.get("class") or "").split() for _, attributes in self.attributes)


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], PageReader]:
    """Reads a page, and fails where it is not well-formed, refers to something outside or lacks what readers need."""
    return PageReader
