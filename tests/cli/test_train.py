"""`calcgpt train`, from the command line to a model folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from calcgpt.cli import train as train_command
from calcgpt.cli.main import main
from calcgpt.cli.train_options import read
from calcgpt.model.folder import read_run
from calcgpt.training.trainer import CalcGPTTrainer

Output = pytest.CaptureFixture[str]
TINY = shlex.split(
    "--task.max-value 9 --notation.width 1 --notation.answer-width 2 --embedding-dim 16 --num-layers 1 --num-heads 2 "
    "--feedforward-dim 16 --batch-size 16 --max-steps 20 --device cpu"
)
_SMALL = shlex.split("-e 1 --embedding-dim 16 --num-heads 2 --num-layers 1 --feedforward-dim 16 --device cpu")


def test_a_run_shows_lines_and_then_its_result(own_folder: Path, capsys: Output) -> None:
    assert main(["train", *TINY, "-o", "models/tiny"]) == 0
    caught = capsys.readouterr()
    assert "20 steps" in caught.err and "step 20" in caught.err
    assert "exact match  " in caught.out and "held-out problems" in caught.out
    assert f"model        {Path('models/tiny')}, " in caught.out
    run = read_run(own_folder / "models" / "tiny")
    assert run["status"] == "finished" and run["config"]["embedding_dim"] == 16


def test_the_command_to_try_next_works(capsys: Output) -> None:
    assert main(["train", *TINY, "-o", "a model"]) == 0
    line = capsys.readouterr().out.splitlines()[-1].removeprefix("now try").strip()
    assert "'a model'" in line
    program, *arguments = shlex.split(line)
    assert program == "calcgpt" and main(arguments) == 0
    assert "confidence" in capsys.readouterr().out


def test_quiet_says_nothing(capsys: Output) -> None:
    assert main(["train", *TINY, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert Path("models/classic/run.json").exists()
    assert main(["train", "--quiet", "-d", "nothing.txt"]) == 2
    assert "nothing.txt" in capsys.readouterr().err


def test_results_as_json(capsys: Output) -> None:
    assert main(["train", *TINY, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert {"training_loss", "exact_match", "model_params", "output_dir"} <= results.keys()
    assert "history" not in results


def test_plain_text(own_folder: Path, capsys: Output) -> None:
    (own_folder / "text.txt").write_text("to be or not to be\nthat is the question\nto suffer\n")
    settings = "--plain-text -e 1 --embedding-dim 16 --num-heads 2 --num-layers 1 --feedforward-dim 16 --device cpu"
    assert main(["train", "-d", "text.txt", "-o", "text", *settings.split()]) == 0
    shown = capsys.readouterr().out
    assert "loss" in shown and "exact match" not in shown and "solve" not in shown


def test_text_with_equals_signs_has_a_result_and_no_problem_to_try(own_folder: Path, capsys: Output) -> None:
    (own_folder / "text.txt").write_text(
        "".join(f"{name}={name[::-1]}\n" for name in ("abc", "acb", "bca", "cab", "dab", "bad"))
    )
    arguments = ["train", "-d", "text.txt", "--plain-text", *_SMALL, "--test-split", "0.4"]
    assert main([*arguments, "-o", "text"]) == 0
    shown = capsys.readouterr().out
    assert "exact match  " in shown and " held-out lines" in shown and "now try" not in shown
    assert main([*arguments, "-o", "seeds", "--seeds", "2"]) == 0
    assert "2 trained, 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize("more", [[], ["--json"], ["--seeds", "1"]])
def test_nothing_held_out_is_nothing_to_show(own_folder: Path, capsys: Output, more: list[str]) -> None:
    (own_folder / "sums.txt").write_text("1+1=2\n1+2=3\n")
    assert main(["train", "-d", "sums.txt", *_SMALL, "--test-split", "0", *more]) == 0
    shown = capsys.readouterr().out
    assert "now try" not in shown and not re.search(r"exact match +\d", shown)


def test_an_evaluation_without_verdicts_is_shown(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """As an override may give."""
    found = {"eval_loss": None, "exact_match": 0.5, "digit_accuracy": None, "verdicts": None}
    monkeypatch.setattr(CalcGPTTrainer, "evaluate", lambda *_: found)
    assert main(["train", *TINY, "-o", "tiny", "--task.min-value", "5"]) == 0
    shown = capsys.readouterr().out
    assert "exact match  50.00%" in shown and "loss  " in shown and "now try" not in shown


def test_weights_that_are_not_finite_are_one_line_and_exit_code_2(own_folder: Path, capsys: Output) -> None:
    spoilt = shlex.split("--max-steps 1 --learning-rate 1e38 --gradient-clip 0 --warmup-steps 0")
    assert main(["train", *TINY, *spoilt, "-o", "tiny"]) == 2
    caught = capsys.readouterr()
    assert "not finite after step 1" in caught.err.splitlines()[-1] and "done" not in caught.err and not caught.out
    assert not (own_folder / "tiny").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "",
            "recipe classic → models/classic: 50 epochs, recorded time 27 min 26 s on one processor core, "
            "beside other work",
        ),
        ("-o x -e 2 --max-steps 9", "recipe classic → x: at most 2 epochs or 9 steps"),
        ("-d mine.txt", "mine.txt → models/mine: 50 epochs"),
        ("--task.max-value 9 --max-seconds 3 --seed 1", "a task of your own → models/classic: 3 s"),
        ("addition", "recipe addition → models/addition: 800 steps, recorded time 6 s to 9 s on two processor cores"),
        (
            "addition --seed 5",
            "recipe addition → models/addition: 800 steps, recorded time 6 s to 9 s on two processor cores",
        ),
    ],
)
def test_a_run_says_first_what_and_how_long(line: str, expected: str) -> None:
    assert train_command.intention(read(line.split())[1]) == expected


def test_a_compiler_that_does_not_work_is_a_line(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no g++")

    monkeypatch.setattr("calcgpt.training.execution._compiled", broken)
    assert main(["train", *TINY, "--compile", "True", "-o", "tiny"]) == 0
    assert "\nruns without torch.compile: no working compiler: no g++\n" in capsys.readouterr().err


def test_the_shipped_file_by_the_documented_script(own_folder: Path, command: Callable[..., object]) -> None:
    script = str(Path(__file__).parents[2] / "calcgpt_train.py")
    done = command("-e", "50", "-b", "8", "--embedding-dim", "128", "--max-steps", "2", python=(script,))
    assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    run = read_run(own_folder / "models" / "classic")
    assert run["config"]["epochs"] == 50 and run["data"]["path"] == "datasets/ds-calcgpt.txt"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["three-digit", "-d", "datasets/ds-calcgpt.txt"], "expected a task or a dataset, and got both"),
        (["-d", "nothing.txt"], "nothing.txt"),
        (["three-digit", "--init-from", "nothing"], "nothing"),
        (["-o", "taken"], "taken holds files that are no model"),
        (["--batch-size", "x"], "must be a whole number"),
    ],
)
def test_what_cannot_work_is_one_line(own_folder: Path, capsys: Output, arguments: list[str], expected: str) -> None:
    (own_folder / "taken").mkdir()
    (own_folder / "taken" / "thesis.txt").write_text("years of work")
    assert main(["train", *arguments, "--quiet"]) == 2
    caught = capsys.readouterr()
    assert caught.err.startswith("calcgpt: ") and expected in caught.err and caught.err.count("\n") == 1
    assert (own_folder / "taken" / "thesis.txt").read_text() == "years of work"


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent differently there")
def test_ctrl_c_leaves_a_model_and_says_where(own_folder: Path) -> None:
    line = [sys.executable, "-m", "calcgpt", "train", *TINY, "--max-steps", "4000", "-o", "models/stopped"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    while not process.stderr.readline().startswith("step"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    last = process.stderr.read().splitlines()[-1]
    assert process.wait(60) == 130
    assert last.startswith("calcgpt: interrupted") and last.endswith(str(Path("models/stopped")))
    assert read_run(own_folder / "models" / "stopped")["status"] == "interrupted"


def test_in_a_terminal_a_display_comes_and_goes(in_terminal: Callable[..., tuple[int, str]]) -> None:
    code, screen = in_terminal("train", *TINY, "-o", "tiny")
    assert code == 0
    assert "preparing" in screen and "loss" in screen and "━" in screen and "exact match" in screen
    assert "now try" in screen.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@pytest.mark.parametrize("output", ["fine", os.fsdecode(b"bad\xff")], ids=["data", "output"])
def test_names_that_are_not_utf8_cost_no_training(own_folder: Path, capsys: Output, output: str) -> None:
    name = os.fsdecode(b"bad\xff.txt") if output == "fine" else "good.txt"
    Path(name).write_text("1+1=2\n1+2=3\n2+2=4\n2+3=5\n" * 3)
    args = ["-d", name, "-o", output, "-e", "100000", "--test-split", "0", "--embedding-dim", "8", "--num-heads", "1"]
    assert main(["train", *args]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("calcgpt: ") and "UTF-8" in said
    assert os.listdir() == [name]
