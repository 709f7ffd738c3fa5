"""`calcgpt train`: a recipe, a data file or a task, once or with several seeds."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcgpt import __version__
from calcgpt.cli.streams import note, write_json, write_line

if TYPE_CHECKING:
    from calcgpt.cli.train_options import Job
    from calcgpt.training.data import TrainingData

_EXAMPLE = "12+34"


def run(args: list[str]) -> int:
    """Runs `calcgpt train` with these arguments and returns the exit code. Raises CalcGPTError, TrainingInterrupted."""
    from calcgpt.cli.train_options import read

    options, job = read(args)
    if options.version:
        write_line(f"calcgpt {__version__}")
        return 0
    if options.seeds is not None:
        from calcgpt.cli.seeds import train_seeds

        return train_seeds(job, options.seeds, options.quiet, options.json)
    results, data = train(job, job.output.name, options.quiet)
    if options.json:
        write_json(summary(results))
    elif not options.quiet:
        _report(results, data)
    return 0


def train(job: Job, title: str, quiet: bool) -> tuple[dict[str, Any], TrainingData]:
    """Train once, with its progress shown: the results, and the data it was trained and tested on."""
    from calcgpt.cli.display import training_display
    from calcgpt.cli.signals import ENDINGS

    if not quiet:
        note(intention(job))
    with training_display(title, job.config.max_seconds, quiet) as listeners:
        from calcgpt.training.trainer import CalcGPTTrainer  # with torch: seconds, in which something shows already

        trainer = CalcGPTTrainer(job.config, job.dataset, job.output, verbose=False, listeners=listeners)
        with ENDINGS.heeded_by(trainer):
            results = trainer.train()
    return {**results, "output_dir": shorten(results["output_dir"])}, trainer.data


def summary(results: dict[str, Any]) -> dict[str, Any]:
    """The results without the records to plot, which the model's folder has."""
    return {name: value for name, value in results.items() if name != "history"}


def shorten(path: str | Path) -> str:
    """A path as the user would type it: from the current folder where it is in there."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def intention(job: Job) -> str:
    """What will be done, in one line: `recipe classic → models/classic: 50 epochs, recorded time 27 min 26 s on …`."""
    config = job.config
    steps = None if config.max_steps is None else f"{config.max_steps:,} step{'' if config.max_steps == 1 else 's'}"
    epochs = f"{config.epochs:,} epochs" if config.task is None else None
    seconds = None if config.max_seconds is None else f"{config.max_seconds:g} s"
    ends = [end for end in (epochs, steps, seconds) if end]
    length = ends[0] if len(ends) == 1 else "at most " + " or ".join(ends)
    recorded = _recorded_time(job.recorded)
    return f"{job.origin} → {job.output}: {length}" + (f", recorded time {recorded}" if recorded else "")


def _recorded_time(recorded: object) -> str | None:
    """What a recipe's result says of its time: of `6 to 9 on two processor cores; 34 on …` the first part, with units.

    >>> _recorded_time("1646 on one processor core, beside other work")
    '27 min 26 s on one processor core, beside other work'
    """
    from calcgpt.cli.display import in_words

    found = re.match(r"\s*(\d+(?:\.\d+)?)(?: to (\d+(?:\.\d+)?))?\s*([^;]*)", str(recorded))
    if found is None:
        return None
    times = [in_words(float(number)) for number in found.groups()[:2] if number]
    return f"{' to '.join(times)} {found[3]}".strip()


def _report(results: dict[str, Any], data: TrainingData) -> None:
    from calcgpt.runtime.figures import percent_text

    match = results["exact_match"]
    if match is not None:
        tested = "problems" if data.tasks else "lines"
        write_line(f"exact match  {percent_text(match)} of {len(data.test):,} {_tested_on(data)} {tested}")
    test = "" if results["eval_loss"] is None else f", {results['eval_loss']:.4g} in the test"
    write_line(f"loss         {results['training_loss']:.4g} in training{test}")
    steps = f"{results['steps']:,} steps (ended by {results['stopped']})"
    write_line(f"time         {results['training_time']:.1f} s, {steps}")
    write_line(f"model        {results['output_dir']}, {results['model_params']:,} parameters")
    example = _example(results, data)
    if match is not None and example is not None:
        command = ["calcgpt", "solve", "-m", results["output_dir"], example]
        write_line(f"\nnow try      {shlex.join(command)}")


def _tested_on(data: TrainingData) -> str:
    """Nothing is held out of a task whose split is 0; a file then has no test."""
    return "held-out" if data.identity.get("held_out_share", 1) else "freshly drawn"


def _example(results: dict[str, Any], data: TrainingData) -> str | None:
    """A problem that the model could have been trained on; None where none is known, as of text without arithmetic."""
    from calcgpt.arithmetic.problems import from_expressions

    if any(task.contains(from_expressions([_EXAMPLE]))[0] for task in data.tasks):
        return _EXAMPLE
    return str(results["test_results"][-1]["problem"]) if results["test_results"] else None
