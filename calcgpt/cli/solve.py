"""`calcgpt solve`: asks a model and shows its answers."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import reduce
from typing import TYPE_CHECKING, Any

from rich.text import Text

from calcgpt.cli.lines import open_lines
from calcgpt.cli.streams import flush, note, output, write_json, write_line
from calcgpt.errors import DataError

if TYPE_CHECKING:
    from calcgpt.cli.solve_options import SolveOptions
    from calcgpt.inference.solver import CalcGPT

Answer = dict[str, Any]
_BLOCK = 10_000  # lines answered at a time
_PATIENCE = 2.0  # seconds after which it is told how long it takes
_COLUMN = 24  # where the verdicts begin, after short problems


def run(args: list[str]) -> int:
    """Runs `calcgpt solve` with these arguments and returns the exit code: 2 where a problem was refused or cut off.

    Raises CalcGPTError, and OSError for a file that cannot be read.
    """
    from calcgpt.cli.solve_options import read

    options = read(args)
    if options.problems:
        problems = list(options.problems)
        return _answer_all(options, (problems[at : at + _BLOCK] for at in range(0, len(problems), _BLOCK)))
    if options.file is None and sys.stdin is not None and sys.stdin.isatty():
        return _converse(options)
    with open_lines(options.file, _BLOCK) as blocks:
        return _answer_all(options, blocks)


def _load(options: SolveOptions) -> CalcGPT:
    from calcgpt.inference.solver import CalcGPT
    from calcgpt.model.catalog import ships, shown_name

    solver = CalcGPT(options.model, device=options.device)
    if options.model is None and solver.path is not None:
        comes = ", which comes with CalcGPT" if ships(solver.path) else ""
        note(f"model: {shown_name(solver.path)}{comes}")
    return solver


def _asker(options: SolveOptions) -> Callable[[list[str]], list[Answer]]:
    """A function that asks the model; draws go on from one call to the next."""
    from calcgpt.cli.display import counting

    solver = _load(options)
    asked = 0

    def ask(problems: list[str]) -> list[Answer]:
        nonlocal asked
        with counting("tokens written", after=_PATIENCE) as progress:
            answers = solver.solve_batch(
                problems,
                options.temperature,
                options.seed,
                options.tokens,
                max_tokens=options.max_tokens,
                timeout=options.timeout,
                on_tokens=progress,
                first=asked,
            )
        asked += len(problems)
        return answers

    return ask


def _answer_all(options: SolveOptions, blocks: Iterable[list[str]]) -> int:
    ask, show, refused = _asker(options), _shower(options), None
    for block in blocks:
        for answer in ask(block):
            refused = bool(refused) | (answer["error"] is not None)
            show(answer)
        flush()
    if refused is None:
        raise DataError(f"{options.file or 'standard input'} has no problem: expected lines such as 12+34")
    return 2 if refused else 0


def _converse(options: SolveOptions) -> int:
    """Ask for problems until an empty line or Ctrl-D; what cannot be asked is explained, and it goes on."""
    with suppress(ImportError):  # gives `input` a history and the arrow keys
        import readline  # noqa: F401
    ask, show = _asker(options), _shower(options)
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
        show(answer)


def _shower(options: SolveOptions) -> Callable[[Answer], None]:
    """What shows an answer: JSON, or words, which a terminal gets in colours and broken between words only."""
    if options.json:
        return write_json
    console = output()
    if not console.is_terminal:
        return lambda answer: write_line(in_words(answer))

    def show(answer: Answer) -> None:
        for line in styled(answer).split("\n"):
            # A long number stays whole: the terminal breaks it, and whoever copies it gets it as it is.
            for number, part in enumerate(_broken(line, max(20, console.width - 4))):
                console.print(Text("    ") + part if number else part, soft_wrap=True)

    return show


def _broken(line: Text, width: int) -> list[Text]:
    """A line in lines of at most `width` characters, broken between words; a longer word stays whole."""
    start, breaks = 0, []
    for word in re.finditer(r"\S+", line.plain):
        if word.end() - start > width and word.start() > start:
            start = word.start()
            breaks.append(start)
    parts = list(line.divide(breaks))
    for part in parts:
        part.rstrip()
    return parts


def in_words(answer: Answer) -> str:
    """A line for an answer, and one more for its tokens where they are asked for."""
    return styled(answer).plain


def styled(answer: Answer) -> Text:
    """`in_words` in colours."""
    from calcgpt.inference.results import was_cut
    from calcgpt.runtime.figures import percent_text

    if answer["error"] is not None:
        reason = answer["error"] if was_cut(answer) else f"refused: {answer['error']}"
        return Text.assemble(answer["problem"], "  ", (reason, "yellow"))
    solution = "" if answer["is_correct"] else _solution(answer["problem"])
    line = Text.assemble(f"{answer['problem']} = ", _marked(answer["answer"], solution))
    line.append(" " * (_COLUMN - len(line)) + "  ")
    if answer["is_correct"]:
        line.append("right", "green")
    else:
        line.append("wrong", "red").append(f", it is {solution}")
    if answer["answer"] is None:
        line.append(f" (the model wrote {answer['completion']!r}, which is no number)")
    line.append(f", confidence {percent_text(answer['confidence'])}")
    if not answer["in_distribution"]:
        line.append(", out of distribution")
    if "tokens" in answer:
        written = (f"{token['token']} {percent_text(token['probability'])}" for token in answer["tokens"])
        line.append("\n    " + "  ".join(written))
    return line


def _marked(answer: str | None, solution: str) -> Text:
    """An answer, its digits that are not the solution's in red; without a solution it is right."""
    if answer is None or not solution:
        return Text("?" if answer is None else answer)
    width = max(len(answer), len(solution))
    pairs = list(zip(answer.rjust(width), solution.rjust(width), strict=True))
    return Text.assemble(*[(own, "" if own == true else "bold red") for own, true in pairs if own != " "])


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
