"""Devices, and the global state that is left as it was."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from calcgpt.errors import ConfigError
from calcgpt.runtime.device import (
    Device,
    detect_device,
    flushed_denormals,
    one_thread,
    resolve_device,
    side_by_side,
    thread_count,
    without_autocast,
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend to be a machine with these devices."""

    def pretend(cuda: int = 0, mps: bool = False, capability: tuple[int, int] = (9, 0)) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index=None: f"GPU {index or 0}")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index=None: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


def test_the_best_device_is_taken(machine: Callable[..., None]) -> None:
    machine(cuda=1, mps=True)
    assert detect_device() == Device("cuda", "GPU 0", True)
    machine(cuda=1, capability=(7, 5))
    assert detect_device().half_precision is False
    machine(mps=True)
    assert detect_device() == Device("mps", "Apple GPU", False)
    machine()
    device = detect_device()
    assert (device.type, device.half_precision) == ("cpu", False) and device.name


def test_a_device_by_name(machine: Callable[..., None]) -> None:
    machine(cuda=2)
    assert resolve_device(None) == resolve_device("auto") == resolve_device("cuda") == detect_device()
    assert str(resolve_device("cuda:1")) == "cuda:1" and resolve_device("cuda:1").name == "GPU 1"
    assert resolve_device("cpu").torch == torch.device("cpu")
    assert str(resolve_device("cpu")) == "cpu" and resolve_device("cuda").torch == torch.device("cuda")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:x", "cuda:-1", "cuda:²", "CPU"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown device .*expected auto, cuda, mps, cpu"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["cuda:2", "mps", "cpu:1"])
def test_an_unavailable_device_is_refused(name: str, machine: Callable[..., None]) -> None:
    machine(cuda=2)
    with pytest.raises(ConfigError, match=f"'{name}' is not available here: .* have cuda .2., cpu .1."):
        resolve_device(name)


def flushes() -> bool:
    return float(torch.tensor([1e-40], dtype=torch.float32).mul(1)) == 0.0


@pytest.fixture(params=[False, True], ids=["denormals kept", "denormals flushed"])
def flushing(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = flushes()
    if not torch.set_flush_denormal(request.param):
        pytest.skip("this processor does not flush denormals")
    yield request.param
    torch.set_flush_denormal(before)


@pytest.mark.parametrize("fails", [False, True])
def test_denormals_are_flushed_in_the_block_alone(fails: bool, flushing: bool) -> None:
    try:
        with flushed_denormals():
            assert flushes()
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert flushes() is flushing and (sys.float_info.min / 2 == 0.0) is flushing


def test_without_autocast_products_are_as_exact_as_their_tensors() -> None:
    x = torch.full((4, 4), 1 + 2**-12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        assert without_autocast(torch.matmul)(x, x).dtype == torch.float32
        assert torch.is_autocast_enabled("cpu")


def test_one_thread_is_for_the_block_alone() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with one_thread(True):
            assert torch.get_num_threads() == 1
        with one_thread(False):
            assert torch.get_num_threads() == 2
        with pytest.raises(KeyError), one_thread(True):
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_other_threads_compute_on_as_many_as_before() -> None:
    before, counts = torch.get_num_threads(), []

    def ask() -> None:  # the first question of a new thread, as a run asks it: never while another one sets its own
        counts.append(thread_count())

    torch.set_num_threads(3)
    try:
        with one_thread(True):
            in_a_thread(ask)
            assert torch.get_num_threads() == 1
            list(side_by_side(lambda _: in_a_thread(ask), range(2)))
        list(side_by_side(lambda _: in_a_thread(ask), range(2)))
        assert counts == [3] * 5 and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def in_a_thread(work: Callable[[], Any]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_parts_side_by_side_come_in_order() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen: set[str] = set()

        def work(part: int) -> tuple[int, int]:
            seen.add(threading.current_thread().name)
            time.sleep(0.01 * (5 - part))  # the first takes longest
            return part, torch.get_num_threads()

        assert list(side_by_side(work, range(5))) == [(part, 1) for part in range(5)]
        assert len(seen) == 2 and torch.get_num_threads() == 2
        for parts, wanted in ((range(5), False), (range(1), True)):
            seen.clear()
            assert [part for part, _ in side_by_side(work, parts, wanted)] == list(parts)
            assert seen == {threading.current_thread().name}
    finally:
        torch.set_num_threads(before)


def test_an_error_beside_others_is_raised_and_the_rest_not_begun() -> None:
    before, begun = torch.get_num_threads(), []
    torch.set_num_threads(2)

    def work(part: int) -> int:
        begun.append(part)
        time.sleep(0.01)
        raise KeyError(part)

    try:
        with pytest.raises(KeyError, match="0"):
            list(side_by_side(work, range(100)))
        assert len(begun) < 100 and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
