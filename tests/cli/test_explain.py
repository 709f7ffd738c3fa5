"""`calcgpt explain`: a digit's probability, rivals and attention, a page, JSON, and probes."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from calcgpt.cli.explain import _probe_tables
from calcgpt.cli.explain_options import read
from calcgpt.cli.main import main
from calcgpt.cli.tables import show_table
from calcgpt.errors import ConfigError
from calcgpt.evaluation.explain import explain
from calcgpt.inference.solver import CalcGPT
from calcgpt.runtime.figures import percent_text

Output = pytest.CaptureFixture[str]


def test_each_digit_of_the_answer_with_its_rivals_and_heads(capsys: Output) -> None:
    assert main(["explain", "calculator", "478+256"]) == 0
    caught = capsys.readouterr()
    shown = caught.out.splitlines()
    assert caught.err == "" and max(map(len, shown)) <= 80
    assert shown[0].startswith("478+256 = 734   right, confidence ")
    assert shown[1:3] == ["reads  + 4 7 8 + + 2 5 6 =", "writes + 4 3 7 0 + 4 3 7 0 <eos>"]
    rows = [re.split(r" {2,}", line.strip()) for line in shown]
    at = rows.index(["token", "meaning", "probability", "rivals"])
    assert [row[:2] for row in rows[at + 1 : at + 6]] == [
        ["+", "the sign of the answer"],
        ["4", "units"],
        ["3", "tens"],
        ["7", "hundreds"],
        ["0", "thousands"],
    ]
    explanation = explain(CalcGPT("calculator", device="cpu"), "478+256")
    (seen, weight), *_ = explanation.attended(explanation.answer_tokens[1], 0, 4, 1)
    token = explanation.tokens[seen]
    at = next(index for index, row in enumerate(rows) if row[0] == "head")
    assert rows[at][1:3] == ["+ #16", "4 units"]
    (line,) = [row for row in rows[at : at + 30] if row[0] == "layer 1 head 5" and len(row) > 3]
    assert line[2] == f"#{seen + 1} {token.text} {percent_text(weight, 0)}"
    assert [str(seen + 1), token.text, token.meaning] in rows
    meanings = [row[2] for row in rows if row[0].isdecimal() and len(row) == 3]
    assert len(meanings) == len(set(meanings)) > 10, "once each"


def test_the_wrong_digit_is_marked(monkeypatch: pytest.MonkeyPatch, tiny_model: Path, capsys: Output) -> None:
    solver = CalcGPT(tiny_model, device="cpu")
    every = [f"{a}{symbol}{b}" for a in range(10) for b in range(10) for symbol in "+-"]
    problem = next(
        result["problem"] for result in solver.solve_batch(every) if result["answer"] and not result["is_correct"]
    )
    wrong = [token for token in explain(solver, problem).written if not token.is_right]
    assert wrong and main(["explain", str(tiny_model), problem]) == 0
    lines = capsys.readouterr().out.splitlines()
    writes, marks = lines[2], lines[3]
    assert marks.endswith(" wrong") and marks.count("^") == len(wrong)
    assert [writes[at] for at in range(len(writes)) if marks[at : at + 1] == "^"] == [token.text for token in wrong]
    told = [line for line in lines if "wrong: it is " in line]
    assert [line.split("wrong: it is ")[1][0] for line in told] == [token.expected for token in wrong]
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert main(["explain", str(tiny_model), problem]) == 0
    assert f"\x1b[31m{wrong[0].text}" in capsys.readouterr().out


def test_all_shows_the_work_as_well(capsys: Output) -> None:
    shown = []
    for more in ([], ["--all"]):
        assert main(["explain", "calculator", "12*3", "--top", "1", *more]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 80
        shown.append(sum(re.fullmatch(r".+  .+  +[0-9<>.]+%  .+ [0-9<>.]+%", line) is not None for line in lines))
    assert shown == [1 + 3, 9]


def test_json_is_what_the_library_says(tiny_model: Path, capsys: Output) -> None:
    assert main(["explain", str(tiny_model), "7+5", "--json", "--top", "2", "--device", "cpu"]) == 0
    told = json.loads(capsys.readouterr().out)
    expected = explain(CalcGPT(tiny_model, device="cpu"), "7+5", 2).to_dict()
    assert told.pop("model") == str(tiny_model)
    assert json.dumps(told) == json.dumps(expected)


def test_a_page(own_folder: Path, tiny_model: Path, capsys: Output) -> None:
    (own_folder / "page.html").write_text("old")
    assert main(["explain", str(tiny_model), "7+5", "--html", "page.html"]) == 0
    text = (own_folder / "page.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and "<h1>7+5 = " in text and text.count("<section") == 3
    assert capsys.readouterr().err == "page: page.html\n"
    assert main(["explain", str(tiny_model), "7+5", "--html", "page.html/deeper.html"]) == 2
    caught = capsys.readouterr()
    assert caught.err.count("\n") == 1 and caught.out == "", "told before anything is computed"


def test_without_a_model_it_says_which(capsys: Output) -> None:
    assert main(["explain", "3+4"]) == 0
    caught = capsys.readouterr()
    assert "3+4 = 7" in caught.out and caught.err == "model: calculator, which comes with CalcGPT\n"


def test_carries(capsys: Output) -> None:
    assert main(["explain", "calculator", "--probe", "--count", "300", "--operation", "-"]) == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines() if "  " in line) <= 80, "tables; sentences are not wrapped here"
    words = " ".join(shown.split())
    assert "The borrow into every column is first readable after layer 1, at the token that writes the column" in words
    assert "No borrow is readable at the =" in words and "\ntens " in shown
    assert "shuffled  untrained  majority\n" in shown and "in an untrained network" in words
    assert main(["explain", "--probe", "-m", "calculator", "--count", "300", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == "calculator" and told["operation"] == "+" and told["first"]["column"]["layer"] == 1


@pytest.mark.parametrize("layers", [1, 2, 3, 6])
def test_a_table_of_probes_fits_into_80_columns(layers: int) -> None:
    names = ["embedding", *(f"layer {layer + 1}" for layer in range(layers))]
    rows = [
        {"column": column, "layer": layer, "accuracy": (layer + 1) / 1000, "majority": 1.0}
        | {"shuffled": (layer + 1) / 100, "untrained": (layer + 51) / 100}
        for column in (5, 19)  # hundred thousands, and the longest of the others
        for layer in range(layers + 1)
    ]
    page = StringIO()
    for table in _probe_tables(names, rows, "where"):
        show_table(Console(width=80, file=page, force_terminal=True, color_system=None), table)
    shown = page.getvalue()
    assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown
    for layer, name in enumerate(names):
        assert shown.count(f" {name} ") == 1 and shown.count(f" {(layer + 1) / 1000:.1%}") == 2
    for layer in range(2, layers + 1, 3):  # the highest of each table's layers
        assert shown.count(f" {layer + 1:.1f}% ") == shown.count(f" {layer + 51:.1f}% ") == 2


@pytest.mark.parametrize(
    ("arguments", "model", "problem"),
    [
        ("three-digit 12+34", "three-digit", "12+34"),
        ("12+34 three-digit", "three-digit", "12+34"),
        ("12+34", None, "12+34"),
        ("-3+4 --top 2", None, "-3+4"),
        ("three-digit -3+4 --json", "three-digit", "-3+4"),
        ("-m three-digit 7//3", "three-digit", "7//3"),
        ("2024-10-run 3+4", "2024-10-run", "3+4"),
        ("models/3 3+4", "models/3", "3+4"),
        ("--probe models/3", "models/3", None),
        ("--probe 2024-10-run", "2024-10-run", None),
        ("--probe", None, None),
    ],
)
def test_a_model_is_told_from_a_problem(arguments: str, model: str | None, problem: str | None) -> None:
    options = read(arguments.split())
    assert options.model == model and options.words == ((problem,) if problem else ())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "expected one problem"),
        (["three-digit"], "expected one problem"),
        (["calculator", "3+4", "5+6"], "got 2 problems"),
        (["3+4", "5+6"], "got 2 problems"),
        (["three-digit", "calculator", "5+6"], "got 2 problems"),
        (["nothing", "3+4"], "there is no model 'nothing'"),
        (["calculator", "3^4"], "unknown operator '^'"),
        (["calculator", "hello"], "hello"),
        (["calculator", "1//0"], "1//0 is not defined"),
        (["calculator", "3+4", "--top", "0"], "top must be at least 1"),
        (["calculator", "3+4", "--operation", "+"], "--operation, --count and --seed are for --probe"),
        (["calculator", "3+4", "--count", "500"], "--operation, --count and --seed are for --probe"),
        (["calculator", "3+4", "--seed", "1"], "--operation, --count and --seed are for --probe"),
        (["calculator", "3+4", "--probe"], "--probe draws its own problems"),
        (["calculator", "--probe", "--operation", "*"], "not of '*'"),
        (["calculator", "--probe", "--count", "3"], "at least 160"),
        (["calculator", "3+4", "--tpo", "1"], "--tpo"),
        (["calculator", "3+4", "--device", "tpu"], "unknown device 'tpu'"),
    ],
)
def test_what_cannot_work_is_one_line(capsys: Output, arguments: list[str], expected: str) -> None:
    assert main(["explain", *arguments]) == 2
    caught = capsys.readouterr()
    assert caught.out == "" and caught.err.startswith("calcgpt: ") and expected in caught.err
    assert caught.err.count("\n") == 1


def test_no_problem_is_an_error_of_settings() -> None:
    with pytest.raises(ConfigError):
        read(["--all"])
