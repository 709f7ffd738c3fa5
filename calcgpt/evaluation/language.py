"""Three tests of a model as a language model: it goes on from a line's first operand, its expression, or its prompt.

Of `12+34=46` it is given `12`, then `12+34`, then `12+34=`, each as its own notation writes it, and what stands there
in the end is read as a line of a file. Only the last asks for an answer. The other two ask whether the model has learnt
what a line looks like, which it can only have where its loss was on all of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from calcgpt.arithmetic.integers import format_integer
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.parsing import parse_example
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.scanning import Scan, scan
from calcgpt.errors import DataError, UnsupportedProblem
from calcgpt.inference.decoding import decode
from calcgpt.inference.solver import CalcGPT
from calcgpt.tokens.encoding import encode_texts

TESTS = ("operand", "expression", "prompt")
_BLOCK = 8192  # lines completed at a time; bounds the memory
_EXAMPLES = 5  # completions that a test shows
_INTERLEAVED = "this model's notation writes the digits of both operands in turn: there is no text of the first alone"


def language_tests(
    solver: CalcGPT, lines: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> list[dict[str, Any]]:
    """Have every line completed, greedily, from its first operand, its expression and its prompt.

    Args:
        solver: the model.
        lines: canonical examples `12+34=46`, as a data file has them.
        progress: called with how many completions are done, of how many: three a line.

    Returns:
        A dict for each of the three: `test` (operand, expression or prompt), `problems` (lines), and of these
        `well_formed` (what was given and the completion are an example in the model's notation, whichever one),
        `complete` (the model wrote its end before it ran out of positions), `right` (well-formed, and the equation is
        true), `exact` (it is the very line of the file), `refused` (the model cannot be asked them; they count as
        nothing else); `reason` (why the first of them was refused, or None), `trained` (whether the loss of the run was
        on what the test asks for), `examples` (up to 5 dicts of given, completion and line, evenly spaced in the file).

    Raises:
        DataError: a line is no example; the message has its number.
        UnsupportedProblem: the model writes columns, whose positions are those of a problem.
    """
    if solver.notation.work == "columns":
        raise UnsupportedProblem("this model writes columns: it has no plain text to go on from")
    found = _scanned(lines)
    rows = [_row(solver, test, len(lines)) for test in TESTS]
    form = _Form(solver.notation)
    shown = set(np.linspace(0, len(lines) - 1, _EXAMPLES).astype(int).tolist())
    for start in range(0, len(lines), _BLOCK):
        block = range(start, min(start + _BLOCK, len(lines)))
        reasons = solver.refusals(found.problems[block.start : block.stop])
        for number, row in enumerate(rows):
            asked = _refuse(row, block, reasons if row["test"] in form.tests else [_INTERLEAVED] * len(block))
            if asked:
                given = form.given(row["test"], found.problems[np.array(asked)])
                own = zip(asked, given, [lines[place] for place in asked], strict=True)
                _count(row, own, _complete(solver, form, given), shown)
            if progress:
                progress(3 * start + (number + 1) * len(block), 3 * len(lines))
    return rows


class _Form:
    """How a notation without columns writes lines, and reads them back.

    tests: those that there are texts to give for.
    """

    def __init__(self, notation: Notation):
        self.notation = notation
        self.tests = TESTS[1:] if notation.interleave else TESTS
        symbols = "|".join(map(re.escape, OPERATIONS))
        digits = f"[0-9]{{{notation.width}}}"
        expression = f"({symbols})([0-9]{{{2 * notation.width}}})" if notation.interleave else None
        self._line = re.compile(f"{expression or f'({digits})({symbols})({digits})'}=(.*)")

    def given(self, test: str, problems: Problems) -> list[str]:
        """What the model is given of each problem."""
        prompts = self.notation.write_prompts(problems).texts()
        if test == "prompt":
            return prompts
        if test == "expression":
            return [prompt[:-1] for prompt in prompts]
        firsts = problems.operands[:, 0].tolist()
        cuts = [self.notation.width or len(format_integer(value)) for value in firsts]
        return [prompt[:cut] for prompt, cut in zip(prompts, cuts, strict=True)]

    def read(self, text: str) -> str:
        """What the model's text says, as a file would; "" where it has not this notation's form.

        Work before an answer has to be there, and as wide as it should be; its digits are not looked at.
        """
        if self.notation.plain:
            return text
        left, equals, answer = text.partition("=")
        symbol = None
        if self.notation.width:
            match = self._line.fullmatch(text)
            if not match:
                return ""
            first, symbol, second = self._operands(match)
            left = f"{_bare(first)}{symbol}{_bare(second)}"
        return f"{left}{equals}{self._answer(symbol, answer)}"

    def _operands(self, match: re.Match[str]) -> tuple[str, str, str]:
        if self.notation.interleave:
            return match[2][::2], match[1], match[2][1::2]
        return match[1], match[2], match[3]

    def _answer(self, symbol: str | None, answer: str) -> str:
        """An answer as a file has it; "" where it has not the form, and `-0`, which no file has, where it is that."""
        notation, width = self.notation, self.notation.answer_width
        if notation.complement:
            width = notation.width if symbol == "-" else width
            pattern = f"(?:[0-9]{{{width}}}(-))?([0-9]{{{width}}})"
        else:
            pattern = f"([+-])([0-9]{{{width}}})" if width else "(-?)([0-9]+)"
        match = re.fullmatch(pattern, answer)
        if not match:
            return ""
        sign, digits = match.groups()
        digits = digits[::-1] if notation.reverse else digits
        return ("-" if sign == "-" else "") + (_bare(digits) if width else digits)


def _bare(digits: str) -> str:
    """Padded digits without their padding."""
    return digits.lstrip("0") or "0"


class _Outcome(NamedTuple):
    """What came of a text: its completion, both read as a file's line, and what is counted of them."""

    completion: str
    line: str
    well_formed: bool
    complete: bool
    right: bool


def _complete(solver: CalcGPT, form: _Form, given: Sequence[str]) -> dict[str, _Outcome]:
    """What comes of each text."""
    texts = list(dict.fromkeys(given))  # many lines begin with the same operand
    ids, lengths = encode_texts(solver.tokenizer, texts)
    completions = decode(solver.model, torch.from_numpy(ids), torch.from_numpy(lengths))
    written = solver.texts(completions)
    lines = [form.read(text + completion) for text, completion in zip(texts, written, strict=True)]
    found = scan(lines)
    well_formed, right = np.zeros(len(texts), bool), np.zeros(len(texts), bool)
    well_formed[found.lines], right[found.lines] = True, found.right()
    columns = (written, lines, well_formed.tolist(), completions.ended.tolist(), right.tolist())
    return dict(zip(texts, map(_Outcome._make, zip(*columns, strict=True)), strict=True))


def _row(solver: CalcGPT, test: str, size: int) -> dict[str, Any]:
    """A test of which nothing is counted yet."""
    trained = test == "prompt" or solver.run.get("config", {}).get("loss_on", "answer") == "all"
    counts = dict.fromkeys(("well_formed", "complete", "right", "exact", "refused"), 0)
    return {"test": test, "problems": size, **counts, "reason": None, "trained": trained, "examples": []}


def _refuse(row: dict[str, Any], block: Iterable[int], reasons: Sequence[str | None]) -> list[int]:
    """Add to a test what is refused of a block of lines; gives the places of the others."""
    asked = [place for place, reason in zip(block, reasons, strict=True) if reason is None]
    row["refused"] += len(reasons) - len(asked)
    row["reason"] = row["reason"] or next(filter(None, reasons), None)
    return asked


def _count(
    row: dict[str, Any], asked: Iterable[tuple[int, str, str]], outcomes: dict[str, _Outcome], shown: set[int]
) -> None:
    """Add to a test what came of lines: their places, the text given of each, and the line."""
    for place, text, line in asked:
        outcome = outcomes[text]
        row["well_formed"] += outcome.well_formed
        row["complete"] += outcome.complete
        row["right"] += outcome.right
        row["exact"] += outcome.line == line
        if place in shown:
            row["examples"].append({"given": text, "completion": outcome.completion, "line": line})


def _scanned(lines: Sequence[str]) -> Scan:
    """The lines as examples. Raises DataError for the first that is none."""
    found = scan(lines)
    if len(found.problems) == len(lines):
        return found
    place = int(np.setdiff1d(np.arange(len(lines)), found.lines)[0])
    try:
        parse_example(lines[place])
    except (DataError, UnsupportedProblem) as error:
        raise DataError(f"line {place + 1:,}: {error}") from None
    raise AssertionError("a line that parses is an example")
