"""The page: well formed, self-contained, escaped, and it shows what the explanation says."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np

from calcgpt.evaluation.explain import Explanation, Token, WrittenToken
from calcgpt.evaluation.explain_page import page, shown_tokens, title_of

VOID = {"meta", "rect", "br"}


class Reader(HTMLParser):
    """Checks that what is opened is closed, and keeps tags with their attributes, and the text of cells."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.append((self.open[-1], data.strip()))

    def of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def explanation(prompt: int = 4, **changes: object) -> Explanation:
    """8+5: a leading 1 and a wrong 4, two layers of two heads, attention drawn."""
    written = (
        WrittenToken("4", "units of the answer", 0.75, (("3", 0.2), ("<", 0.05)), (0,), False, "3"),
        WrittenToken("1", "tens of the answer", 0.99999, (("2", 0.00001),), (1,), False, "1"),
        WrittenToken("<eos>", "the end", 1.0, ()),
    )
    raw = np.random.default_rng(0).random((2, 2, 3, prompt + 2)).astype(np.float32)
    raw *= np.arange(prompt + 2) < prompt + np.arange(3)[:, None]
    whole = Explanation(
        "8+5", "14", "13", False, 0.74, True,
        tuple(Token(str(number % 10), f"token {number}") for number in range(prompt)),
        written, raw / raw.sum(-1, keepdims=True),
    )  # fmt: skip
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def test_it_shows_every_weight_and_probability() -> None:
    told = explanation()
    read = Reader(page(told, "models/x"))
    assert read.of("h1") == ["8+5 = 14"] and "wrong: it is 13" in " ".join(read.of("p"))
    expected = [
        f"{weight:.0%}"[:-1]
        for index in (0, 1)
        for weight in told.attention[:, :, index, : 4 + index].flatten().tolist()
        if weight >= 0.01
    ]
    assert read.of("td") == expected
    assert [text for text in read.of("th") if text.startswith("layer")] == [
        f"layer {layer}, head {head}" for _ in (0, 1) for layer in (1, 2) for head in (1, 2)
    ]
    assert [text for text in read.of("text") if "%" in text] == ["75.00%", "20.00%", "5.00%", ">99.99%", "<0.01%"]
    assert "units (wrong: it is 3)" in read.of("h2") and "tens" in read.of("h2")


def test_it_refers_to_nothing_outside() -> None:
    text = page(explanation(), "models/x")
    assert not re.search(r"https?:|//[a-z]|<script|<link|<img|@import|url\(", text)
    policy = [attributes for tag, attributes in Reader(text).tags if "http-equiv" in attributes]
    assert "default-src 'none'" in str(policy)
    links = {attributes["href"] for tag, attributes in Reader(text).tags if tag == "a"}
    assert links == {f"#{attributes['id']}" for tag, attributes in Reader(text).tags if tag == "section"}


def test_what_a_person_or_a_model_wrote_is_escaped() -> None:
    bad = "<script>\"&'"
    written = WrittenToken(bad, bad, 0.5, ((bad, 0.25),), (0,), False, bad + "1")
    told = explanation(problem=bad, answer=bad, solution=bad, written=(written,))
    told = dataclasses.replace(told, prompt=(Token(bad, bad),), attention=np.ones((1, 1, 1, 1), np.float32))
    text = page(told, bad)
    assert "<script" not in text
    read = Reader(text)
    assert read.of("h1") == [f"{bad} = {bad}"] and bad in read.of("text") and not read.of("script")


def test_all_tokens_or_the_answers() -> None:
    told = explanation()
    assert shown_tokens(told, False) == [0, 1] and shown_tokens(told, True) == [0, 1, 2]
    assert page(told, "x", every=True).count("<section") == 3
    mute = explanation(answer=None, written=tuple(dataclasses.replace(t, places=()) for t in told.written))
    assert shown_tokens(mute, False) == [0, 1, 2] and "is no number" in page(mute, "x")


def test_of_many_tokens_those_that_count_are_shown() -> None:
    told = explanation(prompt=60)
    attention = np.zeros_like(told.attention)
    attention[..., 7], attention[..., 50], attention[..., 3] = 0.9, 0.095, 0.005
    read = Reader(page(dataclasses.replace(told, attention=attention), "x"))
    assert [text for text in read.of("span") if text.startswith("token")][:2] == ["token 7", "token 50"]
    assert "58 more tokens get at most 0.50% of a head together." in read.of("p")


def test_titles() -> None:
    token = WrittenToken("46", "tens and units of the answer", 1.0, (), (1, 0))
    assert title_of(token) == "tens and units" and title_of(explanation().written[2]) == "the end"
