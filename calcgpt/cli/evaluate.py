"""`calcgpt evaluate`: counts a model's right answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from calcgpt.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from calcgpt.cli.evaluate_options import EvaluateOptions
    from calcgpt.inference.solver import CalcGPT

Report = dict[str, Any]
_SHOWN = 10  # wrong answers that a person sees


def run(args: list[str]) -> int:
    """Runs `calcgpt evaluate` with these arguments and returns the exit code. Raises CalcGPTError."""
    from calcgpt.cli.display import counting
    from calcgpt.cli.evaluate_options import EvaluateOptions
    from calcgpt.cli.flags import parse

    options: EvaluateOptions = parse(EvaluateOptions, args, "calcgpt evaluate")
    if options.count < 1:
        raise ConfigError(f"--count must be at least 1, not {options.count}")
    with counting("evaluating") as progress:
        from calcgpt.inference.solver import CalcGPT
        from calcgpt.model.catalog import SHIPPED
        from calcgpt.training.seen import trained_problems

        solver = CalcGPT(options.model, device=options.device)
        assert solver.path is not None
        ships = solver.path.parent == SHIPPED
        report = {
            "model": solver.path.name if ships else str(solver.path),
            **_evaluate(solver, trained_problems(solver.run), options, progress),
        }
    if options.json:
        print(json.dumps(report))
    else:
        _show(report)
    return 0


def _evaluate(solver: CalcGPT, seen: np.ndarray | None, options: EvaluateOptions, progress: Any) -> Report:
    from calcgpt.evaluation.evaluate import evaluate_exhaustive, evaluate_fresh
    from calcgpt.evaluation.lengths import evaluate_lengths, parse_length

    if options.digits and options.exhaustive:
        raise ConfigError("expected --digits or --exhaustive, and got both")
    if options.digits:
        if solver.notation.work != "columns":
            raise ConfigError("--digits is for a model that writes columns, and this one does not")
        lengths = [parse_length(text) for text in options.digits]
        return evaluate_lengths(solver, lengths, seen, options.count, options.seed, progress)
    if options.exhaustive:
        return evaluate_exhaustive(solver, seen, progress)
    return evaluate_fresh(solver, seen, options.count, options.seed, progress)


def _show(report: Report) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{report['model']}: {_what(report)}", markup=False, soft_wrap=True)
    if report["suite"] == "exhaustive":
        _table(console, ["operation"], report["operations"])
        _seen_apart(console, report)
    else:
        _table(console, ["operation", "digits"], report["buckets"])
    console.print(f"{_share(report)} in {report['seconds']:.1f} s", soft_wrap=True)
    _show_wrong(console, report)


def _what(report: Report) -> str:
    if report["suite"] == "exhaustive":
        return f"every problem of its range, {report['problems']:,}"
    if report["unseen"]:
        return f"{report['problems']:,} problems that it was never trained on"
    return f"{report['problems']:,} fresh problems (what it was trained on cannot be told: some may be among them)"


def _share(row: Report) -> str:
    """Right answers as they are: a share is rounded, and 100% is only said where all are right."""
    text = f"{row['right']:,} of {row['problems']:,} right"
    return text if row["exact_match"] is None else f"{text}, {_percent(row)}"


def _percent(row: Report) -> str:
    if row["exact_match"] is None:
        return "-"
    if row["right"] == row["problems"]:
        return "100%"
    return f"{min(row['exact_match'], 0.99999):.3%}"


def _table(console: Console, titles: list[str], rows: list[Report]) -> None:
    from rich.table import Table

    table = Table(*titles)
    for title in (*titles[1:], "problems", "right", "exact match"):
        if title not in titles:
            table.add_column(title, justify="right")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        figures = f"{row['problems']:,}", f"{row['right']:,}", _percent(row)
        table.add_row(*(str(row[title]) for title in titles), *figures)
    console.print(table)


def _seen_apart(console: Console, report: Report) -> None:
    if report["trained_on"] is None:
        console.print("what it was trained on cannot be told", soft_wrap=True)
        return
    console.print(f"trained on: {_share(report['trained_on'])}", soft_wrap=True)
    console.print(f"never seen: {_share(report['never_seen'])}", soft_wrap=True)


def _show_wrong(console: Console, report: Report) -> None:
    wrong = report["problems"] - report["right"]
    if not wrong:
        return
    from calcgpt.arithmetic.parsing import shorten

    shown = report["wrong"][:_SHOWN]
    console.print("\nwrong answers:" if wrong <= len(shown) else f"\nthe first of {wrong:,} wrong answers:")
    for row in shown:
        problem, solution = shorten(row["problem"]), shorten(row["solution"])
        said = row["error"] or f"the model says {_said(row)}"
        console.print(f"  {problem}={solution}: {said}", markup=False, soft_wrap=True)


def _said(row: Report) -> str:
    """The wrong answer; of a long one how many of its digits are wrong, and the first from the units."""
    from calcgpt.arithmetic.parsing import shorten

    answer, solution = row["answer"], row["solution"]
    if answer is None:
        return "nothing readable"
    if shorten(solution) == solution:
        return str(answer)
    pairs = list(zip(answer[::-1].ljust(len(solution), "0"), solution[::-1].ljust(len(answer), "0"), strict=True))
    wrong = [place for place, (mine, right) in enumerate(pairs) if mine != right]
    return f"{shorten(answer)}: {len(wrong):,} of {len(pairs):,} digits are wrong, the first of worth 10^{wrong[0]}"
