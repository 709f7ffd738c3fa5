"""Devices, and the global state that is left as it was."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.errors import ConfigError
from calcgpt.runtime.device import (
    Device,
    detect_device,
    one_thread,
    preserved_state,
    resolve_device,
    side_by_side,
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


def disturb() -> None:
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_default_dtype(torch.float64)
    torch.set_flush_denormal(not flushes())


def flushes() -> bool:
    return float(torch.tensor([1e-40], dtype=torch.float32).mul(1)) == 0.0


def observed() -> list[Any]:
    settings = [torch.get_num_threads(), torch.get_default_dtype(), flushes()]
    return [random.random(), float(np.random.rand()), float(torch.rand(1, dtype=torch.float32)), *settings]


@pytest.fixture(params=[False, True], ids=["denormals kept", "denormals flushed"])
def flushing(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = flushes()
    if not torch.set_flush_denormal(request.param):
        pytest.skip("this processor does not flush denormals")
    yield request.param
    torch.set_flush_denormal(before)


@pytest.mark.parametrize("fails", [False, True])
def test_the_global_state_is_as_before(fails: bool, flushing: bool) -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = observed()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    try:
        with preserved_state():
            disturb()
            assert flushes() is not flushing
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert observed() == expected
    assert flushes() is flushing and (sys.float_info.min / 2 == 0.0) is flushing


def test_cuda_that_sleeps_is_not_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: pytest.fail("this would start CUDA"))
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    torch.manual_seed(123)
    seeds.clear()
    with preserved_state():
        torch.manual_seed(7)
    assert seeds[-1] == 123


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("fails", [False, True])
def test_cuda_is_as_before(fails: bool) -> None:
    torch.cuda.manual_seed_all(5)
    expected = torch.rand(3, device="cuda")
    torch.cuda.manual_seed_all(5)
    try:
        with preserved_state():
            torch.manual_seed(9)
            torch.rand(3, device="cuda")
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert torch.equal(torch.rand(3, device="cuda"), expected)


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
