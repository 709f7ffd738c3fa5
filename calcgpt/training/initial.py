"""Going on from a trained model: its vocabulary, its positions and its weights, where they suit the new run."""

from __future__ import annotations

from dataclasses import asdict, replace

import torch

from calcgpt.errors import ConfigError
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.model.store import StoredModel, find_model, read_model
from calcgpt.tokens.tokenizer import Tokenizer


def read_initial(name: str) -> StoredModel:
    """The model of `init_from`. Raises ModelFolderError where there is none."""
    return read_model(find_model(name))


def initial_tokenizer(name: str, needed: Tokenizer) -> Tokenizer:
    """The model's tokenizer, which must have every token that the data needs.

    Raises:
        ConfigError: it lacks some, or is of another mode.
        ModelFolderError: there is no such model.
    """
    stored = read_initial(name).tokenizer
    if stored.mode != needed.mode:
        raise ConfigError(f"init_from {name} has a tokenizer in {stored.mode} mode: set tokenizer to it")
    missing = [token for token in needed.vocab if token not in stored.vocab]
    if missing:
        raise ConfigError(f"init_from {name} has no token for {' '.join(map(repr, missing[:10]))}, which the data has")
    return stored


def initial_model(name: str, wanted: GPTConfig, generator: torch.Generator | None = None) -> GPT:
    """A network with the model's weights: of the wanted shape, with as many positions as the model has.

    `generator` is what dropout draws from.

    Raises:
        ConfigError: its shape is another, or it has too few positions.
        ModelFolderError: there is no such model, or it is damaged.
    """
    stored = read_initial(name)
    theirs = GPTConfig.from_dict(stored.config)
    config = replace(wanted, max_length=max(wanted.max_length, theirs.max_length))
    ours, other = asdict(config), asdict(replace(theirs, dropout=wanted.dropout))
    differences = [f"{size} {other[size]}, not {ours[size]}" for size in ours if ours[size] != other[size]]
    if differences:
        raise ConfigError(
            f"init_from {name} has another shape, which the settings must repeat: {'; '.join(differences)}"
        )
    model = GPT(config, generator)
    model.load_weights(stored.state())
    return model
