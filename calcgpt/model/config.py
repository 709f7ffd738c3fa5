"""The shape of a network, and its `config.json`: GPT-2's where it is one, else our own. Imports no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from calcgpt.errors import ConfigError, ModelFolderError, shown_value
from calcgpt.tokens.scheme import Positions

_GPT2_NAMES = {
    "vocab_size": "vocab_size",
    "max_length": "n_positions",
    "embedding_dim": "n_embd",
    "num_layers": "n_layer",
    "num_heads": "n_head",
    "feedforward_dim": "n_inner",
    "pad_id": "pad_token_id",
    "end_id": "eos_token_id",
}

# What else a GPT-2's config.json says that changes what is computed: GPT-2's default, and what our network computes.
_COMPUTED: dict[str, tuple[Any, Any]] = {
    "activation_function": ("gelu_new", "gelu"),
    "layer_norm_epsilon": (1e-5, 1e-5),
    "tie_word_embeddings": (True, True),
    "scale_attn_weights": (True, True),
    "scale_attn_by_inverse_layer_idx": (False, False),
    "add_cross_attention": (False, False),
}

_OWN = "calcgpt"  # the model_type of what is no GPT-2
_LARGEST = 2**31 - 1  # of any size; more is a slip


@dataclass(frozen=True)
class GPTConfig:
    """The network's sizes. `GPT(config)` builds it.

    Args:
        vocab_size: V, how many tokens there are, padding and end among them.
        max_length: the most tokens a sequence has, the end token counted.
        embedding_dim: C, the width of the residual stream.
        num_layers: how many blocks.
        num_heads: H, attention heads a block; divides `embedding_dim`.
        feedforward_dim: the width inside a block's feed-forward part.
        pad_id, end_id: the ids of the padding and the end token.
        dropout: share of activations dropped in training, in [0, 1).
        positions: the position scheme; GPT-2's own unless said otherwise.

    Raises:
        ConfigError: a size is not a positive integer, the heads do not divide the width, or an id or the dropout
            cannot be.
    """

    vocab_size: int
    max_length: int
    embedding_dim: int = 128
    num_layers: int = 6
    num_heads: int = 8
    feedforward_dim: int = 512
    pad_id: int = 0
    end_id: int = 1
    dropout: float = 0.0
    positions: Positions = field(default_factory=Positions)

    def __post_init__(self) -> None:
        for name in ("vocab_size", "max_length", "embedding_dim", "num_layers", "num_heads", "feedforward_dim"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST:
                raise ConfigError(f"{name} must be a positive integer (at most {_LARGEST:,}), not {shown_value(value)}")
        if self.embedding_dim % self.num_heads:
            raise ConfigError(
                f"num_heads must divide embedding_dim: {self.embedding_dim} channels cannot be shared by "
                f"{self.num_heads} heads; choose one of {_divisors(self.embedding_dim)}"
            )
        for name in ("pad_id", "end_id"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < self.vocab_size:
                raise ConfigError(
                    f"{name} must be one of the vocabulary's {self.vocab_size} ids, not {shown_value(value)}"
                )
        if self.pad_id == self.end_id:
            raise ConfigError(f"pad_id and end_id must differ, or the end is never learned; both are {self.pad_id}")
        share = self.dropout
        if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0 <= share < 1:
            raise ConfigError(f"dropout must be at least 0 and less than 1, not {shown_value(share)}")
        self._check_positions()

    def _check_positions(self) -> None:
        if not isinstance(self.positions, Positions):
            raise ConfigError(f"positions must be a Positions, not {shown_value(self.positions)}")
        depth, parts = self.embedding_dim // self.num_heads, 2 * self.positions.axes
        if self.positions.encoding == "rotary" and depth % parts:
            raise ConfigError(
                f"rotary positions turn pairs of channels on {self.positions.axes} axes: "
                f"expected a multiple of {parts} channels a head, not {depth}"
            )

    def to_dict(self, own: bool = False) -> dict[str, Any]:
        """The `config.json`: one that transformers reads as a GPT-2 where positions are GPT-2's own, unless the network
        is of the user's `own` making: no other library shall take it for a GPT-2."""
        values = asdict(self)
        if own or not self.positions.plain:
            return {"model_type": _OWN, **values, "positions": self.positions.to_dict(), "dtype": "float32"}
        return {
            "model_type": "gpt2",
            "architectures": ["GPT2LMHeadModel"],
            **{theirs: values[ours] for ours, theirs in _GPT2_NAMES.items()},
            # GPT-2's own default, 50256, lies outside a small vocabulary.
            "bos_token_id": self.end_id,
            "activation_function": "gelu",
            "layer_norm_epsilon": 1e-5,
            "tie_word_embeddings": True,
            "attn_pdrop": 0.0,
            "embd_pdrop": self.dropout,
            "resid_pdrop": self.dropout,
            "dtype": "float32",
        }

    @classmethod
    def from_dict(cls, config: dict[str, Any], positions: type = Positions) -> GPTConfig:
        """Read a `config.json`; `positions` is the class of its position scheme.

        Raises:
            ModelFolderError: it is not a GPT-2's nor ours, lacks a size, or is of a GPT-2 that computes something else.
        """
        if config.get("model_type") == _OWN:
            return cls._from_own(config, positions)
        if config.get("model_type") != "gpt2":
            raise ModelFolderError(f"expected a config.json of model_type 'gpt2', not {config.get('model_type')!r}")
        missing = [theirs for theirs in _GPT2_NAMES.values() if config.get(theirs) is None]
        if missing:
            raise ModelFolderError(f"config.json lacks {', '.join(missing)}")
        for name, (default, expected) in _COMPUTED.items():
            found = config.get(name, default)
            if found != expected:
                raise ModelFolderError(
                    f"config.json has {name} {shown_value(found)}: CalcGPT's network has {expected!r}"
                )
        sizes = {ours: config[theirs] for ours, theirs in _GPT2_NAMES.items()}
        try:
            return cls(**sizes, dropout=config.get("resid_pdrop", 0.0))
        except ConfigError as error:
            raise ModelFolderError(f"config.json is damaged: {error}") from error

    @classmethod
    def _from_own(cls, config: dict[str, Any], positions: type) -> GPTConfig:
        names = {entry.name for entry in fields(cls)}
        try:
            values = {name: value for name, value in config.items() if name in names}
            return cls(**{**values, "positions": positions(**config["positions"])})
        except (TypeError, KeyError, ConfigError) as error:
            raise ModelFolderError(f"config.json is damaged: {error}") from error


def _divisors(number: int) -> list[int]:
    return [candidate for candidate in range(1, min(number, 256) + 1) if number % candidate == 0][:8]
