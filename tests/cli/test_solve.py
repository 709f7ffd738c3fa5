"""`calcgpt solve`: from arguments, a file, standard input or a prompt."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcgpt.cli import solve
from calcgpt.cli.main import main
from calcgpt.cli.solve import in_words
from calcgpt.cli.solve_options import read
from calcgpt.errors import ConfigError
from calcgpt.inference.solver import CalcGPT

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def solver(tiny_model: Path) -> CalcGPT:
    return CalcGPT(tiny_model, device="cpu")


def _solve(model: Path, *arguments: str) -> int:
    return main(["solve", "-m", str(model), "--device", "cpu", *arguments])


def test_each_problem_is_a_line(tiny_model: Path, solver: CalcGPT, capsys: Output) -> None:
    assert _solve(tiny_model, "3+4", "9 - 2 =") == 0
    shown = capsys.readouterr().out.splitlines()
    for line, problem in zip(shown, ("3+4", "9-2"), strict=True):
        answer = solver.solve(problem)
        assert line.startswith(f"{problem} = {answer['answer']} ") and f"{answer['confidence']:.2%}" in line


def test_a_problem_may_be_negative_and_stand_anywhere(tiny_model: Path, capsys: Output) -> None:
    assert _solve(tiny_model, "-3+4", "--json", "3+4", "-(3)+4", "--seed", "-1", "(-3)+4") == 2
    asked = [json.loads(line)["problem"] for line in capsys.readouterr().out.splitlines()]
    assert asked[:2] == ["-3+4", "-(3)+4"] or sorted(asked) == sorted(["-3+4", "3+4", "-(3)+4", "(-3)+4"])


@pytest.mark.parametrize(
    "arguments",
    ["-3+4 5+6", "5+6 -3+4", "--seed 4 -3+4 5+6", "-3+4 --seed 4 5+6", "-3+4 5+6 --json", "--json -3+4 5+6"],
)
def test_problems_are_told_from_flags(arguments: str) -> None:
    assert sorted(read(arguments.split()).problems) == ["-3+4", "5+6"]


def test_what_is_refused_says_why_and_the_others_are_answered(tiny_model: Path, capsys: Output) -> None:
    assert _solve(tiny_model, "3+4", "12+3", "hello", "3^4", "3/0", "5-2") == 2
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("  refused: ")[0] for line in shown[1:5]] == ["12+3", "hello", "3^4", "3/0"]
    assert "1 digits an operand" in shown[1] and all("confidence" in shown[place] for place in (0, 5))


def test_json_is_what_the_library_says(tiny_model: Path, solver: CalcGPT, capsys: Output) -> None:
    assert _solve(tiny_model, "3+4", "x", "--json", "--tokens") == 2
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    expected = solver.solve("3+4", token_details=True)
    same = [name for name in expected if name not in ("inference_time", "confidence", "tokens")]
    assert {name: first[name] for name in same} == {name: expected[name] for name in same}
    assert [token["token"] for token in first["tokens"]] == [token["token"] for token in expected["tokens"]]
    assert second["error"] and second["answer"] is None


def test_a_file_in_blocks(tiny_model: Path, own_folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "_BLOCK", 7)
    lines = [f"{a}+{b}" for a in range(10) for b in range(10)]
    (own_folder / "problems.txt").write_text("\ufeff" + "\n".join(lines) + "\n\n", encoding="utf-8")
    assert _solve(tiny_model, "-f", "problems.txt", "--json") == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["problem"] for answer in answers] == lines


def test_standard_input(tiny_model: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in ((), ("-f", "-")):
        monkeypatch.setattr("sys.stdin", io.StringIO("3+4\n\n 5-2 \n"))
        assert _solve(tiny_model, *arguments, "--json") == 0
        assert [json.loads(line)["problem"] for line in capsys.readouterr().out.splitlines()] == ["3+4", "5-2"]


def test_bytes_that_are_no_text_are_refused_alone(
    tiny_model: Path, own_folder: Path, command: Callable[..., Any]
) -> None:
    (own_folder / "problems.txt").write_bytes(b"3+4\n\xff\xfe+1\n5-2\n")
    shown = []
    for arguments, options in ((("-f", "problems.txt"), {}), ((), {"stdin": open("problems.txt", "rb")})):  # noqa: SIM115
        done = command("solve", "-m", str(tiny_model), *arguments, **options)
        assert done.returncode == 2 and done.stderr == ""
        shown.append(done.stdout)
    assert shown[0] == shown[1] and ["refused" in line for line in shown[0].splitlines()] == [False, True, False]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-f", "nothing.txt"], "No such file or directory: nothing.txt"),
        (["-f", "."], "directory"),
        (["3+4", "-f", "x.txt"], "expected problems or --file x.txt, one of the two"),
        (["3+4", "--temprature", "1"], "did you mean --temperature?"),
        (["3+4", "--temperature", "warm"], "--temperature must be a number, not 'warm'"),
        (["3+4", "--device", "tpu"], "unknown device 'tpu'"),
    ],
)
def test_what_cannot_work_is_one_line(tiny_model: Path, capsys: Output, arguments: list[str], expected: str) -> None:
    assert main(["solve", "-m", str(tiny_model), *arguments]) == 2
    caught = capsys.readouterr()
    assert caught.out == "" and caught.err.startswith("calcgpt: ") and expected in caught.err
    assert caught.err.count("\n") == 1


def test_without_a_model_the_one_that_ships_answers(own_folder: Path, capsys: Output) -> None:
    assert main(["solve", "123*456"]) == 0
    shown = capsys.readouterr()
    assert "56088" in shown.out and "calculator, which comes with CalcGPT" in shown.err


def test_draws_repeat_with_their_seed(tiny_model: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "_BLOCK", 20)
    drawn = []
    for _ in range(2):
        assert _solve(tiny_model, *["7-9"] * 40, "--temperature", "3", "--seed", "5", "--json") == 0
        drawn.append([json.loads(line)["completion"] for line in capsys.readouterr().out.splitlines()])
    assert drawn[0] == drawn[1] and drawn[0][:20] != drawn[0][20:]


def test_a_prompt_in_a_terminal(tiny_model: Path, in_terminal: Callable[..., tuple[int, str]]) -> None:
    code, screen = in_terminal("solve", "-m", str(tiny_model), typed=("3+4\n", "hello\n", "5-2\n", "\n"))
    assert code == 0
    answers = [line for line in screen.splitlines() if " = " in line or "refused" in line]
    assert ["refused" in line for line in answers] == [False, True, False]
    assert in_terminal("solve", "-m", str(tiny_model), typed=("\x04",))[0] == 0


def _answer(**changes: Any) -> dict[str, Any]:
    answer = {"problem": "12+34", "answer": "46", "is_correct": True, "confidence": 0.5, "in_distribution": True}
    return {**answer, "completion": "+46", "error": None, **changes}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "12+34 = 46                right, confidence 50.00%"),
        ({"answer": "47", "is_correct": False}, "12+34 = 47                wrong, it is 46, confidence 50.00%"),
        ({"in_distribution": False}, "12+34 = 46                right, confidence 50.00%, out of distribution"),
        (
            {"answer": None, "is_correct": False, "completion": "+4+"},
            "12+34 = ?                 wrong, it is 46 (the model wrote '+4+', which is no number), confidence 50.00%",
        ),
        ({"error": "too long"}, "12+34  refused: too long"),
        (
            {"tokens": [{"token": "4", "probability": 0.75}, {"token": "<eos>", "probability": 1.0}]},
            "12+34 = 46                right, confidence 50.00%\n    4 75.00%  <eos> 100.00%",
        ),
    ],
)
def test_an_answer_in_words(changes: dict[str, Any], expected: str) -> None:
    assert in_words(_answer(**changes)) == expected


def test_the_solution_of_a_very_long_problem() -> None:
    problem = f"{'9' * 5000}+1"
    assert f"it is 1{'0' * 5000}," in in_words(_answer(problem=problem, answer="0", is_correct=False))


def test_problems_and_a_file_contradict_each_other() -> None:
    with pytest.raises(ConfigError):
        read(["3+4", "--file", "x"])
