"""A line of text as a problem: lenient for what a person types, strict for what a file holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from calcgpt.arithmetic.integers import format_integer, parse_integer
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.errors import DataError, UnsupportedProblem
from calcgpt.runtime.texts import unify_line_ends

Expression = tuple[str, int, int]
"""(symbol, first operand, second operand)"""
Example = tuple[str, int, int, int]
"""(symbol, first operand, second operand, answer)"""

_NUMBER = "0|-?[1-9][0-9]*"
_SECOND = r"(0|[1-9][0-9]*)|\((-[1-9][0-9]*)\)"
_LENIENT_OPERAND = r"(?:([+-]? ?[0-9]+)|\( ?([+-]? ?[0-9]+) ?\))"
_UNKNOWN_OPERATOR = re.compile(r"[+-]? ?[0-9]+ ?([^0-9\s()]+?) ?[+-]?[0-9]+")
_ALIASES = {0xD7: "*", 0x2212: "-", 0x3000: " ", **{0xFEE0 + code: chr(code) for code in range(0x21, 0x7F)}}
"""Code points that people's programs write, and ASCII: × and −, and the full-width forms of East Asian ones."""
_SHOWN = 60  # characters of a bad line that a message shows


@lru_cache(maxsize=8)
def _patterns(symbols: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """Example, canonical expression, lenient one, and a line of each canonical kind; long symbols first, or // is
    read as /."""
    operator = "|".join(re.escape(symbol) for symbol in sorted(symbols, key=len, reverse=True)) or "(?!)"
    canonical = f"({_NUMBER})({operator})(?:{_SECOND})"
    lenient = f"{_LENIENT_OPERAND} ?({operator}) ?{_LENIENT_OPERAND} ?=?"
    example = f"{canonical}=({_NUMBER})"
    lines = (rf"^(?:{text}|[^\n]*)$" for text in (example, f"{canonical}=?"))
    patterns = (re.compile(example), re.compile(canonical), re.compile(lenient))
    return *patterns, *(re.compile(line, re.MULTILINE) for line in lines)


@lru_cache(maxsize=8)
def _aliases(symbols: tuple[str, ...]) -> dict[int, str]:
    """Without those that are part of an operator of somebody's own."""
    taken = set("".join(symbols))
    return {code: ascii_text for code, ascii_text in _ALIASES.items() if chr(code) not in taken}


def tidy(text: str) -> str:
    """A text as every parser here reads it, wherever it comes from: without a byte order mark and the white space round
    it, line ends as newlines, `×`, `−` and full-width characters as their ASCII ones. Characters that have none stay.
    """
    text = unify_line_ends(text).strip()
    return text if text.isascii() else text.translate(_aliases(tuple(OPERATIONS))).strip()


def example_pattern() -> re.Pattern[str]:
    """What `fullmatch`es a canonical example.

    Its groups: first operand, symbol, second operand if it is plain, if it is bracketed, answer.
    """
    return _patterns(tuple(OPERATIONS))[0]


def example_groups(lines: Sequence[str]) -> list[tuple[str, ...]]:
    """The groups of `example_pattern` for each line, all of them "" for a line that is no canonical example.

    One pass over the joined text; three times as fast as line by line.
    """
    if not lines:
        return []
    found = _patterns(tuple(OPERATIONS))[3].findall("\n".join(lines))
    if len(found) == len(lines):
        return found
    matches = map(example_pattern().fullmatch, lines)  # some "line" holds a line end
    return [("",) * 5 if match is None else match.groups("") for match in matches]


def expression_groups(texts: Sequence[str]) -> list[tuple[str, ...]] | None:
    """First operand, symbol, second operand if plain, if bracketed, of each text; None unless all are canonical."""
    if not texts:
        return []
    found = _patterns(tuple(OPERATIONS))[4].findall("\n".join(texts))
    return found if len(found) == len(texts) and all([group[0] for group in found]) else None


def write_expression(symbol: str, a: int, b: int) -> str:
    """The canonical expression: `12+34`, `-3+4`, `12-(-34)`."""
    second = format_integer(b) if b >= 0 else f"({format_integer(b)})"
    return f"{format_integer(a)}{symbol}{second}"


def parse_expression(text: str) -> Expression:
    """What a person typed, as (symbol, a, b).

    Spaces, what `tidy` mends, a plus sign, leading zeros, brackets round an operand and a trailing "=" are fine. Raises
    DataError where it is no expression, UnsupportedProblem where its operator is unknown or it has no
    solution.
    """
    canonical = _patterns(tuple(OPERATIONS))[1].fullmatch(text)
    if canonical is not None:
        first, symbol, plain, bracketed = canonical.groups()
        return _checked(symbol, parse_integer(first), parse_integer(plain or bracketed))
    spaced = " ".join(tidy(text).split())
    match = _patterns(tuple(OPERATIONS))[2].fullmatch(spaced)
    if match is None:
        raise _no_expression(text, spaced)
    first, symbol, second = match[1] or match[2], match[3], match[4] or match[5]
    return _checked(symbol, *(parse_integer(operand.replace(" ", "")) for operand in (first, second)))


def parse_example(text: str) -> Example:
    """A canonical example `12+34=46` as (symbol, a, b, answer), the answer as it stands, right or wrong.

    Raises DataError where the line is not canonical, UnsupportedProblem where it has no solution.
    """
    match = example_pattern().fullmatch(text)
    if match is None:
        raise _no_example(text)
    first, symbol, plain, bracketed, answer = match.groups()
    operands = parse_integer(first), parse_integer(plain or bracketed)
    return *_checked(symbol, *operands), parse_integer(answer)


def shorten(text: str) -> str:
    """`text` as a message shows it, cut where it is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def shown(text: str) -> str:
    """`text` as a message shows it where it may hold anything: quoted, and cut where it is long."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}… ({len(text):,} characters)"


def _checked(symbol: str, a: int, b: int) -> Expression:
    if not OPERATIONS[symbol].defined(a, b):
        raise UnsupportedProblem(f"{shorten(write_expression(symbol, a, b))} is not defined")
    return symbol, a, b


def _no_expression(text: str, spaced: str) -> DataError | UnsupportedProblem:
    symbols = " ".join(OPERATIONS)
    unknown = _UNKNOWN_OPERATOR.fullmatch(spaced.removesuffix("=").rstrip()) if len(spaced) <= 200 else None
    if unknown is not None:
        return UnsupportedProblem(f"unknown operator {unknown[1]!r} in {shown(text)}: expected one of {symbols}")
    if not spaced:
        return DataError("an empty line: expected an expression such as 12+34")
    return DataError(f"{shown(text)}: expected two whole numbers with one of {symbols} between them, such as 12+34")


def _no_example(text: str) -> DataError | UnsupportedProblem:
    if not text.strip():
        return DataError("an empty line: expected an example such as 12+34=46")
    left, equals, answer = text.rpartition("=")
    if not equals:
        return DataError(f"{shown(text)}: no '=': expected an example such as 12+34=46")
    try:
        expression = write_expression(*parse_expression(left))
    except (DataError, UnsupportedProblem) as error:
        return error
    if not re.fullmatch(r"\s*[+-]?[0-9]+\s*", answer):
        return DataError(f"{shown(text)}: expected a whole number after the '=', such as 12+34=46")
    canonical = f"{expression}={format_integer(parse_integer(answer.strip()))}"
    return DataError(f"{shown(text)}: not canonical: expected {shorten(canonical)}")
