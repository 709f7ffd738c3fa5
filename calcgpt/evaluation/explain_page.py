"""An explanation as one page of HTML: what was written, how sure the model was, and where it looked.

Colours are one hue from light to dark, and every cell of weight in the details has its number, so that neither colour
vision nor a colour printer is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcgpt.evaluation.explain import Explanation, Token, WrittenToken
from calcgpt.evaluation.report_failures import aligned
from calcgpt.evaluation.report_html import Page, render
from calcgpt.evaluation.roles import place_name
from calcgpt.runtime.figures import percent_text

_ALL = 160  # tokens up to which the overview has a column for each, looked at or not
_MEAN = 0.01  # above that many tokens, those are shown that get so much of a token's attention
_WEIGHT = 0.1  # of a head's attention, from which on the details name a token
_NUMBER = 0.01  # of a head's attention, from which on a cell says its number
_LEVELS = 10  # of colour


def page(explanation: Explanation, model: str = "", every: bool = False) -> Page:
    """The page.

    Args:
        explanation: what to show.
        model: its name, for people; without one the page names none.
        every: show every written token, not the answer's alone.

    Returns:
        A whole document that refers to nothing outside itself: text, which a notebook shows as it is.
    """
    own = shown_tokens(explanation, every)
    layers, heads = explanation.attention.shape[:2]
    mean = explanation.attention.mean((0, 1))  # (W, S)
    columns = _columns(explanation, own, mean)
    numbers = None
    if explanation.answer is not None and not explanation.is_correct:
        right, wrong = aligned(explanation.solution, explanation.answer)
        numbers = [("right answer", right), ("the model’s", wrong)]
    return render(
        "explanation.html",
        title=f"{explanation.problem} = {explanation.answer or '?'}",
        explanation=explanation,
        model=model,
        confidence=percent_text(explanation.confidence),
        numbers=numbers,
        own=own,
        columns=[(explanation.tokens[column], column < len(explanation.prompt)) for column in columns],
        left_out=len(explanation.prompt) + own[-1] - len(columns) if own else 0,
        rows=[_row(explanation, index, columns, mean[index]) for index in own],
        layers=layers,
        heads=heads,
        levels=range(_LEVELS + 1),
        least=f"{_WEIGHT:.0%}",
    )


def shown_tokens(explanation: Explanation, every: bool) -> list[int]:
    """The written tokens that are shown: the answer's, or all where that is asked for or there is no answer."""
    return (
        list(range(len(explanation.written))) if every else explanation.answer_tokens or shown_tokens(explanation, True)
    )


def title_of(token: WrittenToken) -> str:
    """Which digit of the answer a token is, or else what it is for."""
    if token.places:
        return " and ".join(place_name(place) for place in token.places)
    return token.meaning


def _columns(explanation: Explanation, own: Sequence[int], mean: NDArray[np.float32]) -> list[int]:
    """The tokens that the overview has a column for: all that are read, or where there are many those that count."""
    count = len(explanation.prompt) + own[-1] if own else 0
    if count <= _ALL:
        return list(range(count))
    return np.flatnonzero(mean[own, :count].max(0) >= _MEAN).tolist()


def _row(explanation: Explanation, index: int, columns: Sequence[int], mean: NDArray[np.float32]) -> dict[str, Any]:
    """A written token as the template shows it. mean: (S,) its attention, of all heads."""
    token = explanation.written[index]
    weights = explanation.attention[:, :, index].reshape(-1, explanation.attention.shape[3])  # (L * H, S)
    most = int(mean.argmax())
    named = np.flatnonzero(weights.max(0) >= _WEIGHT).tolist()
    left = np.delete(weights, named, axis=1).sum(1).max() if weights.size else 0.0
    return {
        "index": index,
        "token": token,
        "title": title_of(token),
        "share": percent_text(token.probability),
        "percent": round(100 * token.probability),
        "rivals": [(text, percent_text(share), text == token.expected) for text, share in token.rivals],
        "negligible": {percent_text(share) for _, share in token.rivals} == {percent_text(1e-9)},
        "most": explanation.tokens[most],
        "most_share": f"{mean[most]:.0%}",
        "seen": sum(column < len(explanation.prompt) + index for column in columns),
        "strips": list(_strips(mean[list(columns)])),
        "heads": [_looked(explanation.tokens[column], weights[:, column]) for column in named],
        "left": percent_text(float(left)) if left > 0 else "",
    }


def _strips(shares: NDArray[np.float32]) -> Iterator[tuple[int, str]]:
    """The cells of each level of colour that is there, as the path of a line along a row; neighbours are joined."""
    levels = [_level(share) for share in shares.tolist()]
    for level in sorted(set(levels) - {0}):
        path, column = "", 0
        while column < len(levels):
            end = column
            while end < len(levels) and levels[end] == level:
                end += 1
            if end > column:
                path += f"M{column} 0h{end - column}"
            column = max(end, column + 1)
        yield level, path


def _looked(token: Token, weights: NDArray[np.float32]) -> tuple[Token, list[tuple[int, str]]]:
    """A token that is looked at, and for each head the level of colour and the percentage."""
    return token, [(_level(w), f"{w:.0%}"[:-1] if w >= _NUMBER else "") for w in weights.tolist()]


def _level(share: float) -> int:
    """A level of colour, small weights somewhat darker than their share."""
    return round(_LEVELS * min(max(share, 0.0), 1.0) ** 0.7)
