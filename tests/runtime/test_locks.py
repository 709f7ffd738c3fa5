"""A lock that one process holds, that the system frees, and that leaves no file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from calcgpt.runtime.locks import acquire, is_held, release

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_one_holds_it_and_no_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path) and os.listdir(tmp_path) == [], "asking creates nothing"
    lock = acquire(path)
    assert lock is not None and is_held(path) and acquire(path) is None
    release(lock)
    assert not is_held(path) and os.listdir(tmp_path) == []
    again = acquire(path)
    assert again is not None
    release(again)


def test_a_file_that_was_left_is_used_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = "import os, sys; from pathlib import Path; from calcgpt.runtime.locks import acquire; "
    code += "lock = acquire(Path(sys.argv[1])); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(path)], env=ENVIRONMENT, check=True)
    assert path.exists() and not is_held(path), "its process is dead"
    lock = acquire(path)
    assert lock is not None and is_held(path)
    release(lock)
    assert os.listdir(tmp_path) == []


MANY = """
import os, sys
from pathlib import Path
import pytest

from calcgpt.runtime.locks import acquire, is_held, release
lock_file, inside, rounds = Path(sys.argv[1]), Path(sys.argv[2]), 0
while rounds < 60:
    lock = acquire(lock_file)
    if lock is None:
        continue
    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails where somebody else is inside
    assert is_held(lock_file)
    os.unlink(inside)
    release(lock)
    rounds += 1
print(rounds)
"""


def test_processes_that_take_and_remove_it_never_hold_it_together(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MANY, str(tmp_path / "lock"), str(tmp_path / "inside")]
    others = [subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [other.communicate()[0] for other in others] == ["60\n"] * 4
    assert os.listdir(tmp_path) == []


def test_where_there_is_no_flock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """filelock serves there."""
    monkeypatch.setattr("calcgpt.runtime.locks.fcntl", None)
    path = tmp_path / "lock"
    assert not is_held(path)
    lock = acquire(path)
    assert lock is not None and is_held(path) and acquire(path) is None
    release(lock)
    assert not is_held(path) and os.listdir(tmp_path) == []
