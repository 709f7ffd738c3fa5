"""`calcgpt solve`: asks a model and shows its answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING, Any

from calcgpt.cli.streams import flush, note, write_json, write_line
from calcgpt.errors import DataError

if TYPE_CHECKING:
    from calcgpt.cli.solve_options import SolveOptions
    from calcgpt.inference.solver import CalcGPT

Answer = dict[str, Any]
_BLOCK = 10_000  # lines answered at a time
_COLUMN = 24  # where the verdicts begin, after short problems


def run(args: list[str]) -> int:
    """Runs `calcgpt solve` with these arguments and returns the exit code: 2 where a problem was refused.

    Raises CalcGPTError, and OSError for a file that cannot be read.
    """
    from calcgpt.cli.solve_options import read

    options = read(args)
    if options.problems:
        return _answer_all(options, options.problems)
    if options.file is None and sys.stdin is not None and sys.stdin.isatty():
        return _converse(options)
    with _lines(options.file) as lines:
        return _answer_all(options, lines)


@contextmanager
def _lines(file: str | None) -> Iterator[Iterable[str]]:
    """The lines of a file or of standard input that are not empty. What is not UTF-8 in them is refused later."""
    if file in (None, "-"):
        with suppress(AttributeError):  # a stream that a test or a notebook put there
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
        yield (line.strip() for line in sys.stdin or () if line.strip())
        return
    assert file is not None
    with open(file, encoding="utf-8-sig", errors="replace") as stream:
        yield (line.strip() for line in stream if line.strip())


def _load(options: SolveOptions) -> CalcGPT:
    from calcgpt.inference.solver import CalcGPT
    from calcgpt.model.catalog import ships, shown_name

    solver = CalcGPT(options.model, device=options.device)
    if options.model is None and solver.path is not None:
        comes = ", which comes with CalcGPT" if ships(solver.path) else ""
        note(f"model: {shown_name(solver.path)}{comes}")
    return solver


def _asker(options: SolveOptions) -> Callable[[list[str]], list[Answer]]:
    """A function that asks the model. Draws go on from block to block, each with a seed of its own."""
    solver = _load(options)
    asked = 0

    def ask(problems: list[str]) -> list[Answer]:
        nonlocal asked
        seed = None if options.seed is None else options.seed + asked
        asked += 1
        return solver.solve_batch(problems, options.temperature, seed, token_details=options.tokens)

    return ask


def _answer_all(options: SolveOptions, problems: Iterable[str]) -> int:
    ask, remaining, refused = _asker(options), iter(problems), None
    while block := list(islice(remaining, _BLOCK)):
        for answer in ask(block):
            refused = bool(refused) | (answer["error"] is not None)
            write_json(answer) if options.json else write_line(in_words(answer))
        flush()
    if refused is None:
        raise DataError(f"{options.file or 'standard input'} has no problem: expected lines such as 12+34")
    return 2 if refused else 0


def _converse(options: SolveOptions) -> int:
    """Ask for problems until an empty line or Ctrl-D; what cannot be asked is explained, and it goes on."""
    with suppress(ImportError):  # gives `input` a history and the arrow keys
        import readline  # noqa: F401
    ask = _asker(options)
    note("A problem such as 12+34; an empty line or Ctrl-D ends.")
    while True:
        try:
            problem = input("> ").strip()
        except EOFError:
            write_line()
            return 0
        if problem.lower() in ("", "exit", "quit"):
            return 0
        (answer,) = ask([problem])
        write_json(answer) if options.json else write_line(in_words(answer))


def in_words(answer: Answer) -> str:
    """A line for an answer, and one more for its tokens where they are asked for."""
    from calcgpt.runtime.figures import percent_text

    if answer["error"] is not None:
        return f"{answer['problem']}  refused: {answer['error']}"
    shown = "?" if answer["answer"] is None else answer["answer"]
    verdict = "right" if answer["is_correct"] else f"wrong, it is {_solution(answer['problem'])}"
    if answer["answer"] is None:
        verdict += f" (the model wrote {answer['completion']!r}, which is no number)"
    line = f"{answer['problem']} = {shown}".ljust(_COLUMN)
    line += f"  {verdict}, confidence {percent_text(answer['confidence'])}"
    if not answer["in_distribution"]:
        line += ", out of distribution"
    if "tokens" in answer:
        line += "\n    " + "  ".join(f"{token['token']} {token['probability']:.2%}" for token in answer["tokens"])
    return line


def _solution(problem: str) -> str:
    from calcgpt.arithmetic.columns import parse_columns
    from calcgpt.arithmetic.integers import format_integer
    from calcgpt.arithmetic.operations import OPERATIONS
    from calcgpt.arithmetic.parsing import parse_expression

    operands: Sequence[int]
    try:
        symbol, *operands = parse_expression(problem)
    except DataError:  # a sum of several operands
        symbol, operands = parse_columns(problem)
    return format_integer(reduce(OPERATIONS[symbol].apply, operands))
