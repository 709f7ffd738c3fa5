"""Greedy or sampled decoding of many prompts at once, with a key-value cache.

Sizes: N prompts, P prompt tokens, L completion tokens, V vocabulary. Nothing here knows what a token stands for, but the
padding and the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from calcgpt.model.gpt import GPT, KVCache

CHUNK = 512  # prompts decoded together; more leave the processor's caches and take longer


@dataclass
class Completions:
    """What a model wrote after N prompts.

    tokens: (N, L) ids without the end token, padding after it. lengths: (N,) tokens before the end. ended: (N,) whether the
    end was written. log_probabilities: (N, L + 1) of each chosen token, the end among them; 0 after it.
    """

    tokens: Tensor
    lengths: Tensor
    ended: Tensor
    log_probabilities: Tensor


@torch.inference_mode()
def decode(
    model: GPT,
    prompts: Tensor,
    lengths: Tensor,
    max_new: int | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Completions:
    """Complete each prompt until the model writes its end, or has no position left.

    Prompts of one length are decoded together, so a prompt's completion does not depend on its neighbours.

    Args:
        model: in evaluation mode.
        prompts: (N, P) ids, padded on the right. lengths: (N,) their lengths, at least 1.
        max_new: most tokens to write, the end counted; without it as many as there are positions.
        temperature: 0 takes the most probable token; above, tokens are drawn from softmax(logits / temperature).
        seed: of the draws; without it torch's global generator.
        progress: called with how many prompts are done, of how many.

    Raises:
        ValueError: a prompt leaves no position to write in, or the temperature is negative or not finite.
    """
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be a finite number of 0 or more, not {temperature}")
    limit = model.config.max_length
    longest = int(lengths.max()) if len(lengths) else 0
    if longest >= limit:
        raise ValueError(f"a prompt of {longest} tokens leaves no room: the model has {limit} positions")
    space = min(max_new or limit, limit)
    choose = _Chooser(model, temperature, seed)
    size = len(prompts)
    tokens = torch.full((size, space), model.config.pad_id)
    log_probabilities = torch.zeros(size, space)
    done = 0
    for rows, length in _chunks(lengths):
        _complete(choose, prompts[rows, :length], min(space, limit - length), rows, tokens, log_probabilities)
        done += len(rows)
        if progress:
            progress(done, size)
    return _gather(tokens, log_probabilities, model.config.pad_id, model.config.end_id)


class _Chooser:
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
        scores = logits.log_softmax(-1)
        if not self.temperature:
            best, token = scores.max(-1)
            return token, best
        shares = (logits / self.temperature).softmax(-1)
        token = torch.multinomial(shares, 1, generator=self.generator)
        return token[:, 0], scores.gather(1, token)[:, 0]


def _chunks(lengths: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Rows that share a length, at most CHUNK at a time."""
    for length in torch.unique(lengths).tolist():
        rows = (lengths == length).nonzero()[:, 0]
        for chunk in rows.split(CHUNK):
            yield chunk, length


def _complete(
    choose: _Chooser, prompts: Tensor, space: int, rows: Tensor, tokens: Tensor, log_probabilities: Tensor
) -> None:
    """Write the completions of prompts (n, P) of one length into `tokens` and `log_probabilities` at `rows`."""
    model = choose.model
    device = model.device
    size, length = prompts.shape
    cache = KVCache(model.config, size, length + space, device, model.wte.weight.dtype)
    prompts = prompts.to(device)
    positions = torch.arange(length, device=device).expand(size, length)
    last = torch.arange(1, size + 1, device=device) * length - 1
    hidden = model.trunk(prompts.flatten(), positions.flatten(), cache, last)
    cache.used = length
    for place in range(space):
        token, score = choose(model.head(hidden))
        tokens[rows, place], log_probabilities[rows, place] = token.cpu(), score.cpu()
        going = token != model.config.end_id
        if place + 1 == space or not bool(going.any()):
            return
        if not bool(going.all()):
            cache.keep(going)
            token, rows = token[going], rows[going.cpu()]
        position = torch.full_like(token, cache.used)
        hidden = model.trunk(token, position, cache)
        cache.used += 1


def _gather(tokens: Tensor, log_probabilities: Tensor, pad_id: int, end_id: int) -> Completions:
    ends = tokens == end_id
    ended = ends.any(1)
    written = (tokens != pad_id).sum(1)
    lengths = torch.where(ended, ends.int().argmax(1), written)
    tokens = tokens.masked_fill(ends, pad_id)
    width = int(lengths.max()) if len(lengths) else 0
    return Completions(tokens[:, :width], lengths, ended, log_probabilities[:, : width + 1])
