"""Greedy or sampled decoding of many prompts at once, with a key-value cache.

Sizes: N prompts, P prompt tokens, L completion tokens, V vocabulary. Nothing here knows what a token
stands for, but the padding and the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from calcgpt.errors import UnsupportedProblem
from calcgpt.inference.choosing import FEW, Chooser, Completions, gather
from calcgpt.inference.placed import write_placed
from calcgpt.inference.watch import Watch
from calcgpt.model.gpt import GPT
from calcgpt.model.layouts import KVCache
from calcgpt.model.positions import CPU_FLOAT32
from calcgpt.runtime.device import one_thread, side_by_side, without_autocast
from calcgpt.tokens.places import place_sequence

CHUNK = 4096  # most prompts that are decoded together
_CACHED = 2**26  # bytes of their keys and values; many more leave the processor's caches and take longer
SHARING = 64  # prompts from which on looking for common beginnings pays


@without_autocast
@torch.inference_mode()
def decode(
    model: GPT,
    prompts: Tensor,
    lengths: Tensor,
    max_new: int | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    rows: np.ndarray | None = None,
    watch: Watch | None = None,
) -> Completions:
    """Complete each prompt until the model writes its end, or has no position left.

    Prompts of one length are decoded together, so a prompt's completion does not depend on its neighbours.

    Args:
        model: in evaluation mode.
        prompts: (N, P) ids, padded on the right. lengths: (N,) their lengths, at least 1.
        max_new: most tokens to write, the end counted; without it as many as there are positions.
        temperature, seed: how tokens are taken, as for `Chooser`.
        progress: called with how many prompts are done, of how many.
        rows: (N,) the problems' numbers, for draws; without them 0 to N - 1.
        watch: counts tokens, and ends what takes too long: it is then cut where it is.

    Raises:
        ConfigError: the temperature is negative or not finite, or the seed too large.
        UnsupportedProblem: a prompt leaves no position to write in.
    """
    choose = Chooser(model, temperature, seed)
    limit = model.config.max_length
    longest = int(lengths.max()) if len(lengths) else 0
    if longest >= limit:
        raise UnsupportedProblem(f"a prompt of {longest} tokens leaves no room: the model has {limit} positions")
    space = limit if max_new is None else min(max_new, limit)
    size, config = len(prompts), model.config
    tokens = torch.full((size, space), config.pad_id, device="cpu")
    log_probabilities = torch.zeros(size, space, **CPU_FLOAT32)
    watch, numbers = watch or Watch(), np.arange(size) if rows is None else rows
    held = 8 * config.num_layers * config.embedding_dim * min(limit, longest + space)  # bytes that a prompt takes
    done, chunks = 0, list(_chunks(prompts, lengths, max(SHARING, min(CHUNK, _CACHED // held))))
    on_threads = config.positions.plain and model.device.type == "cpu"
    with one_thread(on_threads and size < FEW):
        found = side_by_side(partial(_write, choose, prompts, numbers, space, watch), chunks, on_threads)
        for (chunk, _), (written, scores) in zip(chunks, found, strict=True):
            tokens[chunk, : written.shape[1]], log_probabilities[chunk, : written.shape[1]] = written, scores
            done += len(chunk)
            if progress:
                progress(done, size)
    return gather(tokens, log_probabilities, config.pad_id, config.end_id)


@torch.inference_mode()  # which each thread begins for itself
def _write(
    choose: Chooser, prompts: Tensor, numbers: np.ndarray, space: int, watch: Watch, chunk: tuple[Tensor, int]
) -> tuple[Tensor, Tensor]:
    """Tokens and their log-probabilities for the prompts of a chunk: its rows, and the length that they have."""
    rows, length = chunk
    part, own, config = prompts[rows, :length], numbers[rows.numpy()], choose.model.config
    room = min(space, config.max_length - length)
    if config.positions.plain:
        return _complete(choose, part, own, room, watch)
    return write_placed(
        choose, part, place_sequence(config.max_length, length, config.positions), room, None, own, watch
    )


def _chunks(prompts: Tensor, lengths: Tensor, most: int) -> Iterator[tuple[Tensor, int]]:
    """Rows that share a length, at most `most` at a time, neighbours beginning alike."""
    for length in torch.unique(lengths).tolist():
        rows = (lengths == length).nonzero()[:, 0]
        if len(rows) >= SHARING:
            order = np.lexsort(prompts[rows, :length].cpu().numpy().T[::-1])
            rows = rows[torch.from_numpy(order)]
        for chunk in rows.split(most):
            yield chunk, length


def _complete(choose: Chooser, prompts: Tensor, numbers: np.ndarray, space: int, watch: Watch) -> tuple[Tensor, Tensor]:
    """Tokens and their log-probabilities, (n, space) each, for prompts (n, P) of one length; padding and 0 after the
    end."""
    model, size = choose.model, len(prompts)
    tokens = torch.full((size, space), model.config.pad_id, device="cpu")
    log_probabilities = torch.zeros(size, space, **CPU_FLOAT32)
    if watch.expired:
        return tokens, log_probabilities
    rows = torch.arange(size, device="cpu")
    prompts = prompts.to(model.device)
    prefill = _prefill_shared if size >= SHARING else _prefill
    hidden, cache = prefill(model, prompts, space)
    for place in range(space):
        token, score = choose(model.head(hidden), numbers[rows.numpy()], place)
        tokens[rows, place], log_probabilities[rows, place] = token.cpu(), score.cpu()
        watch.wrote(len(rows))
        going = token != model.config.end_id
        if place + 1 == space or watch.expired or not bool(going.any()):
            watch.wrote(len(rows) * (space - place - 1))
            break
        if not bool(going.all()):
            left = going.nonzero()[:, 0]
            cache.select(left)
            watch.wrote((len(rows) - len(left)) * (space - place - 1))
            token, rows = token[left], rows[left.cpu()]
        hidden = _next(model, token, cache)
    return tokens, log_probabilities


def _prefill(model: GPT, prompts: Tensor, space: int) -> tuple[Tensor, KVCache]:
    """Read prompts (n, P) at once: the last token's hidden state (n, C), and the filled cache."""
    size, length = prompts.shape
    cache = KVCache(model.config, size, length + space, model.device, model.wte.weight.dtype)
    positions = torch.arange(length, device=model.device).expand(size, length)
    last = torch.arange(1, size + 1, device=model.device) * length - 1
    hidden = model.trunk(model.embed(prompts.flatten(), positions.flatten()), cache, last)
    cache.used = length
    return hidden, cache


def _prefill_shared(model: GPT, prompts: Tensor, space: int) -> tuple[Tensor, KVCache]:
    """`_prefill` token by token, each beginning that several neighbours share read once."""
    size, length = prompts.shape
    # Where a prompt first differs from the one before it, it and all its later tokens are its own.
    differs = torch.ones_like(prompts, dtype=torch.bool)
    differs[1:] = (prompts[1:] != prompts[:-1]).cumsum(1) > 0
    cache = KVCache(model.config, 1, length + space, model.device, model.wte.weight.dtype)
    groups = torch.zeros(size, dtype=torch.int64, device=model.device)  # the cached beginning of each prompt
    none = groups[:0]
    hidden = torch.empty(0, **CPU_FLOAT32)
    for place in range(length):
        first = differs[:, place].nonzero()[:, 0]
        if len(first) != cache.keys.shape[1]:
            cache.select(groups[first])
        groups = differs[:, place].cumsum(0) - 1
        hidden = _next(model, prompts[first, place], cache, none if place + 1 < length else None)
    if len(hidden) != size:  # some prompts are the same
        cache.select(groups)
        hidden = hidden[groups]
    return hidden, cache


def _next(model: GPT, token: Tensor, cache: KVCache, rows: Tensor | None = None) -> Tensor:
    """Read one more token (n,) of each sequence: its hidden state (n, C), or that of `rows`."""
    hidden = model.trunk(model.embed(token, torch.full_like(token, cache.used)), cache, rows)
    cache.used += 1
    return hidden
