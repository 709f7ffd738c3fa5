"""Lines completed from three places: counts against scripted completions, reading against writing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.parsing import parse_example
from calcgpt.arithmetic.problems import Problems, from_expressions
from calcgpt.errors import CalcGPTError, DataError, UnsupportedProblem
from calcgpt.evaluation import language
from calcgpt.evaluation.language import _Form, language_tests
from calcgpt.inference.choosing import Completions, gather
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer

CHARACTERS = "0123456789+-*/%=()"
NOTATIONS = [
    Notation(),
    Notation(reverse=True),
    Notation(answer_width=4),
    Notation(width=2),
    Notation(width=2, answer_width=4, reverse=True),
    Notation(width=2, answer_width=4, interleave=True, reverse=True),
    Notation(width=2, answer_width=4, complement=True),
    Notation(width=2, answer_width=4, interleave=True, reverse=True, complement=True),
]


def solver_of(
    notation: Notation | None = None, mode: str = "char", characters: str = CHARACTERS, length: int = 24, **config: Any
) -> CalcGPT:
    """A model with lively random weights."""
    tokenizer = Tokenizer.build([characters], mode)
    sizes = {"embedding_dim": 16, "num_layers": 2, "num_heads": 2, "feedforward_dim": 32}
    torch.manual_seed(0)
    model = GPT(GPTConfig(len(tokenizer), length, positions=config.pop("positions", Positions()), **sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
    return CalcGPT.from_parts(model, tokenizer, {"config": {"notation": vars(notation or Notation()), **config}})


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Has completions come from a function of the text given: a `!` at their end is the model's own end."""

    def start(solver: CalcGPT, write: Callable[[str], str]) -> list[str]:
        asked: list[str] = []

        def decode(model: GPT, prompts: torch.Tensor, lengths: torch.Tensor) -> Completions:
            texts = [solver.tokenizer.decode(row[:length]) for row, length in zip(prompts, lengths, strict=True)]
            asked.extend(texts)
            end, pad = solver.tokenizer.end_id, solver.tokenizer.pad_id
            rows = [
                solver.tokenizer.encode(text.rstrip("!")) + [end] * text.endswith("!") for text in map(write, texts)
            ]
            ids = torch.full((len(rows), max(map(len, rows)) + 1), pad)
            for row, written in enumerate(rows):
                ids[row, : len(written)] = torch.tensor(written)
            return gather(ids, torch.zeros(ids.shape), pad, end)

        monkeypatch.setattr(language, "decode", decode)
        return asked

    return start


# What is counted


def counts(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in ("well_formed", "complete", "right", "exact", "refused"))


LINES = ["12+34=46", "12+35=47", "7-45=-38", "3*(-4)=-12", "0-0=0"]


def test_the_counts_of_a_script(script: Callable[..., list[str]]) -> None:
    completions = {
        "12": "+35=47!",  # two lines begin so, and it is one of them
        "7": "1-1=70!",  # another operand: 71-1
        "3": "=3!",
        "0": "-0=0",  # without an end
        "12+34": "=46!",
        "12+35": "=48!",
        "7-45": "0=-443!",
        "3*(-4)": "-12!",
        "0-0": "=00!",
        "12+34=": "46!",
        "12+35=": "+47!",
        "7-45=": "-38!",
        "3*(-4)=": "-12",
        "0-0=": "-0!",
    }
    solver = solver_of(loss_on="all")
    asked = script(solver, completions.__getitem__)
    rows = language_tests(solver, LINES)
    assert [row["test"] for row in rows] == ["operand", "expression", "prompt"]
    assert [counts(row) for row in rows] == [(4, 4, 4, 2, 0), (3, 5, 2, 1, 0), (3, 4, 3, 3, 0)]
    assert all(row["problems"] == 5 and row["trained"] and row["reason"] is None for row in rows)
    assert asked == list(completions), "each text is completed once"
    assert rows[0]["examples"][1:3] == [
        {"given": "12", "completion": "+35=47", "line": "12+35=47"},
        {"given": "7", "completion": "1-1=70", "line": "7-45=-38"},
    ]


def test_wrong_lines_are_lines_too(script: Callable[..., list[str]]) -> None:
    solver = solver_of()
    script(solver, {"1": "+1=3!", "1+1": "=3!", "1+1=": "3!"}.__getitem__)
    rows = language_tests(solver, ["1+1=3"])
    assert [counts(row) for row in rows] == [(1, 1, 0, 1, 0)] * 3
    assert [row["trained"] for row in rows] == [False, False, True], "the loss of a run is on answers by default"


def test_a_completion_may_be_no_line_at_all(script: Callable[..., list[str]]) -> None:
    solver = solver_of(Notation(width=2, answer_width=4), loss_on="all")
    script(solver, lambda text: "!")
    assert [counts(row)[:4] for row in language_tests(solver, ["12+34=46"])] == [(0, 1, 0, 0)] * 3
    script(solver, lambda text: {6: "+0046!", 5: "=+0046!", 2: "//00=+0001!"}[len(text)])
    rows = language_tests(solver, ["12+34=46"])
    assert [counts(row)[:4] for row in rows] == [(0, 1, 0, 0), (1, 1, 1, 1), (1, 1, 1, 1)], "12//0 is not defined"


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("mode", ["char", "number"])
def test_a_perfect_model(script: Callable[..., list[str]], notation: Notation, mode: str) -> None:
    expressions = [f"{a}{symbol}{b}" for a in (0, 7, 38, 99) for b in (5, 10, 99) for symbol in "+-*/%"]
    problems = from_expressions([text.replace("/", "//") for text in expressions])
    prompts = notation.write_prompts(problems).texts()
    answers = notation.write_answers(problems, problems.solutions()).texts()
    written = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    solver = solver_of(notation, mode)
    asked = script(solver, lambda text: next(line for line in written if line.startswith(text))[len(text) :] + "!")
    rows = language_tests(solver, problems.examples())
    first, *rest = [counts(row) for row in rows]
    assert rest == [(60, 60, 60, 60, 0)] * 2
    if notation.interleave:
        assert first == (0, 0, 0, 0, 60) and "both operands in turn" in rows[0]["reason"]
    else:
        assert first[:3] == (60, 60, 60) and 0 < first[3] < 60
        assert asked[: 4 * bool(notation.width)] == ["00", "07", "38", "99"][: 4 * bool(notation.width)]
    assert asked[-60:] == prompts and asked[-120:-60] == [prompt[:-1] for prompt in prompts]


def test_parts_of_a_file_add_up(script: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{a}+{b}={a + b}" for a in range(9) for b in range(9)]
    lines[30], lines[50] = "1*1=1", "1%1=0"
    solver = solver_of(characters="0123456789+-=", length=12)
    whole = language_tests(solver, lines)
    monkeypatch.setattr(language, "_BLOCK", 7)
    calls: list[tuple[int, int]] = []
    assert language_tests(solver, lines, lambda done, total: calls.append((done, total))) == whole
    assert all(row["refused"] == 2 and "no token for '*'" in row["reason"] for row in whole), "the first of them"
    assert calls[-1] == (243, 243) and calls == sorted(calls) and len(calls) == 3 * 12
    assert [example["line"] for example in whole[0]["examples"]] == [lines[place] for place in (0, 20, 40, 60, 80)]
    assert language_tests(solver, [])[0]["problems"] == 0


@pytest.mark.parametrize("mode", ["char", "number"])
@pytest.mark.parametrize("positions", [Positions(), Positions(encoding="rotary")])
def test_completions_are_those_of_the_solver(mode: str, positions: Positions) -> None:
    solver = solver_of(mode=mode, positions=positions, length=14)
    lines = ["12+34=46", "123-45=78", "7*8=56", "100+99=199", "1+1=2"]
    for row in language_tests(solver, lines):
        assert [example["line"] for example in row["examples"]] == lines
        for example in row["examples"]:
            assert example["completion"] == solver.complete(example["given"])


# Reading is writing, the other way round


OPERANDS = st.integers(0, 99)
EXAMPLES = st.tuples(st.sampled_from(["+", "-", "*", "//", "%"]), OPERANDS, st.integers(1, 99), st.integers(-50, 9999))


def write(notation: Notation, symbol: str, a: int, b: int, answer: int) -> str:
    problem = Problems((symbol,), np.zeros(1, np.uint8), np.array([[a, b]]))
    return notation.write_prompts(problem).texts()[0] + notation.write_answers(problem, np.array([answer])).texts()[0]


def fits(notation: Notation, symbol: str, answer: int) -> bool:
    """A complement writes differences of its width only, and nothing else below zero."""
    return not notation.complement or (-100 < answer < 100 if symbol == "-" else answer >= 0)


@pytest.mark.parametrize("notation", NOTATIONS)
@settings(deadline=None, max_examples=60)
@given(example=EXAMPLES, data=st.data())
def test_what_is_read_is_what_was_written(
    notation: Notation, example: tuple[str, int, int, int], data: st.DataObject
) -> None:
    symbol, a, b, answer = example
    if not fits(notation, symbol, answer):
        return
    text = write(notation, *example)
    assert _Form(notation).read(text) == f"{a}{symbol}{b}={answer}"
    place = data.draw(st.integers(0, len(text)))
    other = text[:place] + data.draw(st.sampled_from(["", *CHARACTERS])) + text[place + data.draw(st.integers(0, 1)) :]
    try:
        found = parse_example(_Form(notation).read(other))
    except CalcGPTError:
        return  # no example in this notation
    if notation.complement and "-" in other.partition("=")[2]:
        return  # whose work is not looked at
    assert write(notation, *found) == other, "an example has one way to be written"


@pytest.mark.parametrize(
    ("notation", "text"),
    [
        (Notation(width=2), "1+34=35"),
        (Notation(width=2), "012+34=46"),
        (Notation(width=2), "12+34=046"),
        (Notation(reverse=True), "12+34=640"),
        (Notation(answer_width=3), "12+34=46"),
        (Notation(answer_width=3), "12+34=+46"),
        (Notation(answer_width=3), "12-12=-000"),
        (Notation(width=2, answer_width=3, complement=True), "12-12=00-00"),
        (Notation(width=2, answer_width=3, complement=True), "12-12=000"),
        (Notation(width=2, answer_width=3, complement=True), "12-13=9-01"),
        (Notation(width=2, answer_width=3, interleave=True), "12+34=+046"),
        (Notation(width=2, answer_width=3, interleave=True), "+134=+046"),
        (Notation(), "12+34=46=46"),
        (Notation(width=2), "12+34"),
    ],
)
def test_what_is_no_line_of_a_notation(notation: Notation, text: str) -> None:
    with pytest.raises(CalcGPTError):
        parse_example(_Form(notation).read(text))


def test_work_is_not_looked_at() -> None:
    form = _Form(Notation(width=2, answer_width=3, complement=True))
    assert form.read("07-45=62-38") == form.read("07-45=00-38") == "7-45=-38"


# What cannot be asked


def test_a_model_that_writes_columns_refuses() -> None:
    with pytest.raises(UnsupportedProblem, match="no plain text to go on from"):
        language_tests(solver_of(Notation(work="columns")), LINES)


def test_lines_that_the_model_cannot_be_asked() -> None:
    lines = ["1+1=2", "1*1=1", "1+1=2", "123456789012+345678901234=469135690246", "1-1=0"]
    rows = language_tests(solver_of(characters="0123456789+-=", length=16), lines)
    for row in rows:
        assert (row["problems"], row["refused"]) == (5, 2) and "no token for '*'" in row["reason"]
        assert [example["line"] for example in row["examples"]] == ["1+1=2", "1+1=2", "1-1=0"]
    padded = language_tests(
        solver_of(Notation(width=2, answer_width=3)), ["100+1=101", "1+1=2", f"{10**30}+1={10**30}"]
    )
    assert [row["refused"] for row in padded] == [2, 2, 2] and "places for 2 digits" in padded[0]["reason"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("12+34", "no '='"),
        ("", "an empty line"),
        ("5//0=0", "not defined"),
        ("012+1=13", "not canonical"),
        ("a", "'a'"),
    ],
)
def test_a_line_that_is_no_example_is_named(line: str, told: str) -> None:
    with pytest.raises(DataError, match=r"^line 3: .*") as error:
        language_tests(solver_of(Notation()), ["1+1=2", "1+1=3", line, "2+2=4", "?"])
    assert told in str(error.value) and "\n" not in str(error.value)


def test_what_was_trained() -> None:
    assert [row["trained"] for row in language_tests(solver_of(loss_on="answer"), LINES)] == [False, False, True]
    assert [row["trained"] for row in language_tests(solver_of(loss_on="all"), LINES)] == [True, True, True]
