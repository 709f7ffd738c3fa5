"""Going on from a trained model: its vocabulary, its positions and its weights, where they suit the new run."""

from __future__ import annotations

from dataclasses import asdict, replace

import torch

from calcgpt.errors import ConfigError
from calcgpt.model.classes import network_classes
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.model.store import StoredModel, find_model, read_model
from calcgpt.tokens.tokenizer import Tokenizer


def read_initial(name: str) -> StoredModel:
    """The model of `init_from`. Raises ModelFolderError where there is none."""
    return read_model(find_model(name))


def initial_tokenizer(stored: StoredModel, needed: Tokenizer) -> Tokenizer:
    """The tokenizer of the model that a run goes on from, which must have every token that the data needs.

    Raises:
        ConfigError: it lacks some, or is of another mode.
    """
    found = stored.tokenizer
    if found.mode != needed.mode:
        raise ConfigError(f"init_from {stored.path} has a tokenizer in {found.mode} mode: set tokenizer to it")
    missing = [token for token in needed.vocab if token not in found.vocab]
    if missing:
        named = " ".join(map(repr, missing[:10]))
        raise ConfigError(f"init_from {stored.path} has no token for {named}, which the data has")
    return found


def initial_model(stored: StoredModel, wanted: GPTConfig, generator: torch.Generator | None = None) -> GPT:
    """A network with the weights of the model that a run goes on from: of the wanted shape, with as many positions as
    the model has.

    `generator` is what dropout draws from.

    Raises:
        ConfigError: its shape is another, or it has too few positions.
        ModelFolderError: its network is of the user's own class, or its weights do not fit.
    """
    network_classes(stored)
    theirs = GPTConfig.from_dict(stored.config)
    config = replace(wanted, max_length=max(wanted.max_length, theirs.max_length))
    ours, other = asdict(config), asdict(replace(theirs, dropout=wanted.dropout))
    differences = [f"{size} {other[size]}, not {ours[size]}" for size in ours if ours[size] != other[size]]
    if differences:
        raise ConfigError(
            f"init_from {stored.path} has another shape, which the settings must repeat: {'; '.join(differences)}"
        )
    model = GPT(config, generator)
    model.load_weights(stored.state())
    return model
