"""Written texts to rows of ids, against the tokenizer's own way, text by text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.notation import Written
from calcgpt.errors import TokenError
from calcgpt.tokens.encoding import encode_texts, encode_written, unknown_characters
from calcgpt.tokens.tokenizer import MODES, Tokenizer

CHARACTERS = "0123456789+-*/%=()"
TEXTS = st.lists(st.text(CHARACTERS, max_size=12), max_size=8)


def written(texts: list[str]) -> Written:
    characters = np.zeros((len(texts), max(map(len, texts), default=0)), np.uint8)
    for row, text in enumerate(texts):
        characters[row, : len(text)] = list(text.encode())
    return Written(characters, np.array([len(text) for text in texts], np.int64))


@given(TEXTS, st.sampled_from(MODES))
def test_rows_are_what_the_tokenizer_says(texts: list[str], mode: str) -> None:
    tokenizer = Tokenizer.build([CHARACTERS], mode)
    expected = [tokenizer.encode(text) for text in texts]
    for ids, lengths in (encode_written(tokenizer, written(texts)), encode_texts(tokenizer, texts)):
        assert ids.dtype == np.int64 and len(ids) == len(lengths) == len(texts)
        assert lengths.tolist() == [len(row) for row in expected]
        for row, length, wanted in zip(ids.tolist(), lengths.tolist(), expected, strict=True):
            assert row[:length] == wanted and set(row[length:]) <= {tokenizer.pad_id}


def test_any_text_can_be_encoded() -> None:
    texts = ["naïve", "数 1", "", "a" * 300]
    ids, lengths = encode_texts(Tokenizer.build(texts), texts)
    assert ids.shape == (4, 300) and lengths.tolist() == [5, 3, 0, 300]


@pytest.mark.parametrize("mode", MODES)
def test_an_unknown_character_is_an_error(mode: str) -> None:
    tokenizer = Tokenizer.build(["0123456789+="], mode)
    for encode in (
        lambda: encode_written(tokenizer, written(["1+1=", "2*2="])),
        lambda: encode_texts(tokenizer, ["2*2"]),
    ):
        with pytest.raises(TokenError, match=r"unknown character '\*'"):
            encode()


@given(TEXTS)
def test_unknown_characters_are_found_in_their_order(texts: list[str]) -> None:
    tokenizer = Tokenizer.build(["0123456789+="])
    expected = ["".join(character for character in text if character not in "0123456789+=") for text in texts]
    assert unknown_characters(tokenizer, written(texts)) == expected
