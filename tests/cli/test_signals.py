"""Signals while the command trains: a usable model is kept, what stood there is kept, and the exit code says which."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcgpt import CalcGPT
from calcgpt.cli import train as train_command
from calcgpt.cli.main import main
from calcgpt.cli.signals import ENDINGS
from calcgpt.model.runs import REHEARSAL, RunFolder
from calcgpt.model.store import read_model
from calcgpt.training.trainer import CalcGPTTrainer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")

Output = pytest.CaptureFixture[str]
TINY = shlex.split(
    "--task.max-value 9 --notation.width 1 --notation.answer-width 2 --embedding-dim 16 --num-layers 1 --num-heads 2 "
    "--feedforward-dim 16 --batch-size 16 --warmup-steps 1 --device cpu -o model"
)
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_CODES = dict(zip(_NAMES, (130, 143, 129), strict=True))
# How a request comes: once; from a terminal and from a wrapper that forwards it; and again from somebody impatient.
_TIMES = {"once": [0.0], "doubled": [0.0, 0.01], "twice": [0.0, 1.1]}


@pytest.fixture
def before(own_folder: Path) -> Any:
    """A good model stands there already; gives its loss."""
    assert main(["train", *TINY, "--max-steps", "2", "--quiet"]) == 0
    return read_model(own_folder / "model").run["results"]["training_loss"]


def sends(number: int, times: list[float]) -> Callable[[], None]:
    """Sends a signal to this process, the first time that it is called, at these times in seconds."""
    done: list[float] = []

    def send() -> None:
        if not done:
            for at in times:
                time.sleep(at - (done[-1] if done else 0.0))
                done.append(at)
                os.kill(os.getpid(), number)

    return send


def disturb(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, send: Callable[[], None]) -> None:
    original = getattr(kind, name)

    def disturbed(*arguments: Any, **options: Any) -> Any:
        if name != "_write" or not arguments[1].name.startswith(REHEARSAL):  # that one is before the first step
            send()
        return original(*arguments, **options)

    monkeypatch.setattr(kind, name, disturbed)


def kept(folder: Path) -> list[float]:
    """The losses of the models at NAME and NAME.previous that were finished."""
    runs = [read_model(path).run for path in (folder, folder.with_name("model.previous")) if path.exists()]
    return [run["results"]["training_loss"] for run in runs if run["status"] == "finished"]


_STEPPED = [(CalcGPTTrainer, "_log"), (CalcGPTTrainer, "evaluate"), (RunFolder, "save"), (RunFolder, "_write")]
_ENDED = [(RunFolder, "finish"), (RunFolder, "_install"), (RunFolder, "close")]


@pytest.mark.parametrize("times", _TIMES)
@pytest.mark.parametrize(("kind", "name"), _STEPPED + _ENDED)
def test_whenever_a_signal_comes_there_is_a_usable_model(
    before: Any, own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, kind: type, name: str, times: str
) -> None:
    which = _NAMES[(len(name) + len(times)) % 3]  # each moment with each of them would take long
    handlers = [signal.getsignal(getattr(signal, one)) for one in _NAMES]
    disturb(monkeypatch, kind, name, sends(getattr(signal, which), _TIMES[times]))
    code = main(["train", *TINY, "--max-steps", "40", "--save-steps", "3", "--eval-steps", "4"])
    caught = capsys.readouterr()
    assert code == _CODES[which]
    last = caught.err.splitlines()[-1]
    assert last.startswith("calcgpt: interrupted") and last.endswith(f"is in {own_folder / 'model'}")
    assert which == "SIGINT" or f"by {which};" in last
    run = read_model(own_folder / "model").run
    assert run["status"] == ("finished" if (kind, name) in _ENDED else "interrupted")
    assert run["execution"]["steps"] >= 1 and before in kept(own_folder / "model")
    assert CalcGPT(own_folder / "model", device="cpu").solve("1+1")["error"] is None
    assert not (own_folder / "model.running").exists()
    assert handlers == [signal.getsignal(getattr(signal, one)) for one in _NAMES]
    assert main(["train", *TINY, "--max-steps", "2", "--quiet"]) == 0, "and the folder is free for the next run"


@pytest.mark.parametrize("times", _TIMES)
@pytest.mark.parametrize(
    ("kind", "name"),
    [(CalcGPTTrainer, "load_data"), (CalcGPTTrainer, "build_optimizer"), (RunFolder, "open"), (RunFolder, "rehearse")],
)
def test_before_the_first_step_nothing_changes(
    before: Any, own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, kind: type, name: str, times: str
) -> None:
    disturb(monkeypatch, kind, name, sends(signal.SIGTERM, _TIMES[times]))
    assert main(["train", *TINY, "--max-steps", "40"]) == 143
    assert capsys.readouterr().err.splitlines()[-1] == (
        "calcgpt: interrupted by SIGTERM before the first step was done: nothing was written"
    )
    assert kept(own_folder / "model") == [before]
    assert [entry.name for entry in own_folder.iterdir() if not entry.name.startswith(".")] == ["model"]


def test_a_signal_while_torch_is_imported(own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """Nothing is raised there, where an exception might be lost; the run does not begin."""
    disturb(monkeypatch, CalcGPTTrainer, "__init__", sends(signal.SIGHUP, [0.0]))
    monkeypatch.setattr(CalcGPTTrainer, "train", lambda _: pytest.fail("it was to end"))
    assert main(["train", *TINY, "--max-steps", "40"]) == 129
    assert capsys.readouterr().err.splitlines()[-1] == "calcgpt: interrupted by SIGHUP"


def test_the_rest_of_the_seeds_is_not_begun(own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    send, runs = sends(signal.SIGTERM, [0.0, 0.01]), []

    def disturbed(self: CalcGPTTrainer) -> Any:
        runs.append(self.config.seed)
        return original(self)

    original = CalcGPTTrainer.train
    monkeypatch.setattr(CalcGPTTrainer, "train", disturbed)
    disturb(monkeypatch, CalcGPTTrainer, "_log", lambda: send() if len(runs) == 2 else None)
    assert main(["train", *TINY, "--max-steps", "9", "--seeds", "4"]) == 143
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        f"calcgpt: interrupted by SIGTERM; the model as it was is in {own_folder / 'model-seed-43'}; "
        "1 of 4 seeds are trained"
    )
    assert runs == [42, 43]
    statuses = [read_model(own_folder / f"model-seed-{seed}").run["status"] for seed in runs]
    assert statuses == ["finished", "interrupted"]


def test_a_signal_between_two_seeds(own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    disturb(monkeypatch, train_command, "shorten", sends(signal.SIGTERM, [0.0]))  # type: ignore[arg-type]
    assert main(["train", *TINY, "--max-steps", "2", "--seeds", "2"]) == 143
    assert (own_folder / "model-seed-42").exists() and not (own_folder / "model-seed-43").exists()
    assert capsys.readouterr().err.splitlines()[-1] == "calcgpt: interrupted by SIGTERM; 1 of 2 seeds are trained"


def test_handlers_of_somebody_else_and_what_is_ignored_stay(own_folder: Path) -> None:
    heard: list[int] = []
    signals = [getattr(signal, name) for name in _NAMES]
    handlers = [signal.SIG_IGN, lambda number, _: heard.append(number), signal.SIG_DFL]
    restored = [signal.signal(number, handler) for number, handler in zip(signals, handlers, strict=True)]
    try:
        with ENDINGS.handled():
            assert [signal.getsignal(number) for number in signals[:2]] == handlers[:2]
            assert signal.getsignal(signal.SIGHUP) == ENDINGS.hear
        assert [signal.getsignal(number) for number in signals] == handlers
    finally:
        for number, handler in zip(signals, restored, strict=True):
            signal.signal(number, handler)


def test_off_the_main_thread_no_handler_is_installed(own_folder: Path) -> None:
    found: list[Any] = []

    def run() -> None:
        with ENDINGS.handled():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


@pytest.mark.parametrize("which", ["SIGTERM", "SIGHUP"])
def test_a_process_ends_in_order(own_folder: Path, which: str) -> None:
    process = _start()
    for _ in range(2):
        process.send_signal(getattr(signal, which))
    last = process.stderr.read().splitlines()[-1]
    assert process.wait(60) == _CODES[which]
    assert last == f"calcgpt: interrupted by {which}; the model as it was is in {own_folder / 'model'}"
    assert read_model(own_folder / "model").run["status"] == "interrupted"


def test_nohup_stays_nohup(own_folder: Path) -> None:
    process = _start("nohup", steps=400)
    process.send_signal(signal.SIGHUP)
    assert process.stderr.read() and process.wait(60) == 0
    assert read_model(own_folder / "model").run["status"] == "finished"


def test_a_signal_while_the_process_ends_does_not_change_its_exit_code(own_folder: Path) -> None:
    late = "import atexit, os, sys; atexit.register(lambda: [os.kill(os.getpid(), number) for number in (1, 2, 15)]);"
    code = f"{late} from calcgpt.cli.main import main; sys.exit(main())"
    line = [sys.executable, "-c", code, "train", *TINY, "--max-steps", "1", "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    assert read_model(own_folder / "model").run["status"] == "finished"


def _start(*before: str, steps: int = 100_000) -> Any:
    """The command in a process of its own, when it has done a step."""
    line = [*before, sys.executable, "-m", "calcgpt", "train", *TINY, "--max-steps", str(steps), "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stderr is not None
    while not process.stderr.readline().startswith("step"):
        assert process.poll() is None
    return process
