"""A suite as portions: each a name, about how many problems, and how to draw them, whatever else is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from calcgpt.arithmetic.cascades import OPERATORS, draw_cascades
from calcgpt.arithmetic.columns import SYMBOLS, ColumnProblems, Shape, as_problems, by_shape, written_widths
from calcgpt.arithmetic.drawing import draw, draw_exactly, edge_cases
from calcgpt.arithmetic.hashing import text_key
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.scanning import scan
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation.cases import VARIANTS, adversarial, has_cases, with_signs
from calcgpt.evaluation.lengths import (
    Widths,
    describe_length,
    each_width,
    full_width,
    given_lengths,
    most_digits,
    parse_length,
    task_within,
    wide,
    widest,
)
from calcgpt.evaluation.sampling import BLOCK, among, bucket, check_size, exhaustive_blocks
from calcgpt.evaluation.subjects import Subject
from calcgpt.evaluation.suites import Part, Suite

CARRY_SHARE = 0.3  # of the problems of a length or a cell
_ATTEMPTS = 20  # draws in a row that bring nothing new, after which there is hardly anything left
_BLOCK = 2**16  # problems that are held at a time, about
_HELD = 2**27  # digits of them
_ASKED_FIRST = 2**22  # digits of a portion from which on it is not drawn only to be refused
_CELLS = 2**20  # of a grid
_LINES = 100_000  # of a data file, in one portion


@dataclass
class Batch:
    """Problems of one shape that are asked together.

    cases: of each the name of its case, or None. texts: of each how it is written, or None for the usual way. grid:
    whether they are counted by the lengths of both operands.
    """

    problems: ColumnProblems
    cases: list[str] | None = None
    texts: list[str] | None = None
    grid: bool = False


@dataclass(frozen=True)
class Portion:
    """Some of what a suite asks: its `name`, how many problems it has at most, what draws them, and the shape that all
    of them have, where they have one."""

    name: str
    expected: int
    batches: Callable[[], Iterator[Batch]]
    shape: Shape | None = None


class Drawer:
    """Makes portions for one subject.

    Args:
        subject: who is asked. suite: what. seen: sorted keys of problems that are not drawn, because they were trained
            on.
    """

    def __init__(self, subject: Subject, suite: Suite, seen: np.ndarray | None):
        self.subject, self.suite = subject, suite
        self.seen = np.zeros(0, np.uint64) if seen is None else seen

    def portions(self) -> list[Portion]:
        """Every portion of the suite, in order.

        Raises:
            ConfigError: there is nothing to ask, too much, or the same twice.
        """
        kinds = {
            "uniform": self._uniform,
            "exhaustive": self._exhaustive,
            "lengths": self._lengths,
            "grid": self._grid,
            "carry": self._carry,
            "adversarial": self._adversarial,
            "robustness": self._robustness,
            "dataset": self._dataset,
        }
        found: dict[str, Portion] = {}
        by: dict[str, int] = {}  # which part a name is of: each name is a stream of draws
        for number, part in enumerate(self.suite.parts):
            for portion in kinds[part.kind](part):
                if by.setdefault(portion.name, number) != number:
                    both = f"parts {by[portion.name] + 1} and {number + 1} of the suite {self.suite.name}"
                    raise ConfigError(f"{both} ask the same problems ({portion.name}): make one part of them")
                found[portion.name] = portion
                digits = portion.expected * sum(portion.shape.widths) if portion.shape else 0
                reason = self.refusal(portion) if digits > _ASKED_FIRST else None
                if reason is not None:
                    raise ConfigError(reason)
        if not found:
            asks = f"the suite {self.suite.name} has nothing to ask {self.subject.name}"
            raise ConfigError(f"{asks}: no operation that it knows, of these lengths")
        return list(found.values())

    def refusal(self, portion: Portion) -> str | None:
        """Why the subject refuses every problem of a portion, as far as that is known before it is drawn, or None."""
        reason = None if portion.shape is None else self.subject.refuses(portion.shape)
        if portion.shape is None or reason is None:
            return None
        asked = f"{portion.shape.symbol} of {describe_length(portion.shape)} digits"
        return f"{self.subject.name} cannot be asked {asked}: {reason}"

    def _ranges(self, part: Part) -> Iterator[tuple[Task, str]]:
        for task in self.subject.tasks:
            for symbol in task.operations:
                if not part.operations or symbol in part.operations:
                    yield task, symbol

    def _rng(self, name: str) -> np.random.Generator:
        """A stream of its own for each portion, whatever else is asked."""
        return np.random.default_rng((self.suite.seed, text_key(name)))

    def _shape(self, symbol: str, widths: Widths) -> Shape:
        return Shape(symbol, written_widths(symbol, widths), self.subject.signed)

    def _uniform(self, part: Part) -> Iterator[Portion]:
        for task, symbol in self._ranges(part):
            if part.digits or task.max_digits:
                for widths in given_lengths(part, symbol, task, each_width(task, symbol)):
                    yield self._drawn("uniform", part, symbol, widths, task, 0.0)
                continue
            alone = replace(task.only(symbol), carry_share=0.0)
            for digits in range(1, most_digits(task) + 1):
                name = f"uniform {symbol} {digits} {task.min_value} {task.max_value}"
                count = _at_most(part.count, (digits, digits), 2 if task.min_value < 0 else 1)
                yield Portion(name, count, partial(self._bucket, alone, digits, part.count, name))

    def _bucket(self, task: Task, digits: int, count: int, name: str) -> Iterator[Batch]:
        yield from self._batches(bucket(task, digits, count, self._rng(name), self.seen))

    def _batches(self, problems: Problems) -> Iterator[Batch]:
        # A file may have negative numbers, whatever the model's range is; to one without columns a sign is a character.
        signed = self.subject.signed or (not self.subject.columns and bool((problems.operands < 0).any()))
        for _, group in by_shape(problems, signed) if len(problems) else ():
            yield Batch(group)

    def _lengths(self, part: Part) -> Iterator[Portion]:
        for task, symbol in self._ranges(part):
            for widths in given_lengths(part, symbol, task, wide(task, symbol)):
                yield self._drawn("lengths", part, symbol, widths, task, CARRY_SHARE)

    def _drawn(self, kind: str, part: Part, symbol: str, widths: Widths, task: Task, share: float) -> Portion:
        shape = self._shape(symbol, widths)
        name = f"{kind} {symbol} {describe_length(shape)}"
        within = task_within(part, task)
        count = _at_most(part.count, widths)
        return Portion(name, count, partial(self._draw, shape, part.count, name, within, share), shape)

    def _draw(self, shape: Shape, count: int, name: str, task: Task | None, share: float) -> Iterator[Batch]:
        rng = self._rng(name)
        first = None
        if share:  # of long problems those that break stand at the beginning
            widths = (shape.number_width,) * len(shape.widths) if shape.symbol in OPERATORS else shape.widths
            edges = edge_cases(shape.symbol, widths)
            first = ColumnProblems.from_operands(shape.symbol, edges, shape.widths, shape.signed)
        problems = self._unseen(shape, lambda size: draw(shape, size, rng, share), count, task, first)
        yield from map(Batch, _joined(problems))

    def _unseen(
        self,
        shape: Shape,
        drawn: Callable[[int], ColumnProblems],
        count: int,
        task: Task | None,
        first: ColumnProblems | None = None,
    ) -> Iterator[ColumnProblems]:
        """At most `count` different problems, of the task where one is given, none of them trained on; some at a time,
        those of `first` before the drawn ones."""
        asked, idle = np.zeros(0, np.uint64), 0
        size = min(count, _BLOCK, max(1, _HELD // sum(shape.widths)))
        while len(asked) < count and idle < _ATTEMPTS:
            found, first = self._wanted(drawn(size) if first is None else first, task), None
            keys = found.keys(ordered=True)
            _, different = np.unique(keys, return_index=True)
            new = np.sort(different[~among(keys[different], asked)])[: count - len(asked)]
            asked, idle = np.union1d(asked, keys[new]), 0 if len(new) else idle + 1
            yield found[new]

    def _wanted(self, problems: ColumnProblems, task: Task | None) -> ColumnProblems:
        kept = ~among(self.subject.keys(problems), self.seen)
        if task is not None and not task.max_digits and len(problems):
            kept &= task.contains(as_problems(problems))
        if problems.shape.symbol not in SYMBOLS:  # a user's own, which may not be defined everywhere
            kept &= as_problems(problems).defined()
        return problems[kept]

    def _exhaustive(self, part: Part) -> Iterator[Portion]:
        ranges = [replace(task, operations=(symbol,), carry_share=0.0) for task, symbol in self._ranges(part)]
        if part.digits:
            most = 10 ** max(max(parse_length(length)) for length in part.digits) - 1
            ranges = [Task(task.operations, 0, most, task.negative_results) for task in ranges]
        if any(task.max_operands > 2 and "+" in task.operations for task in ranges):
            raise ConfigError("every sum of three operands or more is too many: say --digits 2 for those of two")
        tasks = [replace(task, max_digits=(), max_operands=2, min_value=self._lowest(task)) for task in ranges]
        check_size(tasks)
        for task in tasks if part.digits else ():
            self._check_longest(task)
        for within, task in zip(ranges, tasks, strict=True):
            (symbol,) = task.operations
            limits = within.widths(symbol) if within.max_digits else None
            for number, build in enumerate(exhaustive_blocks(task, symbol)):
                name = f"exhaustive {symbol} {task.min_value} {task.max_value} {number}"
                size = min(BLOCK, (task.max_value - task.min_value + 1) ** 2 - number * BLOCK)
                yield Portion(name, size, partial(self._block, build, limits))

    def _lowest(self, task: Task) -> int:
        """The smallest operand; of a task by digits, whose numbers have no sign of their own, the subject says it."""
        return -task.max_value if task.max_digits and self.subject.signed else task.min_value

    def _check_longest(self, task: Task) -> None:
        """Raises ConfigError where the longest problem is refused, before millions of others are."""
        (symbol,) = task.operations
        longest = ColumnProblems.from_operands(symbol, [(task.max_value, task.max_value)], None, self.subject.signed)
        (reason,) = self.subject.refusals(longest)
        if reason is not None:
            raise ConfigError(f"{self.subject.name} cannot be asked {longest.expressions()[0]}: {reason}")

    def _block(self, build: Callable[[], Problems], limits: Widths | None) -> Iterator[Batch]:
        problems = build()
        if limits is not None:  # the second operand of a product or division may have fewer digits than the first
            problems = problems[(np.abs(problems.operands) < 10 ** np.array(limits)).all(1)]
        yield from self._batches(problems)

    def _grid(self, part: Part) -> Iterator[Portion]:
        for task, symbol in self._ranges(part):
            beyond = [tuple(2 * width for width in widths) for widths in widest(task, symbol)]
            given = [widths for widths in map(parse_length, part.digits) if len(widths) == 2]
            if len(given) > 1:
                raise ConfigError(f"a grid has one size, such as 100 or 20x10, not {' '.join(part.digits)}")
            if part.digits and not given:
                continue
            most = (given or (beyond if task.max_digits else widest(task, symbol)))[0]
            if most[0] * most[1] > _CELLS:
                raise ConfigError(f"expected a grid of at most {_CELLS:,} cells, not {most[0]:,} × {most[1]:,}")
            cells = [(a, b) for a in range(1, most[0] + 1) for b in range(1, most[1] + 1)]
            rows: dict[Widths, list[tuple[int, int]]] = {}
            for cell in cells:
                rows.setdefault(self._shape(symbol, cell).widths, []).append(cell)
            for widths, group in rows.items():
                name = f"grid {symbol} {widths[0]}x{widths[-1]}"
                shape = Shape(symbol, widths, self.subject.signed)
                within = task_within(part, task)
                count = sum(_at_most(part.count, cell) for cell in group)
                yield Portion(name, count, partial(self._cells, shape, group, part.count, within), shape)

    def _cells(self, shape: Shape, cells: Sequence[tuple[int, int]], count: int, task: Task | None) -> Iterator[Batch]:
        """All cells of one shape together."""

        def drawn() -> Iterator[ColumnProblems]:
            for cell in cells:
                rng = self._rng(f"cell {shape.symbol} {cell}")
                yield from self._unseen(
                    shape, partial(draw_exactly, shape, cell, rng=rng, carry_share=CARRY_SHARE), count, task
                )

        for problems in _joined(drawn()):
            yield Batch(problems, grid=True)

    def _carry(self, part: Part) -> Iterator[Portion]:
        for task, symbol in self._ranges(part):
            if symbol not in OPERATORS:
                continue
            for widths in given_lengths(part, symbol, task, [(full_width(task, symbol),) * 2]):
                width = max(widths)
                for length in range(width + (symbol == "+")) if len(widths) == 2 else ():
                    name = f"carry {symbol} {width} {length}"
                    count = _at_most(part.count, widths)
                    batches = partial(self._cascades, symbol, width, length, part, task, name)
                    yield Portion(name, count, batches, self._shape(symbol, (width, width)))

    def _cascades(self, symbol: str, width: int, length: int, part: Part, task: Task, name: str) -> Iterator[Batch]:
        rng, shape = self._rng(name), self._shape(symbol, (width, width))

        def drawn(count: int) -> ColumnProblems:
            found = draw_cascades(symbol, width, length, count, rng)
            return ColumnProblems(shape, found.digits, np.zeros((len(found), 2), bool) if shape.signed else None)

        yield from map(Batch, _joined(self._unseen(shape, drawn, part.count, task_within(part, task))))

    def _adversarial(self, part: Part) -> Iterator[Portion]:
        for task, symbol in self._ranges(part):
            if not has_cases(symbol):
                continue
            for widths in given_lengths(part, symbol, task, each_width(task, symbol)):
                if len(widths) == 2:
                    name = f"adversarial {symbol} {widths[0]}x{widths[1]}"
                    within = task_within(part, task)
                    batches = partial(self._hard, symbol, (widths[0], widths[1]), within, name)
                    yield Portion(name, 150, batches, self._shape(symbol, widths))

    def _hard(self, symbol: str, widths: tuple[int, int], task: Task | None, name: str) -> Iterator[Batch]:
        rng = self._rng(name)
        cases = list(adversarial(symbol, widths, rng))
        if self.subject.signed:
            cases += [(f"{case}, with signs", with_signs(found, rng)) for case, found in cases]
        pairs = [pair for _, found in cases for pair in found]
        names = np.array([case for case, found in cases for _ in found])
        problems = ColumnProblems.from_operands(symbol, pairs, None, self.subject.signed)
        if task is not None and not task.max_digits:
            inside = task.contains(as_problems(problems))
            problems, names = problems[inside], names[inside]
        yield Batch(problems, names.tolist())

    def _robustness(self, part: Part) -> Iterator[Portion]:
        for task, symbol in self._ranges(part):
            widths = [each for each in given_lengths(part, symbol, task, wide(task, symbol)) if len(each) == 2]
            for longest in widths[-1:]:
                name = f"robustness {symbol} {longest}"
                shape, within = self._shape(symbol, longest), task_within(part, task)
                total = _at_most(part.count, longest) * len(VARIANTS)
                yield Portion(name, total, partial(self._typed, shape, part.count, name, within), shape)

    def _typed(self, shape: Shape, count: int, name: str, task: Task | None) -> Iterator[Batch]:
        rng = self._rng(name)
        for problems in _joined(self._unseen(shape, lambda size: draw(shape, size, rng), count, task)):
            pairs = [text.replace("(", "").replace(")", "") for text in problems.expressions()]
            for variant, write in VARIANTS.items():
                texts = []
                for text in pairs:
                    cut = text.index(shape.symbol, 1)
                    texts.append(write(text[:cut], shape.symbol, text[cut + len(shape.symbol) :]))
                yield Batch(problems, [variant] * len(texts), texts)

    def _dataset(self, part: Part) -> Iterator[Portion]:
        assert part.path is not None
        lines = part.dataset.examples
        for start in range(0, len(lines), _LINES):
            block = lines[start : start + _LINES]
            yield Portion(f"dataset {part.path} {start}", len(block), partial(self._lines, block))

    def _lines(self, lines: list[str]) -> Iterator[Batch]:
        yield from self._batches(scan(lines).problems)


def _at_most(count: int, widths: Widths, signs: int = 1) -> int:
    """At most `count` problems of these widths, or as many as there are."""
    return min(count, math.prod(signs * 10 ** min(width, 20) for width in widths))


def _joined(parts: Iterable[ColumnProblems]) -> Iterator[ColumnProblems]:
    """The same problems in few blocks of one shape, none of them much larger than what is held at a time."""
    held: list[ColumnProblems] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= _BLOCK or sum(part.digits.size for part in held) >= _HELD:
            yield ColumnProblems.concatenate(held)
            held = []
    if held:
        yield ColumnProblems.concatenate(held)
