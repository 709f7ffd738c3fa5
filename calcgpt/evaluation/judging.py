"""Evaluating: every portion of a suite is asked, judged by exact digit arrays, and counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation.comparing import run_facts
from calcgpt.evaluation.failures import failures
from calcgpt.evaluation.keeping import Kept
from calcgpt.evaluation.language import TESTS, language_tests
from calcgpt.evaluation.portions import Batch, Drawer, Portion
from calcgpt.evaluation.sampling import among
from calcgpt.evaluation.subjects import Complete, PlainSubject, Subject, subject_of
from calcgpt.evaluation.suites import DEFAULT, Suite, load_suite
from calcgpt.evaluation.table import Report
from calcgpt.inference.columns import at_once
from calcgpt.inference.solver import CalcGPT
from calcgpt.training.seen import trained_problems

Progress = Callable[[int, int], None]
BLOCK = 16_384  # problems asked at a time; bounds the memory


def evaluate(
    model: CalcGPT | Complete | str | Path,
    suite: Suite | str | Path = DEFAULT,
    tasks: Sequence[Task] | Task = (),
    folder: str | Path | None = None,
    progress: Progress | None = None,
    device: str | None = None,
) -> dict[str, Any]:
    """Ask a suite's problems, greedily, and count.

    Args:
        model: a model of ours, its name or folder; or a function from prompts such as `12+34=` to what is written after
            each (another library's model, an API).
        suite: a suite, the name of one that comes with the package, or a YAML file.
        tasks: what to ask, one range or several; without it what the model was trained on. A function needs it.
        folder: where to keep every failure (failures.jsonl), the report (report.json), and what is needed to go on
            after an interruption, which a call with the same model, suite and folder does. Without it nothing is
            written.
        progress: called with how many problems are done, of about how many.
        device: where a named model computes.

    Returns:
        A report, as docs/evaluation.md describes it.

    Raises:
        ConfigError: no such suite, or nothing to ask. ModelFolderError: no such model. DataError: a file of the suite
            is none.
    """
    if isinstance(model, (str, Path)):
        model = CalcGPT(model, device=device)
    chosen = suite if isinstance(suite, Suite) else load_suite(suite)
    subject = subject_of(model, tasks)
    seen = trained_problems(model.run) if isinstance(model, CalcGPT) else None
    portions = Drawer(subject, chosen, seen).portions()
    plain = subject.solver if isinstance(subject, PlainSubject) else None
    lines = _lines(chosen) if plain else []
    problems = sum(portion.expected for portion in portions)
    total = problems + len(TESTS) * len(lines)
    kept = Kept(folder, subject, chosen, model, seen)
    _ask_all(subject, portions, kept, seen, None if progress is None else lambda done: progress(done, total))
    report = {**_head(subject, chosen, model, seen), **kept.tally.figures(chosen.complete), **kept.end()}
    after = None if progress is None else lambda done, _: progress(problems + done, total)
    report["language"] = language_tests(plain, lines, after) if plain and lines else []
    kept.finish(report)
    return Report(report)


def check_suite(model: CalcGPT, suite: Suite) -> None:
    """Raises ConfigError or DataError where `evaluate` would, without asking anything: before other models are asked
    for an hour."""
    Drawer(subject_of(model), suite, None).portions()


def check_askable(model: CalcGPT, suite: Suite) -> None:
    """Raises ConfigError where the model would refuse every problem, as well as where `evaluate` would."""
    drawer = Drawer(subject_of(model), suite, None)
    reasons = [drawer.refusal(portion) for portion in drawer.portions()]
    if None not in reasons:
        raise ConfigError(f"{reasons[0]}: the suite {suite.name} has nothing else to ask")


def _lines(suite: Suite) -> list[str]:
    """The lines of its data files."""
    return [line for part in suite.parts if part.path is not None for line in part.dataset.examples]


def _ask_all(
    subject: Subject,
    portions: Sequence[Portion],
    kept: Kept,
    seen: np.ndarray | None,
    progress: Callable[[int], None] | None,
) -> None:
    done = 0
    for number, portion in enumerate(portions):
        if number >= kept.portions:
            before, end = done, done + portion.expected
            for part in (part for batch in portion.batches() for part in _split(subject, batch)):
                report = None if progress is None else partial(_report, progress, before, end)
                _ask(subject, part, kept, seen, report)
                before += len(part.problems)
            kept.portion_done()
        done += portion.expected
        if progress is not None:
            progress(done)


def _report(progress: Callable[[int], None], before: int, end: int, done: int) -> None:
    progress(min(before + done, end))  # a portion may have more problems than was expected


def _split(subject: Subject, batch: Batch) -> Iterator[Batch]:
    """A batch in blocks."""
    size = min(BLOCK, at_once(batch.problems.shape)) if subject.columns else BLOCK
    for start in range(0, len(batch.problems), size):
        rows = slice(start, start + size)
        cases = None if batch.cases is None else batch.cases[rows]
        texts = None if batch.texts is None else batch.texts[rows]
        yield Batch(batch.problems[rows], cases, texts, batch.grid)


def _ask(
    subject: Subject, batch: Batch, kept: Kept, seen: np.ndarray | None, report: Callable[[int], None] | None
) -> None:
    started = time.perf_counter()
    answers = subject.answer(batch.problems, report) if batch.texts is None else subject.answer_texts(batch.texts)
    seconds = time.perf_counter() - started
    solutions = batch.problems.solutions()
    right = answers.numbers.equal(solutions) & answers.readable
    trained = None if seen is None else among(subject.keys(batch.problems), seen)
    kept.tally.add(batch, answers, solutions, right, trained)
    kept.add(seconds, failures(batch, answers, solutions, right, trained) if not right.all() else ())


def _head(subject: Subject, suite: Suite, model: Any, seen: np.ndarray | None) -> dict[str, Any]:
    named = suite.to_dict()
    return {
        "model": subject.name,
        "suite": suite.name,
        **{name: named[name] for name in ("version", "seed", "description", "parts")},
        "complete": suite.complete,
        "parameters": model.model.num_parameters if isinstance(model, CalcGPT) else None,
        "unseen": (seen is not None) if isinstance(model, CalcGPT) else None,
        "run": run_facts(model.run) if isinstance(model, CalcGPT) else None,
    }
