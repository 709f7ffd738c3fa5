"""Layouts: how the rows that a model computes form sequences, in training and in decoding.

Sizes: B batch, T tokens, C channels, H heads, D = C / H, N rows (tokens that are computed, of all sequences).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from calcgpt.model.config import GPTConfig
from calcgpt.model.positions import PositionEncoding, scale, sight
from calcgpt.tokens.places import Places

if TYPE_CHECKING:
    from calcgpt.model.gpt import GPT

IGNORE = -100  # the label of a token that bears no loss
_FEW = 16  # sequences up to which the calls of decoding cost more than the products


class Layout(Protocol):
    """How rows form sequences: takes queries, keys and values of one layer, gives what attention gathers.

    Where `rows` are given, only theirs is asked for: (N, 3C) -> (N, C), or (len(rows), C).
    """

    def attend(self, qkv: Tensor, num_heads: int, layer: int, rows: Tensor | None) -> Tensor: ...


class Padded:
    """Rows are B sequences of T tokens each, one after the other; later tokens see earlier ones."""

    def __init__(self, size: int, length: int):
        self.shape = (size, length)

    def attend(self, qkv: Tensor, num_heads: int, layer: int, rows: Tensor | None) -> Tensor:
        query, key, value = _heads(qkv.view(*self.shape, -1), num_heads)
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)  # (B, H, T, D)
        y = attended.transpose(1, 2).reshape(qkv.shape[0], -1)
        return y if rows is None else y.index_select(0, rows)


class Ragged:
    """Rows are the tokens of B sequences of different lengths, without their padding.

    Args:
        kept: (B, T), true where a token is computed; the true ones of a sequence come first.
    """

    def __init__(self, kept: Tensor):
        self.padded = Padded(*kept.shape)
        self.rows = kept.flatten().nonzero()[:, 0]  # (N,) where a row stands among B * T
        self.total = kept.numel()

    def attend(self, qkv: Tensor, num_heads: int, layer: int, rows: Tensor | None) -> Tensor:
        # What stands in the padding is never looked at: it comes after every token of its sequence.
        padded = qkv.new_zeros(self.total, qkv.shape[1]).index_copy(0, self.rows, qkv)
        return self.padded.attend(padded, num_heads, layer, self.rows if rows is None else self.rows[rows])


class LossBatch:
    """A batch as the loss needs it: the rows to compute and, of those, the ones that predict a label.

    Args:
        input_ids: (B, T) token ids, right-padded.
        labels: (B, T), unshifted, -100 where a token bears no loss.

    Raises:
        ValueError: no label bears a loss.
    """

    def __init__(self, input_ids: Tensor, labels: Tensor):
        wanted = labels[:, 1:] != IGNORE  # (B, T-1): is there a loss on what this token predicts?
        # A token is needed when it, or a later one of its sequence, predicts a label.
        needed = wanted.flip(1).cumsum(1).flip(1) > 0
        length = int(needed.any(0).sum())
        if not length:
            raise ValueError("no label bears a loss; check maxlen and where the answers stand")
        wanted, needed, inputs = wanted[:, :length], needed[:, :length], input_ids[:, :length]
        self.targets = labels[:, 1 : length + 1][wanted]
        positions = torch.arange(length, device=inputs.device).expand_as(inputs)
        if bool(needed.all()):
            self.layout: Layout = Padded(*inputs.shape)
            self.tokens, self.positions = inputs.flatten(), positions.flatten()
            self.rows = wanted.flatten().nonzero()[:, 0]
        else:
            self.layout = Ragged(needed)
            self.tokens, self.positions = inputs[needed], positions[needed]
            self.rows = wanted[needed].nonzero()[:, 0]

    def inputs(self, model: GPT) -> tuple[Tensor, Layout, Tensor]:
        """What `GPT.trunk` takes."""
        return model.embed(self.tokens, self.positions), self.layout, self.rows


class PlacedBatch:
    """A batch whose sequences all have the same places, as the loss needs it.

    Args:
        input_ids: (B, T) token ids.
        labels: (B, T), unshifted, -100 where a token bears no loss; None where there is none to compute.
        places: of the tokens, T or more.
        offset: (B,) what each sequence's ids are moved by, or None.
    """

    def __init__(self, input_ids: Tensor, labels: Tensor | None, places: Places, offset: Tensor | None = None):
        self.places, self.offset, self.start = places, offset, 0
        self.tokens, self.rows = input_ids, None
        if labels is not None:
            wanted = (labels[:, 1:] != IGNORE).any(0).nonzero()[:, 0]
            if not len(wanted):
                raise ValueError("no label bears a loss; check maxlen and where the answers stand")
            self.start, stop = int(wanted[0]), int(wanted[-1]) + 1
            self.tokens = input_ids[:, :stop]
            self.targets = labels[:, self.start + 1 : stop + 1].flatten()
            grid = torch.arange(len(input_ids) * stop, device=input_ids.device).view(-1, stop)
            self.rows = grid[:, self.start :].flatten()

    def inputs(self, model: GPT) -> tuple[Tensor, Layout, Tensor | None]:
        """What `GPT.trunk` takes."""
        size, length = self.tokens.shape
        x, added = model.wte(self.tokens), model.positions.embed(self.places, self.offset, length)
        x = x if added is None else x + added
        first = self.start if len(model.h) == 1 else 0
        scores = model.positions.matrix(sight(self.places, first, length, self.tokens.device))
        return x.flatten(0, 1), Placed(model.positions, self.places, scores, size, self.start), self.rows


class Placed:
    """Rows are B sequences of T tokens each that see each other as their places and a scheme say.

    Args:
        encoding: of the model. places: of the tokens. size: B.
        scores: (H or 1, Q, T) what the products of the last Q queries are raised by, minus infinity where they see
            nothing. start: from which token on the last layer is asked.
    """

    def __init__(self, encoding: PositionEncoding, places: Places, scores: Tensor, size: int, start: int):
        self.encoding, self.places, self.scores, self.size, self.start = encoding, places, scores, size, start

    def attend(self, qkv: Tensor, num_heads: int, layer: int, rows: Tensor | None) -> Tensor:
        size, length = self.size, self.scores.shape[2]
        query, key, value = qkv.view(size, length, 3, num_heads, -1).unbind(2)  # (B, T, H, D) each
        first = self.start if rows is not None else 0
        query = self.encoding.rotate(query[:, first:], self.places.asks[first:length])
        key = self.encoding.rotate(key, self.places.ids[:length], self.places.anywhere[:length])
        scores = self.scores[:, self.scores.shape[1] - query.shape[1] :]
        products = torch.matmul(query.transpose(1, 2) * scale(query.shape[3]), key.permute(0, 2, 3, 1))  # (B, H, Q, T)
        weights = (products + scores).softmax(-1)
        return torch.matmul(weights, value.transpose(1, 2)).transpose(1, 2).reshape(-1, qkv.shape[1] // 3)


class KVCache:
    """Keys and values of what was decoded so far, filled up to `used`: (layers, B, length, C)."""

    def __init__(self, config: GPTConfig, size: int, length: int, device: torch.device, dtype: torch.dtype):
        shape = (config.num_layers, size, length, config.embedding_dim)
        self.keys = torch.empty(shape, device=device, dtype=dtype)
        self.values = torch.empty(shape, device=device, dtype=dtype)
        self.used = 0
        # (H, C): which channels are a head's.
        head = torch.arange(config.num_heads, device=device)
        channel = torch.arange(config.embedding_dim, device=device)
        depth = config.embedding_dim // config.num_heads
        self._own = (channel // depth == head[:, None]).to(dtype)
        self._scaled = self._own / math.sqrt(depth)

    def attend(self, qkv: Tensor, num_heads: int, layer: int, rows: Tensor | None) -> Tensor:
        """Rows are B sequences' next tokens; as a layout, it keeps their keys and values and sees all before them.

        A cache takes all of its prompt at once, or one token at a time; `rows` are then the last of each sequence,
        or none.
        """
        size, width = self.keys.shape[1], self.keys.shape[3]
        qkv = qkv.view(size, -1, 3 * width)
        end = self.used + qkv.shape[1]
        assert qkv.shape[1] == 1 or not self.used, "a cache takes a whole prompt first, then one token at a time"
        query, self.keys[layer, :, self.used : end], self.values[layer, :, self.used : end] = qkv.split(width, 2)
        if rows is None and qkv.shape[1] > 1:
            return Padded(*qkv.shape[:2]).attend(qkv.reshape(-1, 3 * width), num_heads, layer, None)
        asked = size if rows is None else len(rows)
        return self._attend_last(query[:asked, -1], self.keys[layer, :asked, :end], self.values[layer, :asked, :end])

    def _attend_last(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:  # (B, C), 2 x (B, T, C) -> (B, C)
        heads = len(self._own)
        if len(query) < _FEW:
            split = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query[:, None], keys, values)]
            return F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(1)
        # One product a sequence instead of one a head: each head's query is 0 in the channels of the others. For
        # lengths and widths as small as here that is faster than a kernel that goes head by head.
        queries = query[:, None] * self._scaled  # (B, H, C)
        weights = small_softmax(torch.bmm(queries, keys.transpose(1, 2)))  # (B, H, T)
        return (torch.bmm(weights, values) * self._own).sum(1)

    def select(self, rows: Tensor) -> None:
        """Go on with these sequences, one of them perhaps several times."""
        self.keys, self.values = self.keys.index_select(1, rows), self.values.index_select(1, rows)


def small_softmax(scores: Tensor) -> Tensor:
    """softmax over a short last axis: on a processor much faster along the first one, where it works in vectors."""
    columns = scores.flatten(0, -2).T.contiguous()
    return columns.softmax(0).T.contiguous().view_as(scores)


def _heads(qkv: Tensor, num_heads: int) -> tuple[Tensor, Tensor, Tensor]:  # (B, T, 3C) -> 3 x (B, H, T, D)
    size, length, width = qkv.shape
    query, key, value = qkv.view(size, length, 3, num_heads, width // (3 * num_heads)).permute(2, 0, 3, 1, 4)
    return query, key, value
