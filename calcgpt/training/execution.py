"""How a run computes: precision and compilation, by a fixed rule that is recorded with the run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from calcgpt.model.gpt import GPT, GPTOutput
from calcgpt.runtime.device import Device
from calcgpt.training.config import TrainingConfig

logger = logging.getLogger(__name__)


@dataclass
class Execution:
    """Precision ("float32" or "bfloat16") and the compiled model, where there is one; `reason` says why so."""

    device: Device
    precision: str
    compiled: Callable[..., GPTOutput] | None
    reason: str

    def notes(self, config: TrainingConfig) -> list[str]:
        """What a config asked for and does not get, or gets without having asked for it."""
        notes = []
        if self.compiled is None and (config.compile or (config.compile is None and self.device.type == "cuda")):
            notes.append(f"runs without torch.compile: {self.reason.removeprefix('off: ')}")
        elif self.compiled is not None and config.compile is None:
            notes.append("runs with torch.compile, as on every CUDA device")
        if self.precision != "float32" and config.precision is None:
            notes.append(f"computes in {self.precision}, which is faster on this device")
        return notes

    def autocast(self) -> AbstractContextManager[Any]:
        """What a forward pass runs in."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def facts(self) -> dict[str, Any]:
        """What run.json records."""
        facts = {"precision": self.precision, "compile": self.compiled is not None, "compile_reason": self.reason}
        return {**facts, "threads": torch.get_num_threads()}


def plan(config: TrainingConfig, device: Device, model: GPT) -> Execution:
    """The rule: bfloat16 where the device gains from it, compilation on CUDA, and what the config says before both.

    On a CPU compiling takes longer than many a run here, and the eager step leaves out padding and every row that the
    loss does not look at, which a step of fixed shape cannot.
    """
    precision = config.precision or ("bfloat16" if device.half_precision else "float32")
    if config.compile is False or (config.compile is None and device.type != "cuda"):
        return Execution(device, precision, None, "asked for" if config.compile is False else f"off on {device.type}")
    if model.config.dropout:
        return Execution(device, precision, None, "off: dropout draws from the run's own generator")
    if not model.config.positions.plain:
        return Execution(device, precision, None, "off: what attention sees depends on each batch's shape")
    try:
        compiled = _compiled(model, precision, device)
    except Exception as error:  # whatever a missing or broken compiler raises: eager gives the same numbers
        reason = f"no working compiler: {(str(error) or type(error).__name__).splitlines()[0]}"
        logger.info("going on without torch.compile: %s", reason)
        return Execution(device, precision, None, reason)
    return Execution(device, precision, compiled, "asked for" if config.compile else "on for cuda")


def _compiled(model: GPT, precision: str, device: Device) -> Callable[..., GPTOutput]:
    """Compile and try once, forward and backward: the compiler is first called by the first call."""
    compiled = torch.compile(model)
    tokens = torch.zeros(2, min(2, model.config.max_length), dtype=torch.int64, device=device.torch)
    with Execution(device, precision, None, "").autocast():
        loss = compiled(tokens, tokens).loss
    loss.backward()
    model.zero_grad(set_to_none=True)
    return compiled
