"""A lock file: one process holds it, the system frees it where that process dies, and releasing removes it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

_PATIENCE = 0.5  # seconds: whoever asks whether a lock is held holds it for a moment


def acquire(path: Path) -> BaseFileLock | None:
    """Take a lock, or None where another process, or another part of this one, holds it. Raises OSError.

    filelock (3.24 or later) takes no lock on a file that was removed meanwhile, which makes `release` safe.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=_PATIENCE, thread_local=False)
    try:
        lock.acquire(poll_interval=0.02)
    except Timeout:
        return None
    return lock


def release(lock: BaseFileLock) -> None:
    """Give a lock back and remove its file: while it is held, or on Windows, where that is refused, right after."""
    try:
        with suppress(OSError):
            os.unlink(lock.lock_file)
    finally:  # also where Ctrl-C comes in between
        lock.release()
    if os.name == "nt":
        with suppress(OSError):
            os.unlink(lock.lock_file)


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock. Nothing is created, and reading the file is right enough."""
    try:
        import fcntl
    except ImportError:
        return path.exists() and _taken(path)
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (OSError, ValueError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask do not see each other
    except OSError:
        return True  # held, or a file system without locks, where the file alone says so
    finally:
        os.close(descriptor)
    return False


def _taken(path: Path) -> bool:
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    release(lock)
    return False
