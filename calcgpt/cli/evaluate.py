"""`calcgpt evaluate`: asks models what a suite says, counts, and shows."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcgpt.cli.streams import note, write_json
from calcgpt.errors import ConfigError, check_seed

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
    _check_targets(options)
    from calcgpt.cli.evaluate_tables import show

    command = shlex.join(["calcgpt", "evaluate", *args])
    reports = [_evaluate(solver, suite, options, command) for solver in _solvers(suite, options)]
    _write(reports, options)  # before what is shown: whoever reads that may go away
    if options.json:
        write_json(reports[0] if len(reports) == 1 else reports)
    else:
        show(reports)
    return _verdict(reports, options.require)


def _check_targets(options: EvaluateOptions) -> None:
    """Raises ConfigError for what could not be written in the end: nobody should learn that after an hour."""
    from calcgpt.runtime.files import check_writable

    if options.report is not None or options.plots is not None:
        from calcgpt.evaluation.plots import require_matplotlib

        require_matplotlib()
    if options.report is not None and options.table is not None and Path(options.report) == Path(options.table):
        raise ConfigError(f"--report and --table would both be written to {options.report}")
    if options.table is not None:
        from calcgpt.evaluation.table import check_table_path

        check_table_path(options.table)
    for flag, path in (("report", options.report), ("table", options.table), ("plots", options.plots)):
        if path is None:
            continue
        try:
            check_writable(Path(path) / "length-grid.png" if flag == "plots" else path)
        except OSError as error:
            raise ConfigError(f"--{flag}: cannot write {path}: {error.strerror or error}") from error


def _solvers(suite: Suite, options: EvaluateOptions) -> list[CalcGPT]:
    """The models, each of them one that the suite has something to ask."""
    from calcgpt.evaluation.judging import check_askable, check_suite
    from calcgpt.inference.solver import CalcGPT

    solvers = [CalcGPT(name, device=options.device) for name in options.models or (None,)]
    paths = [str(solver.path) for solver in solvers]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise ConfigError(f"expected different models to compare, and got {twice[0]} twice")
    for solver in solvers:  # one of several that can be asked nothing is a result
        (check_suite if len(solvers) > 1 else check_askable)(solver, suite)
    return solvers


def _suite(options: EvaluateOptions) -> Suite:
    from calcgpt.evaluation.suites import DEFAULT, UNCOUNTED, Part, Suite, load_suite

    chosen = [name for name in ("suite", "exhaustive", "dataset") if getattr(options, name) not in (None, False)]
    if len(chosen) > 1:
        given = " and ".join(f"--{name}" for name in chosen)
        raise ConfigError(f"expected one of --suite, --exhaustive and --dataset, and got {given}")
    if options.count is not None and options.count < 1:
        raise ConfigError(f"--count must be at least 1, not {options.count}")
    if options.seed is not None:
        check_seed(options.seed, "--seed")
    if options.dataset is not None:
        if options.count is not None or options.digits or options.operations or options.seed is not None:
            raise ConfigError("--dataset asks every problem of a file: leave --count, --digits and the like away")
        parts = (Part("dataset", path=options.dataset),)
        return Suite("dataset", parts, description=f"The problems of {options.dataset}.")
    meant = "exhaustive" if options.exhaustive else "lengths" if options.digits else DEFAULT
    name = meant if options.suite is None else options.suite
    suite = load_suite(name)
    if options.count is not None and all(part.kind in UNCOUNTED for part in suite.parts):
        raise ConfigError(f"--suite {suite.name} asks every problem that it has: leave --count away")
    return suite.changed(options.count, options.digits, options.operations, options.seed)


def _evaluate(solver: CalcGPT, suite: Suite, options: EvaluateOptions, command: str) -> Report:
    from calcgpt.cli.display import counting
    from calcgpt.evaluation.judging import evaluate
    from calcgpt.evaluation.keeping import keep_report, kept_problems

    folder = _folder(solver, suite, options)
    with counting("evaluating") as progress:
        try:
            report = evaluate(solver, suite, folder=folder, progress=progress)
        except KeyboardInterrupt:
            kept = kept_problems(folder)
            told = f"{kept:,} problems are kept in {folder}, and the same command goes on from there"
            raise KeyboardInterrupt(f"interrupted: {told if kept else 'nothing is kept yet'}") from None
    report["command"] = command
    keep_report(folder, report)
    return report


def _folder(solver: CalcGPT, suite: Suite, options: EvaluateOptions) -> Path:
    from calcgpt.model.catalog import MODELS, ships

    assert solver.path is not None
    near = ships(solver.path) or solver.path.parent.resolve() == Path(MODELS).resolve()
    path = solver.path.resolve()
    mark = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:6]
    name = solver.path.name if near else "-".join([*path.parts[-2:], mark])  # two folders may end alike
    if options.folder is not None:
        folder = Path(options.folder) / name if len(options.models) > 1 else Path(options.folder)
        if not options.folder or (folder / "run.json").exists():
            raise ConfigError(f"--folder: expected a folder for evaluations, not {options.folder or 'nothing'}")
        return folder
    return Path("evaluations") / name / suite.folder


def _write(reports: list[Report], options: EvaluateOptions) -> None:
    """The files that were asked for."""
    if options.table is not None:
        from calcgpt.evaluation.table import write_table

        write_table(options.table, reports)
    if options.report is None and options.plots is None:
        return
    from calcgpt.evaluation.plots import all_plots, save_plots
    from calcgpt.evaluation.report import write_report

    records = {report["model"]: _records(report["model"]) for report in reports}
    if options.report is not None:
        write_report(options.report, reports, records)
    if options.plots is not None:
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
    low = [report for report in reports if (report["exact_match"] or 0.0) < require]
    for report in low:
        counts = f"{report['right']:,} of {report['problems']:,} right"
        note(f"calcgpt: {report['model']}: {counts}, below {require}")
    return 1 if low else 0
