"""What each token is for, in words: the units of the first operand, the sign of the answer, a row of the work.

>>> [meaning([role]) for role in column_roles(Shape("+", (2, 2)))][:4]
['tens of the first operand', 'units of the first operand', 'the operator', 'tens of the second operand']
>>> [meaning([role]) for role in answer_roles(Notation(width=1, answer_width=2, reverse=True), "-83")]
['the sign of the answer', 'units of the answer', 'tens of the answer']
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from calcgpt.arithmetic.cells import PASS, ROW, SEGMENTS, lay_out
from calcgpt.arithmetic.columns import Shape
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.traces import sign_place

ANSWER, SIGN, WORK = "the answer", "the sign of the answer", "what the columns leave"
EQUALS, OPERATOR, END_NAME = "the equals sign", "the operator", "the end"
_PLACES = ("units", "tens", "hundreds", "thousands", "ten thousands", "hundred thousands", "millions")
_OPERANDS = ("the first operand", "the second operand")
_ROUNDING = ("something left", "rounding", "rounded remainder", "carry", "rounded quotient", "end")
_OTHER_SIGN = {"//": "the sign of the remainder", "%": "the sign of the quotient"}
_OWNERS = {
    "answer": ANSWER,
    "magnitude": ANSWER,
    "difference": WORK,
    "kind": "whether to add or to subtract",
    "product": "the partial product",
    "row digit": "the second operand",
    "quotient": "the quotient so far",
    "something left": "whether something is left",
    "rounding": "whether to round down",
    "carry": "the carry into the quotient",
    "rounded quotient": "the quotient",
    "rounded remainder": "the remainder",
    "end": END_NAME,
    **{f"pass {multiple}": f"what is left after {multiple} times the divisor" for multiple in (8, 4, 2, 1)},
}
_PROMPT = re.compile(r"(-?)([0-9]+)([^0-9(]+)(\(?)(-?)([0-9]+)(\)?)(=)")
_COMPLETION = re.compile(r"(?:([0-9]*)([+-]))?([0-9]+)")


class Role(NamedTuple):
    """What a character is for: whose it is, and of a digit its place there, counted from 0 at the units."""

    owner: str
    place: int | None = None


def meaning(roles: Sequence[Role]) -> str:
    """What a token of these characters is for, in words."""
    places = [place_name(role.place) for role in roles if role.place is not None]
    owners = " and ".join(dict.fromkeys(role.owner for role in roles))
    return f"{' and '.join(places)} of {owners}" if places else owners


def place_name(place: int) -> str:
    """What a digit's place is called: units, tens, ..., and from ten millions on 10^7 place."""
    return _PLACES[place] if place < len(_PLACES) else f"10^{place} place"


def column_roles(shape: Shape) -> list[Role]:
    """Of each token of a problem in columns: prompt, completion and end."""
    cells = lay_out(shape)
    segments = [SEGMENTS[index] for index in cells.segments.tolist()]
    roles = []
    for token, segment in enumerate(segments):
        place, row = int(cells.places[token]), int(cells.ids[token, ROW])
        if segment == "mark":
            owner = EQUALS if token == cells.prompt - 1 else OPERATOR
        elif segment == "operand's sign":
            owner = f"the sign of the {segments[token + 1]}"
        elif token < cells.prompt:
            owner = f"operand {row + 1}" if len(shape.widths) > 2 else f"the {segment}"
        elif segment == "multiple":
            owner = f"{2 ** (int(cells.ids[token, PASS]) - 1)} times the divisor"
        elif segment == "sign" and cells.anywhere[token, ROW]:
            owner = SIGN if token == cells.prompt + (sign_place(shape) or 0) else _OTHER_SIGN[shape.symbol]
        else:
            owner = _OWNERS.get(segment, f"the {segment}")
            if not cells.anywhere[token, ROW] and segment not in _ROUNDING:
                owner += f", row {row + 1}"
        roles.append(Role(owner, place - 1 if place else None))
    return roles


def prompt_roles(notation: Notation, prompt: str) -> list[Role]:
    """Of each character of a prompt that is written without work."""
    if notation.interleave:
        sides = [Role(owner, place) for place in reversed(range(notation.width)) for owner in _OPERANDS]
        return [Role(OPERATOR)] * (len(prompt) - len(sides) - 1) + sides + [Role(EQUALS)]
    match = _PROMPT.fullmatch(prompt)
    assert match, "a prompt is an expression and ="
    roles: list[Role] = []
    owners = (*_side(0), OPERATOR, "a bracket", *_side(1), "a bracket", EQUALS)
    for text, owner in zip(match.groups(), owners, strict=True):
        roles += _digits(owner, len(text)) if owner in _OPERANDS else [Role(owner)] * len(text)
    return roles


def _side(index: int) -> tuple[str, str]:
    return f"the sign of {_OPERANDS[index]}", _OPERANDS[index]


def answer_roles(notation: Notation, completion: str, readable: bool = True) -> list[Role]:
    """Of each character of a completion that is written without work, or with complements.

    `readable` is whether a number is read out of it; without one no digit has a place.
    """
    match = _COMPLETION.fullmatch(completion) if readable else None
    if match is None:
        return [Role("what it wrote")] * len(completion)
    work, sign, digits = (text or "" for text in match.groups())
    return [
        *_digits(WORK, len(work), notation.reverse),
        *([Role(SIGN)] * len(sign)),
        *_digits(ANSWER, len(digits), notation.reverse),
    ]


def _digits(owner: str, count: int, reverse: bool = False) -> list[Role]:
    places = range(count) if reverse else reversed(range(count))
    return [Role(owner, place) for place in places]


def by_token(tokens: Sequence[str], roles: Sequence[Role]) -> list[list[Role]]:
    """The roles of the characters of each token."""
    ends = np.cumsum([len(token) for token in tokens]).tolist()
    return [list(roles[end - len(token) : end]) for token, end in zip(tokens, ends, strict=True)]


def places_of(roles: Sequence[Role], owner: str) -> tuple[int, ...]:
    """The places of the digits among these characters that are an owner's."""
    return tuple(role.place for role in roles if role.owner == owner and role.place is not None)
