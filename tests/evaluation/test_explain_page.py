"""The page: well formed, self-contained, escaped, and it shows what the explanation says."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from calcgpt.evaluation.explain import Explanation, Token, WrittenToken, explain
from calcgpt.evaluation.explain_page import page, shown_tokens, title_of
from calcgpt.inference.solver import CalcGPT

Reader = Callable[[str], Any]


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


def test_it_shows_weights_and_probabilities(read_page: Reader) -> None:
    told = explanation()
    read = read_page(page(told, "models/x"))
    assert read.of("h1") == ["8+5 = 14"] and "Wrong: it is 13, confidence 74.00%." in read.of("p")
    expected = [
        f"{weight:.0%}"[:-1]
        for index in (0, 1)
        for column in range(4 + index)
        if told.attention[:, :, index, column].max() >= 0.1
        for weight in told.attention[:, :, index, column].flatten().tolist()
        if weight >= 0.01
    ]
    cells = [text for text in read.of("td") if text.isdecimal()][2:]  # after both answers
    assert cells == expected and len(cells) > 20
    assert [text for text in read.of("td") if "%" in text] == ["75.00%", ">99.99%"]
    assert "20.00% (right)," in read.text and "Rivals, each <0.01%: 2" in read.text
    assert "units" in read.of("td") and "tens" in read.of("td")
    mean = told.attention[:, :, 0].mean((0, 1))
    assert f"looked most at {mean.argmax()} token {mean.argmax()}, {mean.max():.0%}" in read.text


def test_wrong_digits_are_marked_in_words_too(read_page: Reader) -> None:
    html = page(explanation(), "models/x")
    read = read_page(html)
    assert read.of("mark") == ["3", "4", "✗ it is 3", "✗ it is 3"], "the answer, the overview, the token's details"
    assert read.of("sup") == ["✗"], "and among what was written"
    assert html.count("<details open>") == 1, "what is wrong is unfolded"
    right = explanation(answer="13", is_correct=True)
    right = dataclasses.replace(right, written=tuple(dataclasses.replace(t, expected=None) for t in right.written))
    assert "mark" not in read_page(page(right, "x")).tags and "Right, confidence 74.00%." in page(right, "x")


def test_the_overview_comes_first_and_labels_once(read_page: Reader) -> None:
    html = page(explanation(), "models/x")
    read = read_page(html)
    assert read.of("h2") == ["What it read and wrote", "Overview", "Token by token"]
    overview = html[html.index("<h2>Overview") : html.index("<h2>Token by token")]
    assert overview.count("<text") == 5, "a label for each token that is read, once"
    assert "writing-mode" not in html


def test_the_picture_has_every_share_of_attention() -> None:
    told = explanation()
    attention = np.zeros_like(told.attention)
    attention[..., 0, 2], attention[..., 1, :2] = 1.0, 0.5
    html = page(dataclasses.replace(told, attention=attention), "x")
    assert '<path class="w10" d="M2 0h1"/>' in html and '<path class="w6" d="M0 0h2"/>' in html, "neighbours are joined"


def test_it_refers_to_nothing_outside(read_page: Reader) -> None:
    text = page(explanation(), "models/x")
    assert not re.search(r"https?:|//[a-z]|<script|<link|<img|@import|url\(", text)
    assert "default-src 'none'" in text
    read = read_page(text)
    assert set(read.references) == {"#t0", "#t1"} == {f"#{name}" for name in read.ids}


def test_what_a_person_or_a_model_wrote_is_escaped(read_page: Reader) -> None:
    bad = "<script>\"&'\u202e"
    shown = "<script>\"&'\\u202e"
    written = WrittenToken(bad, bad, 0.5, ((bad, 0.25),), (0,), False, bad + "1")
    told = explanation(problem=bad, answer=bad, solution=bad, written=(written,))
    told = dataclasses.replace(told, prompt=(Token(bad, bad),), attention=np.ones((1, 1, 1, 1), np.float32))
    text = page(told, bad)
    assert "<script" not in text and "\u202e" not in text
    read = read_page(text)
    assert read.of("h1") == [f"{shown} = {shown}"] and shown in read.of("text")
    titles = [attributes["title"] for _, attributes in read.attributes if "title" in attributes]
    assert titles == [shown]


def test_all_tokens_or_the_answers(read_page: Reader) -> None:
    told = explanation()
    assert shown_tokens(told, False) == [0, 1] and shown_tokens(told, True) == [0, 1, 2]
    assert page(told, "x", every=True).count("<details") == 3
    mute = explanation(answer=None, written=tuple(dataclasses.replace(t, places=()) for t in told.written))
    assert shown_tokens(mute, False) == [0, 1, 2] and "What it wrote is no number." in read_page(page(mute, "x")).text


def test_of_many_tokens_those_that_count_are_shown(read_page: Reader) -> None:
    told = explanation(prompt=200)
    attention = np.zeros_like(told.attention)
    attention[..., 7], attention[..., 50], attention[..., 3] = 0.9, 0.095, 0.005
    read = read_page(page(dataclasses.replace(told, attention=attention), "x"))
    assert read.of("text") == ["7", "0"], "token 7 and token 50"
    assert "199 tokens that hardly any attention went to are left out." in read.of("p")
    assert read.text.count("All other tokens together get at most 10.00% of a head.") == 2


def test_a_long_explanation_stays_small(read_page: Reader) -> None:
    told = explain(CalcGPT("calculator"), "123//7")
    html = page(told, "calculator", every=True)
    assert len(told.written) > 70 and len(html.encode()) < 150_000
    assert read_page(html).tags.count("details") == len(told.written)


def test_a_notebook_shows_an_explanation() -> None:
    assert explanation()._repr_html_() == page(explanation())._repr_html_()
    assert explanation()._repr_html_().startswith("<iframe srcdoc=")


def test_titles() -> None:
    token = WrittenToken("46", "tens and units of the answer", 1.0, (), (1, 0))
    assert title_of(token) == "tens and units" and title_of(explanation().written[2]) == "the end"
