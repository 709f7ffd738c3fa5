"""`calcgpt solve`: from arguments, a file, standard input or a prompt."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from calcgpt.cli import solve
from calcgpt.cli.main import main
from calcgpt.cli.solve import in_words, styled
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
    assert _solve(tiny_model, "-3+4", "--json", "3+4", "-(3)+4", "--seed", "1", "(-3)+4") == 2
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
            "12+34 = 46                right, confidence 50.00%\n    4 75.00%  <eos> 100%",
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


# Pipes


@pytest.fixture
def talking(tiny_model: Path) -> Any:
    """Starts the command with pipes at both ends, which stay open."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "calcgpt", "solve", "-m", str(tiny_model), "--device", "cpu", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(line, text=True, env=environment, **pipes))  # type: ignore[call-overload]
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_slow_pipe_is_answered_line_by_line(talking: Any, solver: CalcGPT) -> None:
    process = talking()
    for problem in ("3+4", "5-2", "9+9"):
        process.stdin.write(f"{problem}\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(f"{problem} = {solver.solve(problem)['answer']} ")
    rest, errors = process.communicate()
    assert (rest, errors, process.returncode) == ("", "", 0)


def test_a_fifo_is_answered_line_by_line(talking: Any, own_folder: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs here")
    os.mkfifo("problems")
    process = talking("-f", str(own_folder / "problems"))
    with open("problems", "w", buffering=1) as pipe:
        for problem in ("3+4", "5-2"):
            pipe.write(f"{problem}\n")
            assert process.stdout.readline().startswith(f"{problem} = ")
    assert process.wait(60) == 0


def test_what_comes_fast_is_asked_together(tiny_model: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    batch = CalcGPT.solve_batch

    def counted(solver: CalcGPT, problems: list[str], *options: Any, **more: Any) -> Any:
        sizes.append(len(problems))
        return batch(solver, problems, *options, **more)

    monkeypatch.setattr(CalcGPT, "solve_batch", counted)
    monkeypatch.setattr("sys.stdin", io.StringIO("3+4\n" * 5000))
    assert _solve(tiny_model, "--json") == 0
    assert sum(sizes) == 5000 and len(sizes) <= 2 and capsys.readouterr().out.count("\n") == 5000


# Numbers that cannot be, and limits


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--seed 99999999999999999999 --temperature 1", "--seed must be "),
        ("--seed -1", "--seed must be "),  # its value, not a problem
        ("--seed 9223372036854775808", "--seed must be "),
        ("--temperature nan", "--temperature must be a finite number of 0 or more, not nan"),
        ("--temperature inf", "--temperature must be a finite number of 0 or more, not inf"),
        ("--temperature=-1", "--temperature must be a finite number of 0 or more, not -1.0"),
        ("--max-tokens 0", "--max-tokens must be at least 1, not 0"),
        ("--timeout 0", "--timeout must be a number of seconds above 0"),
        ("--timeout nan", "--timeout must be a number of seconds above 0"),
    ],
)
def test_numbers_that_cannot_be_are_one_line(tiny_model: Path, capsys: Output, arguments: str, expected: str) -> None:
    assert _solve(tiny_model, "3+4", *arguments.split()) == 2
    caught = capsys.readouterr()
    assert caught.out == "" and caught.err.startswith(f"calcgpt: {expected}") and caught.err.count("\n") == 1


@pytest.mark.parametrize("temperature", ["1e-38", "1e-320", "1e39", "1e300"])
def test_extreme_temperatures_are_their_limits(tiny_model: Path, capsys: Output, temperature: str) -> None:
    most = ("--seed", str(2**63 - 1))
    assert _solve(tiny_model, *["3+4"] * 30, "--temperature", temperature, *most, "--json") == 0
    drawn = [json.loads(line)["completion"] for line in capsys.readouterr().out.splitlines()]
    assert _solve(tiny_model, "3+4", "--json") == 0
    greedy = json.loads(capsys.readouterr().out)["completion"]
    assert set(drawn) == {greedy} if temperature.startswith("1e-") else len(set(drawn)) > 10


def test_draws_do_not_depend_on_how_lines_come(
    tiny_model: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    for size in (1, 7, 1000):
        monkeypatch.setattr(solve, "_BLOCK", size)
        monkeypatch.setattr("sys.stdin", io.StringIO("7-9\n" * 20))
        assert _solve(tiny_model, "--temperature", "3", "--seed", "5", "--json") == 0
        drawn.append([json.loads(line)["completion"] for line in capsys.readouterr().out.splitlines()])
    assert drawn[0] == drawn[1] == drawn[2]


def test_limits_cut_off(tiny_model: Path, capsys: Output) -> None:
    assert _solve(tiny_model, "3+4", "--max-tokens", "1") == 2
    assert capsys.readouterr().out == "3+4  cut off: no end after 1 tokens (max_tokens)\n"
    assert _solve(tiny_model, "3+4", "--timeout", "1e-9", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"].startswith("cut off: ")
    assert _solve(tiny_model, "3+4", "--timeout", "100", "--max-tokens", "100") == 0


def test_a_diverged_model_is_one_line(tiny_model: Path, own_folder: Path, capsys: Output) -> None:
    from calcgpt.model.store import read_model, write_model

    stored = read_model(tiny_model)
    state = {name: value * float("nan") for name, value in stored.state().items()}
    write_model(own_folder / "nan", state, stored.config, stored.tokenizer, stored.run)
    assert _solve(own_folder / "nan", "3+4", "--json") == 2
    caught = capsys.readouterr()
    assert caught.out == "" and "weights are not finite" in caught.err and caught.err.count("\n") == 1


def test_what_takes_long_says_how_long(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "_PATIENCE", 1e-6)
    assert main(["solve", "-m", "calculator", "--device", "cpu", "777777777777*333333333333"]) == 0
    line = capsys.readouterr().err.splitlines()[0]
    assert re.fullmatch(r"tokens written: [\d,]+ of 326, .* left", line)


# Colours and long lines


def test_right_wrong_and_refused_have_their_colours_in_a_terminal(
    tiny_model: Path, in_terminal: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, screen = in_terminal("solve", "-m", str(tiny_model), "3+4", "12+3")
    assert code == 2 and "\x1b[33mrefused: " in screen
    verdict = "\x1b[32mright" if "right" in screen else "\x1b[31mwrong"
    assert verdict in screen
    words = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", screen).split())
    assert "this model was trained on" in words or "digits" in words
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in screen.splitlines()) <= 80
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in in_terminal("solve", "-m", str(tiny_model), "3+4", "12+3")[1]


def test_lines_elsewhere_are_plain_and_whole(tiny_model: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert _solve(tiny_model, "12+3") == 2
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1 and "\x1b" not in shown and len(shown) > 60


def test_the_wrong_digits_are_marked() -> None:
    text = styled(_answer(answer="146", is_correct=False, problem="12+34"))
    assert [text.plain[span.start : span.end] for span in text.spans if span.style == "bold red"] == ["1"]
    text = styled(_answer(answer="36", is_correct=False))
    assert [text.plain[span.start : span.end] for span in text.spans if span.style == "bold red"] == ["3"]


def test_probabilities_are_rounded_in_one_way() -> None:
    tokens = [{"token": "4", "probability": 0.999999}, {"token": "6", "probability": 0.000001}]
    line, more = in_words(_answer(confidence=0.999999, tokens=tokens)).splitlines()
    assert line.endswith("confidence >99.99%") and more == "    4 >99.99%  6 <0.01%"


@pytest.mark.parametrize("width", [20, 36, 76])
def test_lines_break_between_words_and_numbers_stay_whole(width: int) -> None:
    text = f"1000+1  refused: this model has places for 3 digits an operand, and {'9' * 100} has more"
    parts = [part.plain for part in solve._broken(Text(text, "yellow"), width)]
    assert " ".join(parts).split() == text.split() and len(parts) > 1
    assert all(len(part) <= width or " " not in part for part in parts)
