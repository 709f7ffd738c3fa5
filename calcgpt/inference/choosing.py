"""Choosing the next token, and what is kept of a completion: shared by every way of decoding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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
    """Takes the next token from logits: (N, V) -> tokens (N,) and their log-probabilities (N,)."""

    def __init__(self, model: GPT, temperature: float, seed: int | None):
        self.model, self.temperature = model, temperature
        self.generator = None
        if seed is not None:
            self.generator = torch.Generator(model.device).manual_seed(seed)

    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        logits = logits.float()
        # Padding is no text; a model that was never trained on it might yet prefer it.
        logits[:, self.model.config.pad_id] = float("-inf")
        columns = logits.T.contiguous().log_softmax(0)  # (V, N): short rows are slow on a processor
        if not self.temperature:
            best, token = columns.max(0)
            return token, best
        shares = (logits / self.temperature).softmax(-1)
        token = torch.multinomial(shares, 1, generator=self.generator)
        return token[:, 0], columns.T.gather(1, token)[:, 0]


def gather(tokens: Tensor, log_probabilities: Tensor, pad_id: int, end_id: int) -> Completions:
    ends = tokens == end_id
    ended = ends.any(1)
    written = (tokens != pad_id).sum(1)
    lengths = torch.where(ended, ends.int().argmax(1), written)
    tokens = tokens.masked_fill(ends, pad_id)
    width = int(lengths.max()) if len(lengths) else 0
    return Completions(tokens[:, :width], lengths, ended, log_probabilities[:, : width + 1])
