"""A lock file: one process holds it, the system frees it where that process dies, and releasing removes it.

filelock locks, but leaves its file (or, by its version, removes it itself: who removes it twice removes another's). So
where there is flock the few lines that remove it safely are here, and filelock serves Windows.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from filelock import BaseFileLock

_PATIENCE = 0.5  # seconds: whoever asks whether a lock is held holds it for a moment
_PAUSE = 0.02


@dataclass
class Lock:
    """A lock that is held: its file, and what holds it, a descriptor or filelock's lock."""

    path: Path
    holder: int | BaseFileLock

    def abandon(self) -> None:
        """Give the lock back and leave its file, as the system does where a process dies."""
        if isinstance(self.holder, int):
            os.close(self.holder)
        else:
            self.holder.release()


def acquire(path: Path) -> Lock | None:
    """Take a lock, or None where another process, or another part of this one, holds it. Raises OSError."""
    end = time.monotonic() + _PATIENCE
    while True:
        lock = _try_filelock(path) if fcntl is None else _try_flock(path)
        if lock is not None or time.monotonic() > end:
            return lock
        time.sleep(_PAUSE)


def release(lock: Lock) -> None:
    """Give a lock back and remove its file: while it is held, or on Windows, where that is refused, right after."""
    try:
        with suppress(OSError):
            os.unlink(lock.path)
    finally:  # also where Ctrl-C comes in between
        lock.abandon()
    if os.name == "nt":
        with suppress(OSError):
            os.unlink(lock.path)


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock. Nothing is created, and the right to read the file is enough."""
    if fcntl is None:
        lock = _try_filelock(path) if path.exists() else None
        if lock is not None:
            release(lock)
        return lock is None and path.exists()
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


def _try_flock(path: Path) -> Lock | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before may have removed the file since it was opened: then the lock guards no name.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return Lock(path, descriptor)
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _try_filelock(path: Path) -> Lock | None:
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    return Lock(path, lock)
