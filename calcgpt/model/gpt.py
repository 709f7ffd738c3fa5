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

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calcgpt.errors import ModelFolderError
from calcgpt.model.config import GPTConfig
from calcgpt.model.layouts import IGNORE, Layout, LossBatch, Padded, PlacedBatch
from calcgpt.model.positions import CPU_FLOAT32, PositionEncoding, embedding
from calcgpt.tokens.places import Places, place_sequence


@dataclass
class GPTOutput:
    """What a call of the model gives: `logits` (B, T, V), and `loss` (a scalar) where labels were given."""

    logits: Tensor
    loss: Tensor | None = None


class Conv1D(nn.Module):
    """A linear layer whose weight is kept (in, out), as GPT-2 keeps it."""

    def __init__(self, size_in: int, size_out: int, std: float, generator: torch.Generator | None = None):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size_in, size_out, **CPU_FLOAT32).normal_(std=std, generator=generator))
        self.bias = nn.Parameter(torch.zeros(size_out, **CPU_FLOAT32))

    def forward(self, x: Tensor) -> Tensor:  # (N, in) -> (N, out)
        return torch.addmm(self.bias, x, self.weight)


class Attention(nn.Module):
    """Causal self-attention over the rows of a layout."""

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None):
        super().__init__()
        width = config.embedding_dim
        self.num_heads = config.num_heads
        self.dropout, self.generator = config.dropout, generator
        self.c_attn = Conv1D(width, 3 * width, 0.02, generator)
        self.c_proj = Conv1D(width, width, 0.02 / math.sqrt(2 * config.num_layers), generator)

    def forward(self, x: Tensor, layout: Layout, layer: int, rows: Tensor | None) -> Tensor:
        y = layout.attend(self.c_attn(x), self.num_heads, layer, rows)
        return drop(self.c_proj(y), self.dropout, self.training, self.generator)


class MLP(nn.Module):
    """The feed-forward part of a block, with the exact GELU.

    GPT-2's own is the tanh approximation, which takes longer on a processor and gains nothing.
    """

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None):
        super().__init__()
        self.dropout, self.generator = config.dropout, generator
        std = 0.02 / math.sqrt(2 * config.num_layers)
        self.c_fc = Conv1D(config.embedding_dim, config.feedforward_dim, 0.02, generator)
        self.c_proj = Conv1D(config.feedforward_dim, config.embedding_dim, std, generator)

    def forward(self, x: Tensor) -> Tensor:  # (N, C) -> (N, C)
        return drop(self.c_proj(F.gelu(self.c_fc(x))), self.dropout, self.training, self.generator)


class Block(nn.Module):
    """Attention, then feed-forward, each normalised before and added to the residual stream."""

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.embedding_dim, **CPU_FLOAT32)
        self.attn = Attention(config, generator)
        self.ln_2 = nn.LayerNorm(config.embedding_dim, **CPU_FLOAT32)
        self.mlp = MLP(config, generator)

    def forward(self, x: Tensor, layout: Layout, layer: int, rows: Tensor | None) -> Tensor:
        attended = self.attn(self.ln_1(x), layout, layer, rows)
        x = (x if rows is None else x.index_select(0, rows)) + attended
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """A decoder-only transformer whose head shares the embedding; its config's position scheme tells tokens' places.

    Call it with `input_ids` (B, T), right-padded, and optionally `labels` (B, T, unshifted, -100 where no loss), and
    with the `places` of the tokens where the scheme needs more than their order.

    Args:
        config: the sizes, the position scheme and the dropout.
        generator: what initial weights and dropout draw from; PyTorch's global one without it.
    """

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None):
        super().__init__()
        self.config, self.generator = config, generator
        self.wte = embedding(config.vocab_size, config.embedding_dim, generator)
        if config.positions.plain:
            self.wpe = embedding(config.max_length, config.embedding_dim, generator)
        self.h = nn.ModuleList(Block(config, generator) for _ in range(config.num_layers))
        self.ln_f = nn.LayerNorm(config.embedding_dim, **CPU_FLOAT32)
        nn.init.normal_(self.wte.weight, std=0.02, generator=generator)
        if config.positions.plain:
            nn.init.normal_(self.wpe.weight, std=0.02, generator=generator)
        else:
            self.positions = PositionEncoding(config, generator)

    def draw_from(self, generator: torch.Generator) -> None:
        """Have dropout draw from a generator, which must be on the model's device."""
        for module in self.modules():
            if isinstance(module, (GPT, Attention, MLP)):
                module.generator = generator

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
            ModelFolderError: a weight is missing, unknown, of another shape, or not finite.
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
        wild = [name for name, value in state.items() if not bool(value.isfinite().all())]
        if wild:
            raise ModelFolderError(
                f"the model's weights are not finite ({wild[0]}): its training diverged; train it again, with a lower "
                "learning rate"
            )
        self.load_state_dict(state)

    def forward(self, input_ids: Tensor, labels: Tensor | None = None, places: Places | None = None) -> GPTOutput:
        """Logits at every position, and the mean cross-entropy where labels say so.

        Raises:
            ValueError: the position scheme needs the tokens' places, and they are not given.
        """
        size, length = input_ids.shape
        if self.config.positions.plain:
            positions = torch.arange(length, device=input_ids.device).expand(size, length)
            layout: Layout = Padded(size, length)
            hidden = self.trunk(self.embed(input_ids.flatten(), positions.flatten()), layout)
        else:
            if places is None and self.config.positions.needs_shape:
                raise ValueError(
                    f"positions.ids {self.config.positions.ids} needs the places of the tokens: see place_shape"
                )
            batch = PlacedBatch(input_ids, None, places or place_sequence(length, 0, self.config.positions))
            hidden = self.trunk(*batch.inputs(self))
        logits = self.head(hidden).view(size, length, -1)
        if labels is None:
            return GPTOutput(logits)
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORE)
        return GPTOutput(logits, loss)

    def batch(
        self, input_ids: Tensor, labels: Tensor, places: Places | None = None, offset: Tensor | None = None
    ) -> LossBatch | PlacedBatch:
        """What `loss` takes: the rows that it depends on. Arguments are those of `PlacedBatch`."""
        if self.config.positions.plain:
            return LossBatch(input_ids, labels)
        return PlacedBatch(
            input_ids, labels, places or place_sequence(input_ids.shape[1], 0, self.config.positions), offset
        )

    def loss(self, batch: LossBatch | PlacedBatch) -> Tensor:
        """The same loss as a call's, computing only what it depends on: no padding, and in the last block no row
        whose prediction bears no loss."""
        logits = self.head(self.trunk(*batch.inputs(self)))
        return F.cross_entropy(logits.float(), batch.targets, ignore_index=IGNORE)

    def embed(self, tokens: Tensor, positions: Tensor) -> Tensor:  # 2 x (N,) -> (N, C)
        return self.wte(tokens) + self.wpe(positions)

    def trunk(self, x: Tensor, layout: Layout, rows: Tensor | None = None) -> Tensor:
        """The blocks: embedded tokens (N, C) -> (N, C), or (len(rows), C)."""
        x = drop(x, self.config.dropout, self.training, self.generator)
        last = len(self.h) - 1
        for layer, block in enumerate(self.h):
            x = block(x, layout, layer, rows if layer == last else None)
        return x

    def head(self, x: Tensor) -> Tensor:  # (N, C) -> (N, V)
        return F.linear(self.ln_f(x), self.wte.weight)


def drop(x: Tensor, share: float, training: bool, generator: torch.Generator | None = None) -> Tensor:
    """Dropout, where there is any: the call alone is felt in a step as short as a decoded token's.

    F.dropout draws from the global generator alone; on a processor it computes the same, from the same draws.
    """
    if not (share and training):
        return x
    if generator is None:
        return F.dropout(x, share)
    return x * torch.empty_like(x).bernoulli_(1 - share, generator=generator).div_(1 - share)
