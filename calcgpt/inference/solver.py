"""CalcGPT: a trained model that answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from calcgpt.arithmetic import traces
from calcgpt.arithmetic.integers import digit_counts, format_integer, integer_array
from calcgpt.arithmetic.notation import Notation, Written
from calcgpt.arithmetic.operations import rank
from calcgpt.arithmetic.parsing import parse_expression
from calcgpt.arithmetic.problems import Problems, from_expressions
from calcgpt.arithmetic.task import Task
from calcgpt.errors import (
    CalcGPTError,
    ConfigError,
    DataError,
    MissingOperation,
    ModelFolderError,
    TokenError,
    UnsupportedProblem,
)
from calcgpt.inference.choosing import Chooser, Completions
from calcgpt.inference.columns import count_column_tokens, solve_columns
from calcgpt.inference.decoding import decode
from calcgpt.inference.results import (
    NOT_FINITE,
    Progress,
    check_max_tokens,
    out_of_time,
    out_of_tokens,
    refusal,
    spoil,
)
from calcgpt.inference.watch import Limits, Watch
from calcgpt.model.catalog import shown_name
from calcgpt.model.classes import NETWORK, build_network, find_classes
from calcgpt.model.gpt import GPT
from calcgpt.model.store import find_model, newest_model, read_model
from calcgpt.runtime.device import resolve_device
from calcgpt.runtime.table import Column, Table
from calcgpt.tokens.encoding import encode_written, unknown_characters
from calcgpt.tokens.tokenizer import END, PAD, Tokenizer

logger = logging.getLogger(__name__)

_UNKNOWN_RUN = (
    "{} was saved by another library: how its problems are written and what it was trained on is unknown; they are "
    "written as they are, 12+34=; in Python, CalcGPT(folder, notation=...) can say how"
)
_WIDE = 40  # digits of a problem, from which on it is not written beside others: no two int64 have more


class CalcGPT:
    """A trained model, its tokenizer and its notation, ready to answer.

    Args:
        model: the model's folder, or its name under `models/`; without it the newest one there.
        device: cuda, mps or cpu; without it the best there is.
        classes: the user's own network, notation or task classes that the model was trained with.
        notation: how problems are written for a model that another library saved, whose folder does not say it; without
            it as they are, with a warning.

    Raises:
        ModelFolderError: there is no model, it is damaged, or was trained with a class that is not given.
        ConfigError: there is no such device, or a notation is given where the folder has one.
    """

    notation: Notation
    tasks: list[Task]

    @torch.inference_mode(False)  # what is loaded in the middle of one may be trained with later
    def __init__(
        self,
        model: str | Path | None = None,
        device: str | None = None,
        classes: Sequence[type] = (),
        notation: Notation | None = None,
    ):
        stored = read_model(newest_model() if model is None else find_model(model))
        if notation is not None and not stored.foreign:
            raise ConfigError(f"{stored.path} says how its problems are written: leave notation away")
        network = build_network(stored, classes)
        network.to(resolve_device(device).torch)
        self._prepare(network, stored.tokenizer, stored.run, find_classes(stored.run, classes, stored.path))
        if notation is not None:
            self.notation = notation
        elif stored.foreign:
            logger.warning("%s", _UNKNOWN_RUN.format(stored.path))
        self.path: Path | None = stored.path

    @classmethod
    def from_parts(
        cls, model: GPT, tokenizer: Tokenizer, run: dict[str, Any] | None = None, classes: Sequence[type] = ()
    ) -> CalcGPT:
        """A solver around a model in memory; `run` is what its run.json would say, `classes` the user's own notation
        and task.
        """
        solver = cls.__new__(cls)
        needed = {role: name for role, name in ((run or {}).get("classes") or {}).items() if role not in NETWORK}
        solver._prepare(model, tokenizer, run or {}, find_classes({"classes": needed}, classes, None))
        solver.path = None
        return solver

    def _prepare(self, model: GPT, tokenizer: Tokenizer, run: dict[str, Any], classes: dict[str, type]) -> None:
        self.model, self.tokenizer, self.run = model.eval(), tokenizer, run
        written, asked = classes.get("notation", Notation), classes.get("task", Task)
        try:
            self.notation = written(**run.get("config", {}).get("notation", {}))
            self.tasks = [asked(**task) for task in run.get("data", {}).get("tasks", [])]
        except MissingOperation as error:
            raise MissingOperation(f"the model knows an operation that is not registered here: {error}") from error
        except (AttributeError, TypeError, ConfigError) as error:
            raise ModelFolderError(f"run.json does not say how the model was trained: {error}") from error

    def __repr__(self) -> str:
        facts = ", ".join(f"{name} {text}" for name, text in self._told().items())
        return f"<CalcGPT: {facts}>"

    def _repr_html_(self) -> str:
        table = Table("CalcGPT", [Column(""), Column("")])
        for name, text in self._told().items():
            table.add(name, text)
        return table.to_html()

    def _told(self) -> dict[str, str]:
        """What the model is, by name: what it computes, its size, how it reads and writes a problem, and its folder."""
        symbols = sorted({symbol for task in self.tasks for symbol in task.operations}, key=rank)
        ranges = dict.fromkeys(f"{task.min_value:,} to {task.max_value:,}" for task in self.tasks)
        example = self._example(symbols)
        return {
            "computes": f"{' '.join(symbols)} of {', '.join(ranges)}" if symbols else self._trained_on(),
            "parameters": f"{self.model.num_parameters:,}",
            **({"example": example} if example else {}),
            "device": str(self.model.device),
            "from": "memory" if self.path is None else shown_name(self.path),
        }

    def _example(self, symbols: Sequence[str]) -> str | None:
        """A problem with its answer, and both as this model reads and writes them; None where it knows none."""
        for first, second in ((12, 34), (1, 2)) if symbols else ():
            problems = from_expressions([f"{first}{symbols[0]}{second}"])
            if not any(task.contains(problems)[0] for task in self.tasks):
                continue
            if self.notation.work == "columns":
                written = traces.shown(symbols[0], first, second, signed=self.notation.signed)
            elif self.notation.unsupported(problems)[0] is None:
                answers = self.notation.write_answers(problems, problems.solutions())
                written = self.notation.write_prompts(problems).texts()[0] + answers.texts()[0]
            else:
                continue
            return f"{problems.examples()[0]} is written {written}"
        return None

    def solve(self, problem: str, **options: Any) -> dict[str, Any]:
        """Answer one problem, such as "12+34"; the options and the result are those of `solve_batch`."""
        return self.solve_batch([problem], **options)[0]

    def solve_batch(
        self,
        problems: Sequence[str],
        temperature: float = 0.0,
        seed: int | None = None,
        token_details: bool = False,
        progress: Progress | None = None,
        max_tokens: int | None = None,
        timeout: float | None = None,
        on_tokens: Progress | None = None,
        first: int = 0,
    ) -> list[dict[str, Any]]:
        """Answer problems, each as it would be answered alone, but where two tokens are as probable as each other up to
        rounding.

        Args:
            problems: expressions; spaces and a trailing `=` do not matter.
            temperature: 0 for the most probable answer, above 0 to draw.
            seed: of the draws.
            token_details: add `tokens`, a list of each token written and its probability.
            progress: called with how many prompts are done, of how many.
            max_tokens: most tokens that a problem may take, its end counted (`count_tokens` says how many it does).
            timeout: seconds after which what is not finished is cut off.
            on_tokens: called with how many tokens are written, of about how many, also within one problem.
            first: the number of the first problem, where draws go on from an earlier call with the same seed.

        Returns:
            For each problem a dict: `problem` (as the model was asked), `answer` (str, None where it wrote no number),
            `is_correct`, `confidence` (probability of the whole completion, in [0, 1]), `in_distribution` (whether
            training could have asked it), `inference_time` (seconds, its share of the batch), `full_result` (problem
            and answer as one text), `completion` (what the model wrote), `error` (why there is no answer, else None):
            it begins with "cut off: " where max_tokens or timeout ended the problem or kept it from being begun (see
            `was_cut`); all others are refusals.

        Raises:
            ConfigError: a temperature, seed, max_tokens or timeout that cannot be.
        """
        check_max_tokens(max_tokens)
        Chooser(self.model, temperature, seed)  # which says what is wrong with them, whatever is asked
        limits = Limits(temperature, seed, first, max_tokens, Watch(timeout, on_tokens))
        if self.notation.work == "columns":
            return solve_columns(self, problems, limits, token_details, progress)
        started = time.perf_counter()
        asked, refused = self._read(problems)
        results = [refusal(text, reason) for text, reason in zip(problems, refused, strict=True)]
        places = [place for place, reason in enumerate(refused) if reason is None]
        if places:
            completions = self.decode(asked, progress=progress, limits=limits, rows=np.array(places) + first)
            answered = self._results(asked, completions, token_details)
            self._spoil(answered, asked, completions, limits)
            for place, result in zip(places, answered, strict=True):
                results[place] = result
        share = (time.perf_counter() - started) / max(1, len(problems))
        for result in results:
            result["inference_time"] = share
        return results

    def count_tokens(self, problems: Sequence[str]) -> list[int]:
        """How many tokens each problem takes to answer, its end counted, before anything is asked; 0 where
        it is refused.

        Exact for a model that writes columns, whose work is as long as the problem's shape says; of others the most
        that they have positions for.
        """
        if self.notation.work == "columns":
            return count_column_tokens(self, problems)
        asked, refused = self._read(problems)
        counts = np.zeros(len(problems), np.int64)
        if len(asked):
            _, lengths = encode_written(self.tokenizer, self.notation.write_prompts(asked))
            counts[[reason is None for reason in refused]] = self.model.config.max_length - lengths
        return list(counts.tolist())

    def decode(
        self,
        problems: Problems,
        temperature: float = 0.0,
        seed: int | None = None,
        progress: Progress | None = None,
        limits: Limits | None = None,
        rows: np.ndarray | None = None,
    ) -> Completions:
        """What the model writes after each problem, as tokens: `limits` in place of temperature and seed, and the
        problems' numbers `rows`, for draws.
        """
        limits = limits or Limits(temperature, seed)
        ids, lengths = encode_written(self.tokenizer, self.notation.write_prompts(problems))
        room = int((self.model.config.max_length - lengths).sum())
        limits.watch.expect(room if limits.max_tokens is None else min(room, limits.max_tokens * len(problems)))
        return decode(
            self.model,
            torch.from_numpy(ids),
            torch.from_numpy(lengths),
            limits.max_tokens,
            limits.temperature,
            limits.seed,
            progress,
            rows,
            limits.watch,
        )

    def _spoil(
        self, results: list[dict[str, Any]], problems: Problems, completions: Completions, limits: Limits
    ) -> None:
        """Say of each result where a limit ended it, or the model's numbers are none."""
        _, lengths = encode_written(self.tokenizer, self.notation.write_prompts(problems))
        room = self.model.config.max_length - lengths
        rows = zip(results, completions.lengths.tolist(), completions.ended.tolist(), room.tolist(), strict=True)
        for result, written, ended, most in rows:
            if result["confidence"] != result["confidence"]:
                spoil(result, NOT_FINITE)
            elif ended or written >= most:
                continue  # it ran out of positions, if anything
            elif limits.max_tokens is not None and written >= limits.max_tokens:
                spoil(result, out_of_tokens(written))
            elif limits.watch.expired:
                spoil(result, out_of_time(limits.watch.timeout, written))

    def read_answers(self, completions: Completions) -> tuple[np.ndarray, np.ndarray]:
        """The numbers that completions write: values (N,), and whether there is one (N,).

        A completion that ran out of positions is none: its end was never written.
        """
        if self.tokenizer.mode != "char":
            values = [self.notation.read_answer(text) for text in self.texts(completions)]
            readable = np.array([value is not None for value in values], bool)
            numbers = integer_array([value or 0 for value in values])
        else:
            codes = [0 if token in (PAD, END) else min(ord(token), 127) for token in self.tokenizer.id_to_token]
            characters = np.array(codes, np.uint8)[completions.tokens.numpy()]
            numbers, readable = self.notation.read_answers(Written(characters, completions.lengths.numpy()))
        return numbers, readable & completions.ended.numpy()

    def texts(self, completions: Completions) -> list[str]:
        """The text of each completion, without its end."""
        names = ["" if token in (PAD, END) else token for token in self.tokenizer.id_to_token]
        return ["".join([names[token] for token in row]) for row in completions.tokens.tolist()]

    def complete(
        self,
        text: str,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        seed: int | None = None,
        timeout: float | None = None,
    ) -> str:
        """Continue any text, as written: no notation is applied, and no answer read. Returns the continuation, as far
        as it was written in `timeout` seconds.

        Raises:
            TokenError: a character that the model has no token for.
            UnsupportedProblem: the text is empty, or leaves no position to write in.
            CalcGPTError: the model's probabilities are not finite.
        """
        if self.notation.work == "columns":
            raise UnsupportedProblem("this model's positions are those of a problem's columns: ask it a problem")
        ids = self.tokenizer.encode(text)
        limit = self.model.config.max_length
        if not 0 < len(ids) < limit:
            raise UnsupportedProblem(f"expected a text of 1 to {limit - 1} tokens, not {len(ids)}")
        if max_new_tokens is not None and max_new_tokens < 1:
            raise UnsupportedProblem(f"max_new_tokens must be at least 1, not {max_new_tokens}")
        prompt, length = torch.tensor([ids], device="cpu"), torch.tensor([len(ids)], device="cpu")
        completions = decode(self.model, prompt, length, max_new_tokens, temperature, seed, watch=Watch(timeout))
        if bool(completions.log_probabilities.isnan().any()):
            raise CalcGPTError(NOT_FINITE)
        return self.texts(completions)[0]

    def in_distribution(self, problems: Problems) -> list[bool]:
        """For each problem whether training could have asked it."""
        inside = np.zeros(len(problems), bool)
        for task in self.tasks:
            inside |= task.contains(problems)
        return list(inside.tolist())

    def refusals(self, problems: Problems) -> list[str | None]:
        """For each problem why the model cannot be asked it, or None."""
        reasons = self.notation.unsupported(problems)
        self._refuse_huge(reasons, problems)
        possible = [place for place, reason in enumerate(reasons) if reason is None]
        if not possible:
            return reasons
        kept = problems if len(possible) == len(problems) else problems[possible]
        written = self.notation.write_prompts(kept)
        unknown = unknown_characters(self.tokenizer, written)
        for place, missing in zip(possible, unknown, strict=True):
            if missing:
                reasons[place] = f"this model has no token for {missing[0]!r}: it was trained on {self._trained_on()}"
        limit = self.model.config.max_length
        if int(written.lengths.max()) >= limit:
            self._refuse_long(reasons, possible, written)
        return reasons

    def _refuse_huge(self, reasons: list[str | None], problems: Problems) -> None:
        """Refuse operands that cannot fit, before a batch is written that is as wide as the longest of them."""
        if problems.operands.dtype != object:
            return
        first, second = (digit_counts(problems.operands[:, side]) for side in (0, 1))
        a_token = 1 if self.tokenizer.mode == "char" else 2  # digits that one holds at most
        limit = self.model.config.max_length
        too_long = (first + second > _WIDE) & (first // a_token + second // a_token >= limit)
        for place in np.flatnonzero(too_long).tolist():
            if reasons[place] is None:
                reasons[place] = (
                    f"this model has {limit} positions, and the problem {int(first[place] + second[place]):,} digits: "
                    "more digits than the model has places"
                )

    def _refuse_long(self, reasons: list[str | None], places: list[int], written: Written) -> None:
        """Refuse the prompts that leave no position for an answer."""
        limit = self.model.config.max_length
        for row in (written.lengths >= limit).nonzero()[0].tolist():
            if reasons[places[row]] is None:
                text = Written(written.characters[[row]], written.lengths[[row]])
                try:
                    length = int(encode_written(self.tokenizer, text)[1][0])
                except TokenError as error:
                    reasons[places[row]] = str(error)
                    continue
                if length >= limit:
                    reasons[places[row]] = (
                        f"this model has {limit} positions, and the problem alone takes {length}: it has more digits "
                        "than the model has places"
                    )

    def _trained_on(self) -> str:
        symbols = dict.fromkeys(symbol for task in self.tasks for symbol in task.operations)
        return " ".join(symbols) or "text without arithmetic"

    def _read(self, texts: Sequence[str]) -> tuple[Problems, list[str | None]]:
        """The problems that can be asked, and for every text why it is refused, or None."""
        reasons: list[str | None] = [None] * len(texts)
        try:
            problems = from_expressions(texts)
        except (DataError, UnsupportedProblem):
            for place, text in enumerate(texts):
                try:
                    parse_expression(text)
                except (DataError, UnsupportedProblem) as error:
                    reasons[place] = str(error)
            problems = from_expressions([text for text, reason in zip(texts, reasons, strict=True) if reason is None])
        asked = [place for place, reason in enumerate(reasons) if reason is None]
        refusals = self.refusals(problems)
        for place, reason in zip(asked, refusals, strict=True):
            reasons[place] = reason
        keep = [row for row, reason in enumerate(refusals) if reason is None]
        return (problems if len(keep) == len(problems) else problems[keep]), reasons

    def _results(self, problems: Problems, completions: Completions, token_details: bool) -> list[dict[str, Any]]:
        texts = self.texts(completions)
        confidences = completions.log_probabilities.sum(1).exp().tolist()
        values, readable = self.read_answers(completions)
        pairs = zip(values.tolist(), readable.tolist(), strict=True)
        answers = [format_integer(value) if good else None for value, good in pairs]
        correct = readable & (values == problems.solutions()).astype(bool)
        rows = zip(
            problems.expressions(),
            answers,
            correct.tolist(),
            confidences,
            self.in_distribution(problems),
            texts,
            strict=True,
        )
        results = [
            {
                "problem": problem,
                "answer": answer,
                "is_correct": right,
                "confidence": confidence,
                "in_distribution": inside,
                "inference_time": 0.0,
                "full_result": f"{problem}={text if answer is None else answer}",
                "completion": text,
                "error": None,
            }
            for problem, answer, right, confidence, inside, text in rows
        ]
        if token_details:
            for row, result in enumerate(results):
                result["tokens"] = self.token_details(completions, row)
        return results

    def token_details(self, completions: Completions, row: int) -> list[dict[str, Any]]:
        """Each token written, the end among them, and its probability."""
        tokens = completions.tokens[row, : int(completions.lengths[row])].tolist()
        if completions.ended[row]:
            tokens.append(self.tokenizer.end_id)
        probabilities = completions.log_probabilities[row, : len(tokens)].exp().nan_to_num().tolist()
        names = self.tokenizer.id_to_token
        return [
            {"token": names[token], "probability": probability}
            for token, probability in zip(tokens, probabilities, strict=True)
        ]
