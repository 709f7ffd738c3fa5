"""Choosing the next token, and what is kept of a completion: shared by every way of decoding."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from calcgpt.arithmetic.hashing import mix_with_seed
from calcgpt.errors import MOST_SEED, ConfigError, check_seed, shown_value
from calcgpt.model.gpt import GPT

FEW = 32  # sequences below which one thread decodes as fast as more


@dataclass
class Completions:
    """What a model wrote after N prompts.

    tokens: (N, L) ids without the end token, padding after it. lengths: (N,) tokens before the end. ended: (N,) whether
    the end was written. log_probabilities: (N, L + 1) of each chosen token, the end among them; 0 after it.
    """

    tokens: Tensor
    lengths: Tensor
    ended: Tensor
    log_probabilities: Tensor


class Chooser:
    """Takes the next token from logits: (N, V) -> tokens (N,) and their log-probabilities (N,).

    A draw depends on the seed, the number of its problem and how many tokens that has, and on nothing else: so a
    problem is answered alike in a batch of any size, on any number of threads.

    Args:
        model: whose logits they are.
        temperature: 0 takes the most probable token; above, tokens are drawn from softmax(logits / temperature).
        seed: of the draws; without it one is drawn from torch's global generator.

    Raises:
        ConfigError: the temperature is negative or not finite, or the seed is not 0 to 2^63 - 1.
    """

    def __init__(self, model: GPT, temperature: float = 0.0, seed: int | None = None):
        good = isinstance(temperature, Real) and not isinstance(temperature, bool)
        if not good or not 0 <= temperature < float("inf"):
            raise ConfigError(f"temperature must be a finite number of 0 or more, not {shown_value(temperature)}")
        if seed is not None:
            check_seed(seed)
        # Beyond these nothing changes any more: only the most probable tokens are drawn, or all alike.
        self.model, self.temperature = model, float(min(max(temperature, 1e-30), 1e30)) if temperature else 0.0
        self.seed, self._calls = seed or 0, 0
        if temperature and seed is None:
            self.seed = int(torch.randint(MOST_SEED, (1,), device="cpu"))

    def __call__(
        self, logits: Tensor, rows: np.ndarray | None = None, step: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Take a token for each row.

        Args:
            logits: (N, V); padding is made impossible in them.
            rows: (N,) numbers of the problems; without them 0 to N - 1.
            step: how many tokens they have; without it how often this was called.
        """
        logits = logits.float()
        # Padding is no text; a model that was never trained on it might yet prefer it.
        logits[:, self.model.config.pad_id] = float("-inf")
        columns = logits.T.contiguous().log_softmax(0)  # (V, N): short rows are slow on a processor
        if not self.temperature:
            best, token = columns.max(0)
            return token, best
        step, self._calls = self._calls if step is None else step, self._calls + 1
        numbers = self._numbers(np.arange(len(logits)) if rows is None else rows, step)
        shares = ((logits - logits.amax(1, keepdim=True)) / self.temperature).softmax(-1).cpu().double().cumsum(-1)
        target = torch.from_numpy(numbers)[:, None] * shares[:, -1:]
        token = (shares < target).sum(-1).to(logits.device)  # the first whose share reaches so far
        return token, columns.T.gather(1, token[:, None])[:, 0]

    def _numbers(self, rows: np.ndarray, step: int) -> np.ndarray:
        """A number between 0 and 1 for each problem's token."""
        words = mix_with_seed(mix_with_seed(rows.astype(np.uint64), self.seed), step)
        return np.asarray(((words >> np.uint64(12)) + 0.5) / 2**52)


def gather(tokens: Tensor, log_probabilities: Tensor, pad_id: int, end_id: int) -> Completions:
    ends = tokens == end_id
    ended = ends.any(1)
    written = (tokens != pad_id).sum(1)
    lengths = torch.where(ended, ends.int().argmax(1), written)
    tokens = tokens.masked_fill(ends, pad_id)
    width = int(lengths.max()) if len(lengths) else 0
    return Completions(tokens[:, :width], lengths, ended, log_probabilities[:, : width + 1])
