"""`calcgpt explain`: a digit's probability, rivals and attention, a page, JSON, and probes."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from calcgpt.cli.explain import _probe_tables
from calcgpt.cli.explain_options import read
from calcgpt.cli.main import main
from calcgpt.errors import ConfigError
from calcgpt.evaluation.explain import explain
from calcgpt.inference.solver import CalcGPT

Output = pytest.CaptureFixture[str]


def test_each_digit_of_the_answer_with_its_rivals_and_heads(capsys: Output) -> None:
    assert main(["explain", "calculator", "478+256"]) == 0
    caught = capsys.readouterr()
    shown = caught.out.splitlines()
    assert caught.err == "" and max(map(len, shown)) <= 80
    assert shown[0].startswith("478+256 = 734   right, confidence ")
    assert shown[1:3] == ["reads  + 4 7 8 + + 2 5 6 =", "writes + 4 3 7 0 + 4 3 7 0 <eos>"]
    heads = [line.split("  ")[:2] for line in shown if "rivals: " in line]
    assert heads == [
        ["+", "the sign of the answer"],
        ["4", "units"],
        ["3", "tens"],
        ["7", "hundreds"],
        ["0", "thousands"],
    ]
    explanation = explain(CalcGPT("calculator", device="cpu"), "478+256")
    (seen, weight), *_ = explanation.attended(explanation.answer_tokens[1], 0, 4, 1)
    token = explanation.tokens[seen]
    line = [line for line in shown if line.startswith("  layer 1 head 5")][1]
    assert f"{token.text} {token.meaning} {weight:.0%}" in line


def test_all_shows_the_work_as_well(capsys: Output) -> None:
    assert main(["explain", "calculator", "12*3", "--top", "1"]) == 0
    some = capsys.readouterr().out.count("rivals: ")
    assert main(["explain", "calculator", "12*3", "--top", "1", "--all"]) == 0
    assert some == 1 + 3 < capsys.readouterr().out.count("rivals: ") == 9


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
    assert max(map(len, shown.splitlines())) <= 80
    words = " ".join(shown.split())
    assert "The borrow into every column is first readable after layer 1, at the token that writes the column" in words
    assert "No borrow is readable at the =" in words and "│ tens " in shown
    assert "┃ shuffled ┃ untrained ┃ majority ┃" in shown and "in an untrained network" in words
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
    Console(width=80, file=page).print(*_probe_tables(names, rows, "where"))
    shown = page.getvalue()
    assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown
    for layer, name in enumerate(names):
        assert shown.count(f" {name} ") == 1 and shown.count(f" {(layer + 1) / 1000:.1%} ") == 2
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
