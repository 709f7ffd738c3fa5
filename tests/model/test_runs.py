"""Runs into a folder: locks, what is kept, and a crash at any call leaves the old model or the new one."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from calcgpt.errors import ModelFolderError, RunInProgress
from calcgpt.model.store import RunFolder, find_model, list_models, read_model, scan_models, write_model

OLDER, OLD, CHECKPOINT, NEW, NEWEST = 1.0, 2.0, 3.0, 4.0, 5.0


def train(target: Path, model: Any, value: float, *, checkpoints: int = 0, **finish: Any) -> Path:
    """A whole run that ends with a model of this value."""
    with RunFolder(target) as run:
        run.metrics.write_text('{"step": 1}\n')
        for _ in range(checkpoints):
            run.save(*model.parts(CHECKPOINT))
        return run.finish(*model.parts(value), **finish)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_run_replaces_the_finished_model_and_keeps_it(tmp_path: Path, model: Any) -> None:
    target = tmp_path / "models" / "sum"
    for number in range(9):
        assert train(target, model, float(number), checkpoints=2) == target
    assert visible(target.parent) == ["sum", "sum.previous"]
    assert model.value(target) == 8.0
    assert model.value(tmp_path / "models" / "sum.previous") == 7.0
    stored = read_model(target)
    assert stored.run["status"] == "finished" and stored.run["name"] == "sum"
    assert (target / "metrics.jsonl").read_text() == '{"step": 1}\n'
    assert "metrics.jsonl" in stored.run["files"]


def test_an_interrupted_model_is_set_aside_by_the_next(tmp_path: Path, model: Any) -> None:
    target = tmp_path / "sum"
    train(target, model, OLDER)
    train(target, model, OLD, status="interrupted")
    assert read_model(target).run["status"] == "interrupted"
    assert model.value(tmp_path / "sum.previous") == OLDER
    train(target, model, NEW)
    assert model.value(target) == NEW
    assert model.value(tmp_path / "sum.interrupted") == OLD
    assert model.value(tmp_path / "sum.previous") == OLDER


def test_an_exception_leaves_the_checkpoint_as_interrupted(tmp_path: Path, model: Any) -> None:
    target = tmp_path / "sum"
    train(target, model, OLD)
    with pytest.raises(ZeroDivisionError), RunFolder(target) as run:
        run.save(*model.parts(CHECKPOINT))
        assert run.checkpoint is not None and model.value(run.checkpoint) == CHECKPOINT
        raise ZeroDivisionError
    assert visible(tmp_path) == ["sum", "sum.interrupted"]
    assert model.value(target) == OLD
    assert model.value(tmp_path / "sum.interrupted") == CHECKPOINT
    assert read_model(tmp_path / "sum.interrupted").run["status"] == "interrupted"


def test_a_run_without_a_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunFolder(tmp_path / "sum") as run:
        run.metrics.write_text("{}\n")
        raise ZeroDivisionError
    assert visible(tmp_path) == []


def test_only_the_last_checkpoint_is_kept(tmp_path: Path, model: Any) -> None:
    with RunFolder(tmp_path / "sum") as run:
        for value in (1.0, 2.0, 3.0):
            path = run.save(*model.parts(value))
            assert model.value(path) == value == model.value(run.staging)
        assert len([name for name in visible(run.staging) if name.startswith("checkpoint")]) == 1
        assert read_model(path).run["status"] == "running"
        with pytest.raises(ModelFolderError, match="has not finished; a checkpoint of it is .*checkpoint-3"):
            read_model(run.target)


def test_opening_and_closing_twice_is_harmless(tmp_path: Path, model: Any) -> None:
    run = RunFolder(str(tmp_path / "sum"))
    run.close()
    assert run.open() is run.open()
    run.finish(*model.parts(NEW))
    run.close()
    with run:
        run.finish(*model.parts(NEWEST))
    assert model.value(tmp_path / "sum") == NEWEST


def test_a_second_run_in_the_process_is_refused(tmp_path: Path, model: Any) -> None:
    train(tmp_path / "sum", model, OLD)
    (tmp_path / "other").symlink_to(tmp_path / "sum")
    with RunFolder(tmp_path / "sum", overwrite=True):
        for path in (tmp_path / "sum", tmp_path / "x" / ".." / "sum", tmp_path / "other"):
            with pytest.raises(RunInProgress, match=f"a run is alive in .*sum .process {os.getpid()}, started"):
                RunFolder(path, overwrite=True).open()
    assert visible(tmp_path) == ["other", "sum"]


def test_a_run_can_be_closed_in_another_thread(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "sum").open()
    thread = threading.Thread(target=run.close)
    thread.start()
    thread.join()
    RunFolder(tmp_path / "sum").open().close()


ALIVE = """
import sys, torch
from calcgpt.model.store import RunFolder
from calcgpt.tokens.tokenizer import Tokenizer
run = RunFolder(sys.argv[1]).open()
state = {"weight": torch.full((3,), 3.0), "half": torch.full((2, 2), 3.0)}
run.save(state, {}, Tokenizer.build("1"), {"results": {"value": 3.0}})
print("open", flush=True)
sys.stdin.read()
"""


def test_a_run_of_another_process_is_refused_while_it_lives(tmp_path: Path, model: Any) -> None:
    target = tmp_path / "sum"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command, pipe = [sys.executable, "-c", ALIVE, str(target)], subprocess.PIPE
    other = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
    assert other.stdin is not None and other.stdout is not None
    with other:
        try:
            assert other.stdout.readline() == "open\n"
            with pytest.raises(RunInProgress, match=f"process {other.pid}"):
                RunFolder(target).open()
            assert [(summary.kind, summary.status) for summary in list_models(tmp_path)] == [("running", "running")]
        finally:
            other.kill()
            other.wait()
    assert read_model(tmp_path / "sum.running").status == "stopped"
    (stopped,) = list_models(tmp_path)
    assert (stopped.name, stopped.kind, stopped.status) == ("sum.running", "stopped", "stopped")
    assert read_model(find_model("sum.running", tmp_path)).path == stopped.path, "what is listed is found"
    with pytest.raises(ModelFolderError, match="its run was killed; a checkpoint of it is .*checkpoint-1"):
        find_model("sum", tmp_path)
    assert (tmp_path / ".sum.lock").exists(), "a killed run leaves it, and the next one removes it"
    train(target, model, NEW)
    assert model.value(target) == NEW
    assert model.value(tmp_path / "sum.interrupted") == CHECKPOINT
    assert "Its run is interrupted" in (tmp_path / "sum.interrupted" / "README.md").read_text()
    assert not list(tmp_path.glob(".*"))


def test_a_run_killed_before_its_first_checkpoint(tmp_path: Path, model: Any) -> None:
    with RunFolder(tmp_path / "sum") as run:
        run.metrics.write_text("{}")
        assert scan_models(tmp_path) == ([], [])
        with pytest.raises(ModelFolderError, match="sum.running belongs to a run that has saved no checkpoint so far"):
            find_model("sum.running", tmp_path)
    killed(tmp_path).metrics.write_text("{}")
    said = "sum.running is what a killed run left, without a checkpoint .save_steps.: the next run into sum removes it"
    models, problems = scan_models(tmp_path)
    assert not models and len(problems) == 1
    for name in ("sum", "sum.running"):
        with pytest.raises(ModelFolderError, match=said) as caught:
            find_model(name, tmp_path)
        assert problems[0] in str(caught.value)
    train(tmp_path / "sum", model, NEW)
    assert sorted(os.listdir(tmp_path)) == ["sum"]


def test_no_lock_stays(tmp_path: Path, model: Any) -> None:
    train(tmp_path / "sum", model, OLD)
    with pytest.raises(ZeroDivisionError), RunFolder(tmp_path / "times"):
        raise ZeroDivisionError
    (tmp_path / "thesis").write_text("a file")
    with pytest.raises(ModelFolderError, match="is a file"):
        RunFolder(tmp_path / "thesis").open()
    assert sorted(os.listdir(tmp_path)) == ["sum", "thesis"]


def test_a_rehearsal_leaves_nothing_and_harms_nothing(tmp_path: Path, model: Any) -> None:
    train(tmp_path / "sum", model, OLD)
    with RunFolder(tmp_path / "sum") as run:
        before = sorted(os.listdir(run.staging))
        run.rehearse(*model.parts(NEW), checkpoints=True)
        assert sorted(os.listdir(run.staging)) == before and run.checkpoint is None
    assert model.value(tmp_path / "sum") == OLD and visible(tmp_path) == ["sum"]


@pytest.mark.parametrize("call", ["os.mkdir", "open", "write", "fsync"])
def test_a_rehearsal_finds_what_would_fail(tmp_path: Path, model: Any, faults: Any, call: str) -> None:
    """A full disk, missing rights: in one line that names the file, and nothing stays behind."""
    train(tmp_path / "sum", model, OLD)
    with RunFolder(tmp_path / "sum") as run:
        before = sorted(os.listdir(run.staging))
        denied = OSError(errno.EACCES, "Permission denied")
        faults._start(lambda event, count: denied if event == call and not denied.__traceback__ else None)
        with pytest.raises(ModelFolderError, match="a model cannot be written to .*sum: Permission denied") as caught:
            run.rehearse(*model.parts(NEW), checkpoints=True)
        faults.stop()
        assert "\n" not in str(caught.value)
        assert sorted(os.listdir(run.staging)) == before
    assert model.value(tmp_path / "sum") == OLD


def test_a_rehearsal_needs_the_room_of_the_model_and_of_a_checkpoint(tmp_path: Path, model: Any, faults: Any) -> None:
    def written(checkpoints: bool) -> int:
        faults._start(lambda event, count: None)
        run.rehearse(*model.parts(NEW), checkpoints=checkpoints)
        faults.stop()
        return int(faults.count)

    with RunFolder(tmp_path / "sum") as run:
        assert written(True) > 1.7 * written(False)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_not_utf8_are_told_before_anything_is_written(tmp_path: Path, model: Any) -> None:
    with pytest.raises(ModelFolderError, match="its name is not UTF-8"):
        RunFolder(tmp_path / os.fsdecode(b"mod\xff")).open()
    assert os.listdir(tmp_path) == []
    parts = model.parts(NEW, data={"kind": "file", "path": os.fsdecode(b"data\xff.txt")})
    with RunFolder(tmp_path / "sum") as run, pytest.raises(ModelFolderError, match=r"data.path is 'data\\udcff.txt'"):
        run.rehearse(*parts)
    assert os.listdir(tmp_path) == []


def test_names_that_leave_no_room_for_what_stands_beside(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="cannot start a run in .*: File name too long"):
        RunFolder(tmp_path / ("n" * 246)).open()
    assert os.listdir(tmp_path) == []


def test_foreign_files_are_refused_and_kept_when_overwritten(tmp_path: Path, model: Any) -> None:
    target = tmp_path / "thesis"
    (target / "chapters").mkdir(parents=True)
    (target / "chapters" / "one.txt").write_text("precious")
    (target / "run.json").write_text('{"format": "something else"}')
    with pytest.raises(ModelFolderError, match=r"holds files that are no model.*overwrite .*thesis.previous"):
        RunFolder(target).open()
    assert visible(tmp_path) == ["thesis"]
    with RunFolder(target, overwrite=True) as run:
        run.finish(*model.parts(OLD))
    assert (tmp_path / "thesis.previous" / "chapters" / "one.txt").read_text() == "precious"
    train(target, model, NEW)  # which needs the name NAME.previous for itself
    assert model.value(tmp_path / "thesis.previous") == OLD
    assert (tmp_path / "thesis.previous-1" / "chapters" / "one.txt").read_text() == "precious"


def test_a_damaged_model_is_still_ours(tmp_path: Path, model: Any) -> None:
    target = tmp_path / "sum"
    train(target, model, OLD)
    (target / "model.safetensors").write_bytes(b"")
    train(target, model, NEW)
    assert model.value(target) == NEW


@pytest.mark.parametrize("name", ["sum.running", "sum.previous", "sum.interrupted", "/"])
def test_names_that_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFolderError, match="cannot be a run's folder"):
        RunFolder(tmp_path / name).open()


def test_what_stands_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sum").write_text("a file")
    with pytest.raises(ModelFolderError, match="is a file"):
        RunFolder(tmp_path / "sum", overwrite=True).open()
    (tmp_path / "times.running").mkdir()
    (tmp_path / "times.running" / "notes.txt").write_text("mine")
    with pytest.raises(ModelFolderError, match="times.running is in the way"):
        RunFolder(tmp_path / "times", overwrite=True).open()
    assert (tmp_path / "times.running" / "notes.txt").read_text() == "mine"
    with pytest.raises(ModelFolderError, match="cannot start a run in .*: "):
        RunFolder(tmp_path / "sum" / "below").open()


def test_an_empty_folder_is_free(tmp_path: Path, model: Any) -> None:
    (tmp_path / "sum").mkdir()
    train(tmp_path / "sum", model, NEW)
    assert visible(tmp_path) == ["sum"]


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path, model: Any) -> None:
    train(tmp_path / "disk" / "sum", model, OLD)
    link = tmp_path / "sum"
    link.symlink_to(tmp_path / "disk" / "sum")
    train(link, model, NEW)
    assert link.is_symlink() and model.value(link) == NEW
    assert visible(tmp_path / "disk") == ["sum", "sum.previous"]


@pytest.mark.usefixtures("no_folder_renames")
def test_folders_that_cannot_be_renamed_are_copied(tmp_path: Path, model: Any) -> None:
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "one.txt").write_text("precious")
    with RunFolder(target, overwrite=True) as run:
        run.finish(*model.parts(OLDER))
    assert (tmp_path / "thesis.previous" / "one.txt").read_text() == "precious"
    train(target, model, OLD, checkpoints=1)
    train(target, model, NEW)
    assert visible(tmp_path) == ["thesis", "thesis.previous", "thesis.previous-1"]
    assert (model.value(target), model.value(tmp_path / "thesis.previous")) == (NEW, OLD)
    assert (tmp_path / "thesis.previous-1" / "one.txt").read_text() == "precious"
    assert not list(tmp_path.glob("*/.calcgpt*"))


def nothing_there(root: Path, model: Any) -> set[float]:
    return set()


def finished_there(root: Path, model: Any) -> set[float]:
    train(root / "sum", model, OLDER)
    train(root / "sum", model, OLD)
    return {OLD}


def interrupted_there(root: Path, model: Any) -> set[float]:
    train(root / "sum", model, OLDER, status="interrupted")
    train(root / "sum", model, OLD, status="interrupted")
    return {OLD}


def killed_with_a_checkpoint(root: Path, model: Any) -> set[float]:
    train(root / "sum", model, OLD)
    killed(root).save(*model.parts(CHECKPOINT))
    return {OLD}


def killed_when_ready(root: Path, model: Any) -> set[float]:
    train(root / "sum", model, OLD)
    run = killed(root)
    write_model(run.staging / "ready", *model.parts(NEW))
    return {OLD, NEW}


def killed(root: Path) -> RunFolder:
    """A run whose process is gone without any goodbye."""
    run = RunFolder(root / "sum").open()
    assert run._lock is not None
    run._lock.abandon()  # the system does that; the file stays
    run._lock = object()  # type: ignore[assignment]
    return run


SITUATIONS = [nothing_there, finished_there, interrupted_there, killed_with_a_checkpoint, killed_when_ready]
CASES = [
    *(("crash", situation) for situation in SITUATIONS),
    *((fault, finished_there) for fault in ("fail", "fill")),
    *(pytest.param(fault, killed_with_a_checkpoint, marks=pytest.mark.slow) for fault in ("fail", "fill")),
]


@pytest.mark.parametrize("renames", ["renames", "no_folder_renames"])
@pytest.mark.parametrize(("fault", "situation"), CASES)
def test_a_fault_at_any_call_leaves_the_old_or_the_new_model(
    fault: str, situation: Any, renames: str, fast_path: Path, model: Any, faults: Any, request: Any
) -> None:
    template = fast_path / "template"
    template.mkdir()
    old = situation(template, model)
    if renames != "renames":
        request.getfixturevalue(renames)
    at, ended = 0, False
    while not ended:
        at += 1
        root = fast_path / str(at)
        shutil.copytree(template, root)
        getattr(faults, fault)(at)
        failure = failure_of(root, model, situation is nothing_there)
        faults.stop()
        ended = at > faults.count
        check_what_is_left(root, model, old, failure, fault)
        shutil.rmtree(root)
    assert at > 40 and failure is None


def failure_of(root: Path, model: Any, with_checkpoints: bool) -> BaseException | None:
    try:
        train(root / "sum", model, NEW, checkpoints=2 * with_checkpoints)
    except BaseException as error:
        return error
    return None


def check_what_is_left(root: Path, model: Any, old: set[float], failure: BaseException | None, fault: str) -> None:
    """The old or the new model is read; the next run ends well, tidies up, and has lost nothing that was
    finished.
    """
    target = root / "sum"
    if failure is None:
        assert model.value(target) == NEW
    elif fault != "crash" and not isinstance(failure, OSError):  # which comes from the metrics of `train`
        assert isinstance(failure, ModelFolderError) and "\n" not in str(failure)
    before = None
    try:
        before = model.value(target)
    except ModelFolderError:
        assert not old and failure is not None
    assert before in {NEW, *old, *([] if old else [None])}
    RunFolder(target).open().close()  # puts in order what was left
    kept = {model.value(summary.path) for summary in list_models(root)}
    assert before in kept or before is None
    assert old & kept or not old
    train(target, model, NEWEST)
    assert model.value(target) == NEWEST
    assert not (root / "sum.running").exists()
    kept = {model.value(summary.path) for summary in list_models(root)}
    assert before is None or {before, NEW} & kept  # a model that was ready took its place first
    assert set(visible(root)) <= {"sum", "sum.previous", "sum.interrupted"}


def test_a_full_disk_is_told_in_one_line(tmp_path: Path, model: Any, faults: Any) -> None:
    train(tmp_path / "sum", model, OLD)
    with RunFolder(tmp_path / "sum") as run:
        run.save(*model.parts(CHECKPOINT))
        faults.fill(1)
        with pytest.raises(ModelFolderError, match="cannot write a checkpoint .*No space left .*is kept") as caught:
            run.save(*model.parts(NEW))
        with pytest.raises(ModelFolderError, match="cannot write the model to .*sum: No space left on device"):
            run.finish(*model.parts(NEW))
    faults.stop()
    assert isinstance(caught.value.__cause__, OSError) and caught.value.__cause__.errno == errno.ENOSPC
    assert visible(tmp_path) == ["sum", "sum.interrupted"]
    assert (model.value(tmp_path / "sum"), model.value(tmp_path / "sum.interrupted")) == (OLD, CHECKPOINT)
