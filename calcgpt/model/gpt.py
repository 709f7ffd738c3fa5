"""The GPT: embedding, blocks, head, and the key-value cache of decoding.

Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), section 2.3. Parameter names and layouts
are those of transformers' GPT-2, so that a state dict is the content of a model folder as it is.

Sizes: B batch, T tokens, C channels, H heads, D = C / H, V vocabulary, N rows (tokens that are computed, of all
sequences). Linear layers see one long list of rows (N, C); only attention knows which rows make a sequence, through a
*layout*. So padding, and the tokens whose output nobody looks at, cost nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calcgpt.errors import ModelFolderError
from calcgpt.model.config import GPTConfig

IGNORE = -100  # the label of a token that bears no loss
_FEW = 16  # sequences up to which the calls of decoding cost more than the products


@dataclass
class GPTOutput:
    """What a call of the model gives: `logits` (B, T, V), and `loss` (a scalar) where labels were given."""

    logits: Tensor
    loss: Tensor | None = None


class Layout(Protocol):
    """How rows form sequences: takes queries, keys and values of one layer, gives what attention gathers.

    Where `rows` are given, only theirs is asked for: (N, 3C) -> (N, C), or (len(rows), C).
    """

    def attend(self, qkv: Tensor, num_heads: int, layer: int, rows: Tensor | None) -> Tensor: ...


class Conv1D(nn.Module):
    """A linear layer whose weight is kept (in, out), as GPT-2 keeps it."""

    def __init__(self, size_in: int, size_out: int, std: float):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size_in, size_out).normal_(std=std))
        self.bias = nn.Parameter(torch.zeros(size_out))

    def forward(self, x: Tensor) -> Tensor:  # (N, in) -> (N, out)
        return torch.addmm(self.bias, x, self.weight)


class Attention(nn.Module):
    """Causal self-attention over the rows of a layout."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        width = config.embedding_dim
        self.num_heads = config.num_heads
        self.dropout = config.dropout
        self.c_attn = Conv1D(width, 3 * width, 0.02)
        self.c_proj = Conv1D(width, width, 0.02 / math.sqrt(2 * config.num_layers))

    def forward(self, x: Tensor, layout: Layout, layer: int, rows: Tensor | None) -> Tensor:
        y = layout.attend(self.c_attn(x), self.num_heads, layer, rows)
        return drop(self.c_proj(y), self.dropout, self.training)


class MLP(nn.Module):
    """The feed-forward part of a block, with the exact GELU.

    GPT-2's own is the tanh approximation, which takes longer on a processor and gains nothing.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.dropout = config.dropout
        self.c_fc = Conv1D(config.embedding_dim, config.feedforward_dim, 0.02)
        self.c_proj = Conv1D(config.feedforward_dim, config.embedding_dim, 0.02 / math.sqrt(2 * config.num_layers))

    def forward(self, x: Tensor) -> Tensor:  # (N, C) -> (N, C)
        return drop(self.c_proj(F.gelu(self.c_fc(x))), self.dropout, self.training)


class Block(nn.Module):
    """Attention, then feed-forward, each normalised before and added to the residual stream."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.embedding_dim)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.embedding_dim)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, layout: Layout, layer: int, rows: Tensor | None) -> Tensor:
        attended = self.attn(self.ln_1(x), layout, layer, rows)
        x = (x if rows is None else x.index_select(0, rows)) + attended
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """A decoder-only transformer with learned positions and a head that shares the embedding.

    Call it with `input_ids` (B, T), right-padded, and optionally `labels` (B, T, unshifted, -100 where no loss).
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.embedding_dim)
        self.wpe = nn.Embedding(config.max_length, config.embedding_dim)
        self.h = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.ln_f = nn.LayerNorm(config.embedding_dim)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.02)

    @property
    def device(self) -> torch.device:
        return self.wte.weight.device

    @property
    def num_parameters(self) -> int:
        """How many numbers are trained; the head's are the embedding's and count once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def load_weights(self, state: dict[str, Tensor]) -> None:
        """Take over weights by name; transformers' prefix and its copy of the tied head are understood.

        Raises:
            ModelFolderError: a weight is missing, unknown or of another shape.
        """
        state = {name.removeprefix("transformer."): value for name, value in state.items() if name != "lm_head.weight"}
        mine = {name: tuple(value.shape) for name, value in self.state_dict().items()}
        theirs = {name: tuple(value.shape) for name, value in state.items()}
        if mine != theirs:
            name = sorted(name for name in mine | theirs if mine.get(name) != theirs.get(name))[0]
            raise ModelFolderError(
                f"the weights do not fit config.json: {name} should be {mine.get(name, 'absent')}, "
                f"and is {theirs.get(name, 'missing')}"
            )
        self.load_state_dict(state)

    def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> GPTOutput:
        """Logits at every position, and the mean cross-entropy where labels say so."""
        size, length = input_ids.shape
        positions = torch.arange(length, device=input_ids.device).expand(size, length)
        logits = self.head(self.trunk(input_ids.flatten(), positions.flatten(), Padded(size, length)))
        logits = logits.view(size, length, -1)
        if labels is None:
            return GPTOutput(logits)
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORE)
        return GPTOutput(logits, loss)

    def loss(self, batch: LossBatch) -> Tensor:
        """The same loss as a call's, computing only what it depends on: no padding, and in the last block no row
        whose prediction bears no loss."""
        logits = self.head(self.trunk(batch.tokens, batch.positions, batch.layout, batch.rows))
        return F.cross_entropy(logits.float(), batch.targets)

    def trunk(self, tokens: Tensor, positions: Tensor, layout: Layout, rows: Tensor | None = None) -> Tensor:
        """Embedding and blocks: (N,) token ids and their positions -> (N, C), or (len(rows), C)."""
        x = drop(self.wte(tokens) + self.wpe(positions), self.config.dropout, self.training)
        last = len(self.h) - 1
        for layer, block in enumerate(self.h):
            x = block(x, layout, layer, rows if layer == last else None)
        return x

    def head(self, x: Tensor) -> Tensor:  # (N, C) -> (N, V)
        return F.linear(self.ln_f(x), self.wte.weight)


def drop(x: Tensor, share: float, training: bool) -> Tensor:
    """Dropout, where there is any: the call alone is felt in a step as short as a decoded token's."""
    return F.dropout(x, share) if share and training else x


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
