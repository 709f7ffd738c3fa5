"""Files and folders that are replaced whole or not at all.

A folder cannot be replaced in one step, so it carries a *seal*: one named file that is written last and taken
away first. A folder with its seal is whole. While a folder is being filled or emptied in place, a hidden mark
says that what it holds is worth nothing: the whole contents are somewhere else.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SEAL = "run.json"
MARK = ".calcgpt-replacing"


def write_atomic(path: str | Path, data: str | bytes) -> None:
    """Write a file whole or not at all: beside it first, synced to the disk, then put in its place.

    Text is written as UTF-8 with its line ends as they are. A link is followed; a device or a pipe is written
    directly. On failure the old file is as it was, and nothing is left behind. Raises OSError.
    """
    payload = data.encode("utf-8") if isinstance(data, str) else data
    if _is_special(path):
        with _naming(path):
            _write_all(os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0)), payload, sync=False)
        return
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder stands where the file should go", str(path))
    if not real.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to write into", str(real.parent))
    temporary = real.with_name(f".{os.urandom(8).hex()}.tmp")  # short: NAME may be as long as allowed
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with _naming(path):
            _write_all(os.open(temporary, flags, 0o666), payload, sync=True)
        os.replace(temporary, real)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # a full disk names no file, and the temporary one means nothing to anybody
        raise
    _sync_folder(real.parent)


def check_writable(path: str | Path) -> None:
    """Raises OSError where `write_atomic` could not write a file there: before long work that ends in it. The folder
    that it will stand in is made.
    """
    if _is_special(path):
        return
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder stands where the file should go", str(path))
    make_folder(real.parent)
    with tempfile.TemporaryFile(dir=real.parent):
        pass


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, where it is missing. Raises OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, "a file stands where the folder should be", str(folder)) from None


def _is_special(path: str | Path) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """An error says which file the user knows: the system names none where the disk is full."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _write_all(descriptor: int, payload: bytes, sync: bool) -> None:
    """Write to an open descriptor, and close it."""
    try:
        view = memoryview(payload)
        while view:
            view = view[os.write(descriptor, view) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder last through a power cut, where the system can do that."""
    if os.name == "nt":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_vacant(folder: Path) -> bool:
    """Whether nothing stands at this path, or an empty folder does."""
    return not os.path.lexists(folder) or (folder.is_dir() and not os.listdir(folder))


def is_partial(folder: Path, seal: str = SEAL) -> bool:
    """Whether a folder was left half filled or half emptied by a function of this module."""
    return (folder / MARK).exists() and not (folder / seal).exists()


def remove_folder(folder: Path, seal: str = SEAL) -> None:
    """Remove a folder, its seal first, so that it is never taken for a whole one. Nothing there is fine.
    Raises OSError.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        os.unlink(folder)
        return
    _empty(folder, seal)
    os.unlink(folder / MARK)
    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    """Remove an empty folder; one that must stay (a mount point, a folder in use) stays, empty."""
    try:
        os.rmdir(folder)
    except OSError:
        if any(folder.iterdir()):
            raise


def _empty(folder: Path, seal: str) -> None:
    """Break the seal, leave the mark, remove everything else."""
    if (folder / seal).is_file():
        os.replace(folder / seal, folder / MARK)
    else:
        (folder / MARK).touch()
    for entry in sorted(folder.iterdir()):
        if entry.name == MARK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            os.unlink(entry)


def copy_folder(source: Path, target: Path, seal: str = SEAL) -> None:
    """Make target a copy of source, file by file, the seal last. What target held goes. Raises OSError."""
    target.mkdir(exist_ok=True)
    _empty(target, seal)
    for entry in sorted(source.iterdir()):
        if entry.name in (seal, MARK):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, target / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, target / entry.name, follow_symlinks=False)
            _sync_file(target / entry.name)
    if (source / seal).is_file():
        write_atomic(target / seal, (source / seal).read_bytes())
    os.unlink(target / MARK)


def _sync_file(path: Path) -> None:
    with suppress(OSError), open(path, "rb+") as file:
        os.fsync(file.fileno())


def move_folder(source: Path, target: Path, seal: str = SEAL) -> None:
    """Move a folder to where nothing, an empty or a partial one stands: by a rename, else file by file.

    A folder cannot be renamed across devices, where it is a mount point, and on Windows where one of its
    files is open. At every moment source or target is whole. Raises OSError.
    """
    try:
        if target.is_dir() and not any(target.iterdir()):
            os.rmdir(target)  # Windows does not rename over an empty folder
        os.rename(source, target)
    except OSError:
        copy_folder(source, target, seal)
        remove_folder(source, seal)
    else:
        _sync_folder(target.parent)


def replace_folder(new: Path, target: Path, keep: Path | None, seal: str = SEAL) -> None:
    """Put a whole folder in target's place. What target held moves to keep, and what keep held goes.

    At every moment one of target and new is whole, so whoever finds target without its seal reads new.
    Calling it again after a crash goes on where it stopped. With `keep` None what target held goes. Raises
    OSError.
    """
    if not is_vacant(target) and not is_partial(target, seal):
        if keep is None:
            remove_folder(target, seal)
        else:
            remove_folder(keep, seal)
            move_folder(target, keep, seal)
    move_folder(new, target, seal)
