"""`calcgpt evaluate`: asks models what a suite says, counts, and shows."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcgpt.errors import ConfigError

if TYPE_CHECKING:
    from calcgpt.cli.evaluate_options import EvaluateOptions
    from calcgpt.evaluation.suites import Suite
    from calcgpt.inference.solver import CalcGPT

Report = dict[str, Any]


def run(args: list[str]) -> int:
    """Runs `calcgpt evaluate` with these arguments and returns the exit code: 1 where --require is not reached.

    Raises CalcGPTError.
    """
    from calcgpt.cli.evaluate_options import EvaluateOptions
    from calcgpt.cli.flags import parse

    options: EvaluateOptions = parse(EvaluateOptions, args, "calcgpt evaluate")
    if options.require is not None and not 0 <= options.require <= 1:
        raise ConfigError(f"--require must be a share of 0 to 1, not {options.require}")
    suite = _suite(options)
    if options.report or options.plots:
        from calcgpt.evaluation.plots import require_matplotlib

        require_matplotlib()
    command = shlex.join(["calcgpt", "evaluate", *args])
    reports = [_evaluate(name, suite, options, command) for name in options.models or (None,)]
    _write(reports, options)
    if options.json:
        print(json.dumps(reports[0] if len(reports) == 1 else reports))
    else:
        from calcgpt.cli.evaluate_tables import show

        show(reports)
    return _verdict(reports, options.require)


def _suite(options: EvaluateOptions) -> Suite:
    from calcgpt.evaluation.suites import DEFAULT, Part, Suite, load_suite

    chosen = [name for name in ("suite", "exhaustive", "dataset") if getattr(options, name)]
    if len(chosen) > 1:
        given = " and ".join(f"--{name}" for name in chosen)
        raise ConfigError(f"expected one of --suite, --exhaustive and --dataset, and got {given}")
    if options.count is not None and options.count < 1:
        raise ConfigError(f"--count must be at least 1, not {options.count}")
    if options.seed is not None and options.seed < 0:
        raise ConfigError(f"--seed must be 0 or more, not {options.seed}")
    if options.dataset:
        if options.count is not None or options.digits or options.operations or options.seed is not None:
            raise ConfigError("--dataset asks every problem of a file: leave --count, --digits and the like away")
        parts = (Part("dataset", path=options.dataset),)
        return Suite("dataset", parts, description=f"The problems of {options.dataset}.")
    name = "exhaustive" if options.exhaustive else options.suite or ("lengths" if options.digits else DEFAULT)
    return load_suite(name).changed(options.count, options.digits, options.operations, options.seed)


def _evaluate(name: str | None, suite: Suite, options: EvaluateOptions, command: str) -> Report:
    from calcgpt.cli.display import counting

    with counting("evaluating") as progress:
        from calcgpt.evaluation.judging import evaluate
        from calcgpt.evaluation.keeping import keep_report
        from calcgpt.inference.solver import CalcGPT

        solver = CalcGPT(name, device=options.device)
        folder = _folder(solver, suite, options)
        try:
            report = evaluate(solver, suite, folder=folder, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted; the same command goes on from what is kept in {folder}") from None
        report["command"] = command
        if options.dataset:
            report["language"] = _language(solver, options.dataset, progress)
    keep_report(folder, report)
    return report


def _language(solver: CalcGPT, dataset: str, progress: Any) -> list[dict[str, Any]]:
    from calcgpt.arithmetic.datasets import load_dataset
    from calcgpt.evaluation.language import language_tests

    return language_tests(solver, load_dataset(dataset), progress)


def _folder(solver: CalcGPT, suite: Suite, options: EvaluateOptions) -> Path:
    from calcgpt.model.catalog import MODELS, ships

    assert solver.path is not None
    near = ships(solver.path) or solver.path.parent.resolve() == Path(MODELS).resolve()
    name = solver.path.name if near else "-".join(solver.path.resolve().parts[-2:])
    if options.folder:
        return Path(options.folder) / name if len(options.models) > 1 else Path(options.folder)
    return Path("evaluations") / name / suite.name


def _write(reports: list[Report], options: EvaluateOptions) -> None:
    """The files that were asked for."""
    if options.table:
        from calcgpt.evaluation.table import write_table

        write_table(options.table, reports)
    if not (options.report or options.plots):
        return
    from calcgpt.evaluation.plots import all_plots, save_plots
    from calcgpt.evaluation.report import write_report

    records = {report["model"]: _records(report["model"]) for report in reports}
    if options.report:
        write_report(options.report, reports, records)
    if options.plots:
        save_plots(all_plots(reports, records), Path(options.plots))


def _records(model: str) -> list[dict[str, Any]]:
    """What a run wrote down while it trained; nothing where there is no such file."""
    from calcgpt.model.catalog import find_model

    try:
        lines = (find_model(model) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
    except (OSError, ValueError):
        return []


def _verdict(reports: list[Report], require: float | None) -> int:
    if require is None:
        return 0
    import sys

    low = [report for report in reports if (report["exact_match"] or 0.0) < require]
    for report in low:
        counts = f"{report['right']:,} of {report['problems']:,} right"
        print(f"calcgpt: {report['model']}: {counts}, below {require}", file=sys.stderr)
    return 1 if low else 0
