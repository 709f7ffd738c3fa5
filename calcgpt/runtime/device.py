"""The device that computes, and PyTorch's settings, none of which changes under another thread's feet."""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from calcgpt.errors import ConfigError

if TYPE_CHECKING:
    import torch

DEVICE_TYPES = ("cuda", "mps", "cpu")
_WORKERS = 4  # threads that work side by side; Python serves no more of them without a wait
T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")
_COUNTS = threading.Lock()  # held while a thread sets how many threads it computes on


@dataclass(frozen=True)
class Device:
    """A device to compute on.

    type: "cuda", "mps" or "cpu"; name: what a person calls it; half_precision: whether half precision pays
    there (bfloat16 on CUDA from compute capability 8.0 on; nowhere else); index: which one of several, None
    for the default.
    """

    type: str
    name: str
    half_precision: bool
    index: int | None = None

    @property
    def torch(self) -> torch.device:
        """The same device as PyTorch names it."""
        import torch

        return torch.device(str(self))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


def detect_device() -> Device:
    """The best device of this machine: CUDA, then MPS, then the CPU."""
    for kind in DEVICE_TYPES:
        if _available(kind):
            return _describe(kind, None)
    raise AssertionError("the CPU is always there")


def resolve_device(name: str | None) -> Device:
    """The device of a name: "cuda", "cuda:1", "mps", "cpu"; None and "auto" give the best one.

    Raises ConfigError for a name that is unknown and for a device that this machine does not have.
    """
    if name is None or name == "auto":
        return detect_device()
    kind, colon, number = name.partition(":")
    if kind not in DEVICE_TYPES or (colon and not (number.isascii() and number.isdigit())):
        raise ConfigError(f"unknown device {name!r}: expected auto, {', '.join(DEVICE_TYPES)}, or cuda:N")
    index = int(number) if colon else None
    if not _available(kind) or (index or 0) >= _count(kind):
        have = ", ".join(f"{kind} ({_count(kind)})" for kind in DEVICE_TYPES if _available(kind))
        raise ConfigError(f"device {name!r} is not available here: this machine and its PyTorch have {have}")
    return _describe(kind, index)


def _available(kind: str) -> bool:
    import torch

    if kind == "cuda":
        return torch.cuda.is_available()
    return kind == "cpu" or torch.backends.mps.is_available()


def _count(kind: str) -> int:
    import torch

    return torch.cuda.device_count() if kind == "cuda" else 1


def _describe(kind: str, index: int | None) -> Device:
    import torch

    if kind == "cuda":
        pays = torch.cuda.get_device_capability(index) >= (8, 0)
        return Device("cuda", torch.cuda.get_device_name(index), pays, index)
    name = "Apple GPU" if kind == "mps" else _processor_name()
    return Device(kind, name, False, index)


def _processor_name() -> str:
    """What the CPU calls itself; the architecture where the system does not tell."""
    if sys.platform.startswith("linux"):
        try:
            with open("/proc/cpuinfo", encoding="utf-8") as lines:
                names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        except (OSError, UnicodeDecodeError):
            names = []
        if names:
            return names[0]
    return platform.processor() or platform.machine() or "CPU"


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take numbers too small to matter for 0: processors take a hundred times longer for them.

    The setting belongs to a thread: leave the block in the thread that entered it.
    """
    import torch

    before = _flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes_denormals() -> bool:
    """PyTorch has only a setter; what it sets is the processor's flag, which Python's floats obey too."""
    return sys.float_info.min / 2 == 0.0


def without_autocast(work: Callable[P, R]) -> Callable[P, R]:
    """Decorator: computes in the precision of its tensors, whatever autocast its caller is in the middle of."""

    @wraps(work)
    def run(*args: P.args, **options: P.kwargs) -> R:
        import torch

        with ExitStack() as modes:
            for kind in DEVICE_TYPES:
                if torch.is_autocast_enabled(kind):
                    modes.enter_context(torch.autocast(kind, enabled=False))
            return work(*args, **options)

    return run


def thread_count() -> int:
    """How many threads PyTorch computes on in this thread.

    To be asked before work whose result depends on it: a thread's first question settles it, and here no thread is just
    then setting its own.
    """
    import torch

    with _COUNTS:
        return torch.get_num_threads()


def _set_threads(count: int, others: int) -> None:
    """Set this thread's count. PyTorch begins new threads with the count set last; that stays `others`, but for the
    moment between the two settings: `thread_count` waits for its end.
    """
    import torch

    with _COUNTS:
        torch.get_num_threads()  # the first question would undo what was set before it
        torch.set_num_threads(count)
        if count != others:
            elsewhere = threading.Thread(target=torch.set_num_threads, args=(others,))
            elsewhere.start()
            elsewhere.join()


@contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """Compute on one thread, where `wanted`: tiny products gain nothing from more, and wait for them to meet.

    On a processor that others use too, that waiting takes many times as long as the products. Other threads of the
    program compute on as many as before.
    """
    before = thread_count()
    if not wanted or before == 1:
        yield
        return
    try:
        _set_threads(1, before)
        yield
    finally:
        _set_threads(before, before)


def side_by_side(work: Callable[[T], R], parts: Sequence[T], wanted: bool = True) -> Iterator[R]:
    """`work` of each part, in order; where `wanted`, on as many threads as PyTorch has, each computing by itself.

    Small products gain little from threads that share every one of them; threads that each take a part of their own
    hardly ever wait. More than a few would wait for Python instead.
    """
    count = thread_count()
    workers = min(len(parts), count, _WORKERS) if wanted else 1
    if workers < 2:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(workers, initializer=_set_threads, initargs=(1, count)) as pool:
        try:
            yield from pool.map(work, parts)
        finally:  # an interruption does not wait for what has not begun
            pool.shutdown(cancel_futures=True)
