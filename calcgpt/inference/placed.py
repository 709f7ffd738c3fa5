"""Greedy or sampled decoding of problems of one shape, whose places say what each token sees.

With a window a token looks at the few keys that its places name, so it costs the same wherever it stands. Sizes: N
prompts, P prompt tokens, T tokens in all, C channels, H heads, D = C / H, K keys that a token sees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calcgpt.inference.choosing import FEW, Chooser, Completions, gather
from calcgpt.inference.slots import STRETCH, Slots, Stretch, TimeUp, slots
from calcgpt.inference.watch import Watch
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.model.positions import CPU_FLOAT32, PositionEncoding, Sight, scale
from calcgpt.runtime.device import one_thread, side_by_side, without_autocast
from calcgpt.tokens.places import Neighbours, Places

_CACHED = 2**28  # bytes of keys and values that are held at a time
_READ = 2**28  # bytes that reading prompts takes, at most
_TOUCHED = 2**25  # bytes that a token of all sequences touches: more leave the processor's caches, and take longer
_FEWEST = 32  # sequences from which on the products take longer than the calls
_BLOCK = 256  # queries of a prompt that look at their keys together
_SCORES = 2**26  # bytes of their scores, at most


@without_autocast
@torch.inference_mode()
def decode_placed(
    choose: Chooser,
    prompts: Tensor,
    places: Places,
    space: int,
    progress: Callable[[int], None] | None = None,
    rows: np.ndarray | None = None,
    watch: Watch | None = None,
) -> Completions:
    """Complete prompts (N, P), all of one shape, with at most `space` tokens, the end counted.

    Args:
        choose: what takes tokens. prompts, places: of one shape. space: most tokens.
        progress: called with how many prompts are done.
        rows: (N,) the problems' numbers, for draws.
        watch: counts tokens, and ends what takes too long: it is then cut where it is.
    """
    config = choose.model.config
    found = write_placed(choose, prompts, places, space, progress, rows, watch)
    return gather(*found, config.pad_id, config.end_id)


def write_placed(
    choose: Chooser,
    prompts: Tensor,
    places: Places,
    space: int,
    progress: Callable[[int], None] | None = None,
    rows: np.ndarray | None = None,
    watch: Watch | None = None,
) -> tuple[Tensor, Tensor]:
    """`decode_placed` as it is written: tokens and their log-probabilities, (N, space), padding and 0 after the end."""
    size, length = prompts.shape
    space, device = min(space, len(places) - length), choose.model.device
    choose.model.positions.check(places, length + space)
    tokens = torch.full((size, space), choose.model.config.pad_id, device="cpu")
    log_probabilities = torch.zeros(size, space, **CPU_FLOAT32)
    watch, rows = watch or Watch(), np.arange(size) if rows is None else rows
    try:
        plan = slots(places, length, length + space, device, watch)
    except TimeUp:
        return tokens, log_probabilities
    step = _at_once(choose.model.config, plan)
    parts = [slice(start, min(start + step, size)) for start in range(0, size, step)]

    @torch.inference_mode()  # which each thread begins for itself
    def write(part: slice) -> int:
        if not watch.expired:
            asked = prompts[part].to(device), rows[part]
            _complete(choose, *asked, plan, tokens[part], log_probabilities[part], watch)
        return part.stop

    with one_thread(size < FEW and len(parts) < 2):
        for done in side_by_side(write, parts, device.type == "cpu"):
            if progress:
                progress(done)
    return tokens, log_probabilities


def _at_once(config: GPTConfig, plan: Slots) -> int:
    """How many sequences are decoded together: as many as the memory has room for and the caches can serve."""
    row = 4 * config.embedding_dim  # bytes of a key
    held, read = 2 * config.num_layers * row * plan.count, 6 * row * plan.prompt
    touched = row * (4 * plan.most + 8) + 8 * config.feedforward_dim
    return max(1, min(_CACHED // held, _READ // read, max(_FEWEST, _TOUCHED // touched)))


def _complete(
    choose: Chooser,
    prompts: Tensor,
    rows: np.ndarray,
    plan: Slots,
    tokens: Tensor,
    log_probabilities: Tensor,
    watch: Watch,
) -> None:
    """Write the completions of prompts (n, P) into `tokens` and `log_probabilities` (n, space)."""
    model, (size, length), space = choose.model, prompts.shape, tokens.shape[1]
    cache = PlacedCache(model, plan, size)
    last = torch.arange(1, size + 1, device=model.device) * length - 1
    added = model.positions.embed(plan.places, stop=length)
    x = model.wte(prompts) if added is None else model.wte(prompts) + added
    hidden = model.trunk(x.flatten(0, 1), cache, last)
    going = torch.ones(size, dtype=torch.bool, device=model.device)
    for place in range(space):
        cache.used = length + place
        token, score = choose(model.head(hidden), rows, place)
        tokens[:, place] = torch.where(going, token, model.config.pad_id).cpu()
        log_probabilities[:, place] = torch.where(going, score, 0.0).cpu()
        watch.wrote(size)
        going &= token != model.config.end_id
        if place + 1 == space or watch.expired or not bool(going.any()):
            watch.wrote(size * (space - place - 1))
            return
        at = place % STRETCH
        if not at:
            added = model.positions.embed(plan.places, stop=length + place + STRETCH, start=length + place)
        x = model.wte(token) if added is None else model.wte(token) + added[at]
        hidden = model.trunk(x, cache)


class PlacedCache:
    """Keys and values of N sequences of the same places, `used` of whose tokens were read: (layers, slots, N, C).

    As a layout it takes a whole prompt first, then one token at a time. A token's keys of all sequences stand together,
    because they are written and read together.
    """

    def __init__(self, model: GPT, plan: Slots, size: int):
        config, places = model.config, plan.places
        shape = config.num_layers, plan.count, size, config.embedding_dim
        self.encoding: PositionEncoding = model.positions
        self.plan, self.places, self.used, self.device = plan, places, 0, model.device
        self.keys = torch.empty(shape, device=model.device, dtype=model.wte.weight.dtype)
        self.values = torch.empty_like(self.keys)
        self._neighbours = Neighbours(places)
        self._prompt: dict[int, Sight] = {}
        self._stretch: Stretch | None = None

    def attend(self, qkv: Tensor, num_heads: int, layer: int, rows: Tensor | None) -> Tensor:
        """`rows` are the last of each sequence, or none."""
        size, width = self.keys.shape[2:]
        qkv = qkv.view(size, -1, 3, num_heads, width // num_heads)
        start, stop = self.used, self.used + qkv.shape[1]
        query, key, value = qkv.unbind(2)
        key = self.encoding.rotate(key, self.places.ids[start:stop], self.places.anywhere[start:stop])
        at = int(self.plan.of[start])  # a prompt has the first slots
        at_once = slice(at, at + stop - start)
        self.keys[layer, at_once] = key.flatten(2).transpose(0, 1)
        self.values[layer, at_once] = value.flatten(2).transpose(0, 1)
        first = start if rows is None else stop - 1
        query = self.encoding.rotate(query[:, first - start :], self.places.asks[first:stop])
        if stop - first == 1:
            return self._one(query[:, 0], layer, first)
        block = max(1, min(_BLOCK, _SCORES // (8 * num_heads * stop)))
        blocks = [self._many(part, layer, first + number * block) for number, part in enumerate(query.split(block, 1))]
        return torch.cat(blocks, 1).flatten(0, 1)

    def _one(self, query: Tensor, layer: int, token: int) -> Tensor:  # (N, H, D) -> (N, C)
        if self._stretch is None or not self._stretch.start <= token < self._stretch.stop:
            self._stretch = self.plan.stretch(token, self.encoding)
        keys, scores = self._stretch.seen(token)
        heads = query.shape[1]
        key, value = self.keys[layer], self.values[layer]
        if keys is None:
            key, value = key[: token + 1], value[: token + 1]
        else:
            key, value = key.index_select(0, keys), value.index_select(0, keys)
        key, value = (x.unflatten(2, (heads, -1)) for x in (key, value))  # (K, N, H, D)
        if keys is None:
            mask = None if scores is None else scores[None, :, None].expand(len(query), -1, -1, -1)
            attended = F.scaled_dot_product_attention(
                query[:, :, None], key.permute(1, 2, 0, 3), value.permute(1, 2, 0, 3), attn_mask=mask
            )
            return attended.flatten(1)
        # As few keys as a window leaves are faster multiplied one by one than in products of matrices.
        products = (query * key).sum(-1) * scale(query.shape[2])  # (K, N, H)
        weights = (products if scores is None else products + scores.T[:, None]).softmax(0)
        return (weights[..., None] * value).sum(0).flatten(1)

    def _prompt_sight(self, start: int, stop: int) -> Sight:
        """What a block of the prompt sees: looked up once, for all layers."""
        if start not in self._prompt:
            found = self._neighbours.see(start, stop)
            self._prompt[start] = Sight(self.places, start, stop, self.device, found)
        return self._prompt[start]

    def _many(self, query: Tensor, layer: int, start: int) -> Tensor:  # (N, Q, H, D) -> (N, Q, C)
        stop, heads = start + query.shape[1], query.shape[2]
        scores = self.encoding.matrix(self._prompt_sight(start, stop))[None]
        key, value = (x[layer, :stop].unflatten(2, (heads, -1)) for x in (self.keys, self.values))  # (T, N, H, D)
        if self.places.windows is not None:  # only the keys that some query of the block sees
            near = scores[0, 0].isfinite().any(0).nonzero()[:, 0]
            key, value, scores = key[near], value[near], scores[..., near]
        key, value = key.permute(1, 2, 0, 3), value.permute(1, 2, 0, 3)
        mask = scores.expand(1, heads, -1, -1)
        attended = F.scaled_dot_product_attention(query.transpose(1, 2), key, value, attn_mask=mask)
        return attended.transpose(1, 2).flatten(2)
