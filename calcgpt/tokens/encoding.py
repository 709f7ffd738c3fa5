"""From written texts, many at once, to rows of token ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calcgpt.arithmetic.notation import Written
from calcgpt.tokens.tokenizer import Tokenizer


def encode_written(tokenizer: Tokenizer, written: Written) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of written texts: (N, T) int64, padded on the right, and their lengths (N,).

    Raises:
        TokenError: a character that the vocabulary lacks.
    """
    if tokenizer.mode == "char":
        return tokenizer.encode_characters(written.characters), written.lengths
    return encode_texts(tokenizer, written.texts())


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of any texts: (N, T) int64, padded on the right, and their lengths (N,).

    Raises:
        TokenError: a character that the vocabulary lacks.
    """
    rows = tokenizer.encode_batch(texts)
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.full((len(rows), int(lengths.max(initial=1))), tokenizer.pad_id)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = [token for row in rows for token in row]
    return ids, lengths


def unknown_characters(tokenizer: Tokenizer, written: Written) -> list[str]:
    """For each text the characters that the vocabulary lacks, in their order."""
    known = np.zeros(256, bool)
    known[0] = True  # nothing stands there
    known[[ord(token) for token in tokenizer.vocab if len(token) == 1 and ord(token) < 256]] = True
    unknown = ~known[written.characters]
    missing = [""] * len(written.lengths)
    for row in np.flatnonzero(unknown.any(1)).tolist():
        missing[row] = bytes(written.characters[row][unknown[row]].tolist()).decode("ascii")
    return missing
