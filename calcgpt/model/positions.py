"""What position ids do to attention: learned, sinusoidal, rotary, ALiBi, FIRE, relative bias, none; and segments.

Sizes: T tokens, A axes of an id, C channels, H heads, D = C / H, n pairs of a query and a key that it sees.
Where a token is seen from anywhere on an axis there is no distance, and each encoding says what it takes instead.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calcgpt.arithmetic.cells import SEGMENTS
from calcgpt.errors import UnsupportedProblem
from calcgpt.model.config import GPTConfig
from calcgpt.tokens.places import Pairs, Places, visible

# Of every tensor that is made from nothing: the caller's default dtype and device are not ours.
CPU_FLOAT32: Any = {"dtype": torch.float32, "device": "cpu"}
_BASE = 10_000.0  # of rotary and sinusoidal wavelengths
_FIRE_WIDTH = 32


class Sight:
    """What the tokens from `start` to `stop` of some places see, as tensors.

    pairs: queries and keys. distances: (n, A) asks less id. unknown: (n, A) true where there is none. flat: (n,) where
    a pair stands in the matrix of `stop - start` queries by `stop` keys.
    """

    def __init__(self, places: Places, start: int, stop: int, device: torch.device, found: Pairs | None = None):
        self.places, self.start, self.stop = places, start, stop
        self.pairs: Pairs = found or visible(places, start, stop)
        queries, keys = self.pairs.queries, self.pairs.keys
        distances = places.asks[queries] - places.ids[keys]
        unknown = places.anywhere[keys]
        self.distances = torch.from_numpy(np.where(unknown, 0, distances)).to(device)
        self.unknown = torch.from_numpy(unknown).to(device)
        self.asks = torch.from_numpy(places.asks[queries]).to(device)
        self.flat = torch.from_numpy((queries - start) * stop + keys).to(device)
        self.keys = torch.from_numpy(keys).to(device)
        self._different: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.inference_mode(False)  # what is kept may be trained with later
    def different(self, reach: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """The distances that occur, cut off at `reach`, as rows of table indices (m, A); and which pair has which (n,).

        An axis has 2 * reach + 2 indices: the distances, and the last where there is none.
        """
        key = hash(reach)
        if key not in self._different:
            limits = torch.tensor(reach, device=self.distances.device)
            index = self.distances.clamp(-limits, limits) + limits
            index = torch.where(self.unknown, 2 * limits + 1, index)
            # One number a row: rows are much slower to compare.
            worth = (2 * limits + 2).cumprod(0) // (2 * limits + 2)
            codes, which = torch.unique((index * worth).sum(1), return_inverse=True)
            self._different[key] = codes[:, None] // worth % (2 * limits + 2), which
        return self._different[key]


@lru_cache(maxsize=128)
@torch.inference_mode(False)
def sight(places: Places, start: int, stop: int, device: torch.device) -> Sight:
    """A `Sight`, kept: the shapes of training come again and again."""
    return Sight(places, start, stop, device)


class PositionEncoding(nn.Module):
    """The encoding of a config's position scheme.

    Raises:
        UnsupportedProblem: (when asked) ids that a learned table has no place for.
    """

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None):
        super().__init__()
        scheme, width, heads = config.positions, config.embedding_dim, config.num_heads
        self.scheme, self.width, self.num_heads = scheme, width, heads
        if scheme.segments:
            self.segment = embedding(len(SEGMENTS), width, generator)
            self.next_segment = embedding(len(SEGMENTS), width, generator)
        if scheme.encoding == "learned":
            # Of each axis one more than there are ids: the last is that of a token seen from anywhere.
            self.table = embedding(scheme.axes * (scheme.max_id + 1), width, generator)
        elif scheme.encoding == "relative":
            self.reach = scheme.windows or (scheme.max_id,) * scheme.axes
            self.bias = nn.Parameter(torch.zeros(scheme.axes, 2 * max(self.reach) + 2, heads, **CPU_FLOAT32))
        elif scheme.encoding == "fire":
            self.fire = nn.ModuleList(Fire(heads, generator) for _ in range(scheme.axes))
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02, generator=generator)

    def embed(
        self, places: Places, offset: Tensor | None = None, stop: int | None = None, start: int = 0
    ) -> Tensor | None:
        """What is added to the embeddings of the tokens from `start` to `stop`: (T, C), with an `offset` (B,) of the
        ids (B, T, C), or None."""
        device = next(self.parameters(), torch.empty(0, **CPU_FLOAT32)).device
        parts: list[Tensor] = []
        if places.segments is not None and places.next_segments is not None:
            both = (self.segment, places.segments), (self.next_segment, places.next_segments)
            parts += [module(torch.from_numpy(index[start:stop]).to(device)) for module, index in both]
        if self.scheme.encoding in ("learned", "sinusoidal"):
            ids = torch.from_numpy(places.ids[start:stop]).to(device)
            anywhere = torch.from_numpy(places.anywhere[start:stop]).to(device)
            moved = ids if offset is None else ids + offset.view(-1, 1, 1)
            absolute = self._learned if self.scheme.encoding == "learned" else self._sinusoidal
            parts.append(absolute(moved, anywhere))
        return sum(parts[1:], parts[0]) if parts else None

    def check(self, places: Places, stop: int) -> None:
        """Raises UnsupportedProblem where the tokens up to `stop` need ids that a learned table has no row for."""
        if self.scheme.encoding == "learned" and self.scheme.offset != "circular":
            largest = int(np.where(places.anywhere[:stop], 0, places.ids[:stop]).max(initial=0))
            if largest >= self.scheme.max_id:
                raise _too_few(self.scheme.max_id, largest)

    def _learned(self, ids: Tensor, anywhere: Tensor) -> Tensor:
        size = self.scheme.max_id
        anywhere = anywhere | (ids < 0)  # far from everything, and so at no id
        if self.scheme.offset == "circular":
            ids = ids % size
        largest = int(torch.where(anywhere, 0, ids).max()) if ids.numel() else 0
        if largest >= size:
            raise _too_few(size, largest)
        axes = torch.arange(ids.shape[-1], device=ids.device) * (size + 1)
        return self.table(torch.where(anywhere, size, ids) + axes).sum(-2)

    def _sinusoidal(self, ids: Tensor, anywhere: Tensor) -> Tensor:
        """Vaswani et al., "Attention Is All You Need" (2017), section 3.5; summed over axes."""
        half = self.width // 2
        angles = torch.where(anywhere, 0, ids)[..., None] * _wavelengths(half, ids.device)
        waves = torch.cat([angles.sin(), angles.cos()], -1).sum(-2)
        return F.pad(waves, (0, self.width - 2 * half))

    def scores(self, seen: Sight) -> Tensor | None:
        """What each pair's score is raised by: (H, n), or None where that is 0 everywhere."""
        if self.scheme.encoding == "relative":
            index, which = seen.different(self.reach)
            axes = torch.arange(index.shape[1], device=index.device)
            return self.bias[axes, index].sum(1)[which].T
        if self.scheme.encoding == "alibi":
            distance = seen.distances.abs().sum(1).float()
            return -alibi_slopes(self.num_heads, distance.device)[:, None] * distance
        if self.scheme.encoding == "fire":
            parts = [
                fire(seen.distances[:, axis], seen.asks[:, axis], seen.unknown[:, axis])
                for axis, fire in enumerate(self.fire)
            ]
            return torch.stack(parts).sum(0).T
        return None

    def matrix(self, seen: Sight) -> Tensor:
        """The scores as a matrix (H, Q, K), minus infinity where a query does not see a key."""
        scores = self.scores(seen)
        if scores is None:
            scores = torch.zeros(1, len(seen.flat), device=seen.flat.device, dtype=torch.float32)
        shape = len(scores), (seen.stop - seen.start) * seen.stop
        full = torch.full(shape, float("-inf"), device=scores.device, dtype=scores.dtype)
        return full.index_copy(1, seen.flat, scores).view(len(scores), -1, seen.stop)

    def rotate(self, x: Tensor, ids: np.ndarray, anywhere: np.ndarray | None = None) -> Tensor:
        """Queries or keys (..., T, H, D), turned by their ids (T, A), each axis by its own share of the channels.

        Su et al., "RoFormer" (2021), section 3.4.2. Where a key is seen from anywhere it is not turned.
        """
        if self.scheme.encoding != "rotary":
            return x
        places = torch.from_numpy(ids if anywhere is None else np.where(anywhere, 0, ids)).to(x.device)
        half = x.shape[-1] // (2 * places.shape[1])
        angles = (places[:, :, None] * _wavelengths(half, x.device)).flatten(1)[:, None]  # (T, 1, A * half)
        first, second = x.chunk(2, -1)
        sine, cosine = angles.sin().to(x.dtype), angles.cos().to(x.dtype)
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)


class Fire(nn.Module):
    """Li et al., "Functional Interpolation for Relative Positions improves Long Context Transformers" (2024), eq. 3.

    The distance, on a logarithmic scale and divided by the query's own id, goes through a small network.
    """

    def __init__(self, num_heads: int, generator: torch.Generator | None = None):
        super().__init__()
        first, second = _linear(1, _FIRE_WIDTH, generator), _linear(_FIRE_WIDTH, num_heads, generator)
        self.network = nn.Sequential(first, nn.ReLU(), second)
        self.scale = nn.Parameter(torch.tensor(0.1, **CPU_FLOAT32))
        self.threshold = nn.Parameter(torch.tensor(64.0, **CPU_FLOAT32))
        self.anywhere = nn.Parameter(torch.zeros(num_heads, **CPU_FLOAT32))

    def forward(self, distances: Tensor, asks: Tensor, unknown: Tensor) -> Tensor:  # 3 x (n,) -> (n, H)
        def log(x: Tensor) -> Tensor:
            return torch.log1p(self.scale.abs() * x)

        farthest = torch.maximum(asks.float(), self.threshold.abs())
        share = log(distances.abs().float()) / log(farthest).clamp_min(1e-6)
        result: Tensor = self.network(share[:, None])
        return torch.where(unknown[:, None], self.anywhere, result)


def alibi_slopes(num_heads: int, device: torch.device) -> Tensor:
    """Press et al., "Train Short, Test Long" (2022), section 3: a geometric sequence from 2^(-8/H), (H,)."""
    return 2.0 ** (-8.0 / num_heads * torch.arange(1, num_heads + 1, device=device, dtype=torch.float32))


def _too_few(size: int, largest: int) -> UnsupportedProblem:
    return UnsupportedProblem(f"this model has {size} position ids, and the problem needs {largest + 1}")


def _wavelengths(count: int, device: torch.device) -> Tensor:
    return _BASE ** (-torch.arange(count, device=device, dtype=torch.float32) / max(1, count))


def embedding(count: int, width: int, generator: torch.Generator | None) -> nn.Embedding:
    """An nn.Embedding as PyTorch makes one, drawn from a generator."""
    return nn.Embedding(count, width, _weight=torch.empty(count, width, **CPU_FLOAT32).normal_(generator=generator))


def _linear(size_in: int, size_out: int, generator: torch.Generator | None) -> nn.Linear:
    """An nn.Linear as PyTorch makes one, drawn from a generator."""
    layer = nn.utils.skip_init(nn.Linear, size_in, size_out, **CPU_FLOAT32)
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    nn.init.uniform_(layer.bias, -1 / math.sqrt(size_in), 1 / math.sqrt(size_in), generator=generator)
    return layer


def scale(depth: int) -> float:
    """What a product of a query and a key is multiplied with."""
    return 1 / math.sqrt(depth)
