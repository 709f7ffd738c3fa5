"""The device that computes, and the global state of the process, left as it was found."""

from __future__ import annotations

import platform
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from calcgpt.errors import ConfigError

if TYPE_CHECKING:
    import torch

DEVICE_TYPES = ("cuda", "mps", "cpu")
_WORKERS = 4  # threads that work side by side; Python serves no more of them without a wait
T = TypeVar("T")
R = TypeVar("R")


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
def preserved_state() -> Iterator[None]:
    """Leave the process as it was found.

    Restored on the way out, after an exception too: the global random state of Python, NumPy and PyTorch
    (CPU, CUDA, MPS), PyTorch's thread count and default dtype, and whether denormals are flushed. Flushing
    and the thread count belong to a thread: leave the block in the thread that entered it. CUDA that was not
    in use before is seeded afresh as PyTorch's CPU generator was, which is what its first use would have
    done.
    """
    import numpy
    import torch

    with ExitStack() as restore:
        restore.callback(random.setstate, random.getstate())
        restore.callback(numpy.random.set_state, numpy.random.get_state())
        restore.callback(torch.set_rng_state, torch.get_rng_state())
        restore.callback(_cuda_state_setter())
        if torch.backends.mps.is_available():
            restore.callback(torch.mps.set_rng_state, torch.mps.get_rng_state())
        restore.callback(torch.set_num_threads, torch.get_num_threads())
        restore.callback(torch.set_default_dtype, torch.get_default_dtype())
        restore.callback(torch.set_flush_denormal, _flushes_denormals())
        yield


def _cuda_state_setter() -> Callable[[], None]:
    """What brings CUDA's generators back to their state of now, without waking up CUDA if it sleeps."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states = torch.cuda.get_rng_state_all()
        return lambda: torch.cuda.set_rng_state_all(states)
    seed = torch.initial_seed()

    def reseed() -> None:
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(seed)

    return reseed


def _flushes_denormals() -> bool:
    """PyTorch has only a setter; what it sets is the processor's flag, which Python's floats obey too."""
    return sys.float_info.min / 2 == 0.0


@contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """Compute on one thread, where `wanted`: tiny products gain nothing from more, and wait for them to meet.

    On a processor that others use too, that waiting takes many times as long as the products.
    """
    import torch

    before = torch.get_num_threads()
    if not wanted or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(work: Callable[[T], R], parts: Sequence[T], wanted: bool = True) -> Iterator[R]:
    """`work` of each part, in order; where `wanted`, on as many threads as PyTorch has, each computing by itself.

    Small products gain little from threads that share every one of them; threads that each take a part of their own
    hardly ever wait. More than a few would wait for Python instead.
    """
    import torch

    workers = min(len(parts), torch.get_num_threads(), _WORKERS) if wanted else 1
    if workers < 2:
        yield from map(work, parts)
        return
    with one_thread(True), ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(work, parts)
        finally:  # an interruption does not wait for what has not begun
            pool.shutdown(cancel_futures=True)
