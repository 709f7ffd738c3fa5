"""Classes of the user's own in a model: run.json names them, and its folder opens only where they are given again.

A folder never causes an import. Without the class another network, or another notation, would answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError, ModelFolderError
from calcgpt.model.config import GPTConfig
from calcgpt.model.folder import StoredModel
from calcgpt.model.gpt import GPT
from calcgpt.tokens.scheme import Positions

NETWORK = ("network", "model_config", "positions")  # what the weights need
_CHANGED = ", changed: "
_NAMED = 3  # changes that a record names


def own_classes(network: nn.Module, notation: Notation | None = None, tasks: Sequence[Task] = ()) -> dict[str, str]:
    """What of a model is not exactly ours: for each role (network, model_config, positions, notation, task) the
    qualified name of its class. A network of ours that was changed is named with its changes.

    Raises:
        ConfigError: the network has no GPTConfig, without which nothing can build it again.
    """
    config = getattr(network, "config", None)
    if not isinstance(config, GPTConfig):
        raise ConfigError(
            f"{name_of(type(network))} has no `config` that is a GPTConfig: build_model has to give it one"
        )
    expected = zip(NETWORK, (GPT, GPTConfig, Positions), (network, config, config.positions), strict=True)
    found = {role: name_of(type(value)) for role, ours, value in expected if type(value) is not ours}
    found |= own_settings(notation, tasks)
    if type(network) is GPT:
        changes = list(_changes(network))
        if changes:
            more = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
            found["network"] = f"{name_of(GPT)}{_CHANGED}{', '.join(changes[:_NAMED])}{more}"
    return found


def own_settings(notation: Notation | None, tasks: Sequence[Task]) -> dict[str, str]:
    """The notation's and the tasks' part of `own_classes`."""
    found = {}
    strange = [type(task) for task in tasks if type(task) is not Task]
    if strange:
        found["task"] = name_of(strange[0])
    if notation is not None and type(notation) is not Notation:
        found["notation"] = name_of(type(notation))
    return found


def find_classes(run: Mapping[str, Any], classes: Sequence[type], path: Path | None) -> dict[str, type]:
    """The class for each role that a run.json names, from those that are given.

    Raises:
        ModelFolderError: one is missing.
    """
    needed: dict[str, str] = run.get("classes") or {}
    found = {role: kind for role, name in needed.items() for kind in classes if _same(name, name_of(kind))}
    missing = {role: name for role, name in needed.items() if role not in found}
    if not missing:
        return found
    folder = "this model" if path is None else str(path)
    named = ", ".join(f"{name} ({role})" for role, name in missing.items())
    if _CHANGED in missing.get("network", ""):
        how = "build that network as its training did, load the folder's weights, and give it to CalcGPT.from_parts"
    else:
        short = ", ".join(name.rpartition(".")[2] for name in missing.values())
        how = f"open it with CalcGPT({folder!r}, classes=[{short}])"
    raise ModelFolderError(f"{folder} was trained with {named}, which is not CalcGPT's own: {how}")


def network_classes(stored: StoredModel, classes: Sequence[type] = ()) -> dict[str, type]:
    """The user's own classes that a folder's weights need, by role. Raises ModelFolderError where one is missing."""
    needed = {role: name for role, name in (stored.run.get("classes") or {}).items() if role in NETWORK}
    return find_classes({"classes": needed}, classes, stored.path)


def build_network(stored: StoredModel, classes: Sequence[type] = ()) -> GPT:
    """The network of a folder with its weights, on the CPU; of the user's own class where the folder names one.

    Raises:
        ModelFolderError: a class is missing or cannot be built from a GPTConfig, or the weights do not fit.
    """
    found = network_classes(stored, classes)
    config = found.get("model_config", GPTConfig).from_dict(  # type: ignore[attr-defined]
        stored.config, found.get("positions", Positions)
    )
    kind = found.get("network", GPT)
    try:
        with torch.random.fork_rng(devices=[]):  # the caller's draws are not used up
            network = GPT(config, torch.Generator("cpu")) if kind is GPT else kind(config)
    except TypeError as error:
        raise ModelFolderError(
            f"{name_of(kind)} cannot be built from a GPTConfig alone ({error}): build it, load the weights of "
            f"{stored.path}, and give it to CalcGPT.from_parts"
        ) from error
    network.load_weights(stored.state())
    return network


def name_of(kind: type) -> str:
    """A class's qualified name, by which it is told from others."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _same(name: str, other: str) -> bool:
    """Whether two qualified names mean one class: a script's module is __main__ where it runs, and has a name where it
    is imported."""
    if name == other:
        return True
    scripts = [full.removeprefix("__main__.") for full in (name, other) if full.startswith("__main__.")]
    return len(scripts) == 1 and (name + " ").endswith(f".{scripts[0]} ") and (other + " ").endswith(f".{scripts[0]} ")


def _changes(network: GPT) -> Iterator[str]:
    """In what a GPT differs from a fresh one of its config: modules, methods, hooks, plain settings, shapes."""
    fresh = GPT(network.config, torch.Generator("cpu"))
    ours, theirs = dict(fresh.named_modules()), dict(network.named_modules())
    for name in dict.fromkeys((*ours, *theirs)):
        if name not in theirs:
            yield f"no {name}"
        elif name not in ours or type(ours[name]) is not type(theirs[name]):
            yield f"{name_of(type(theirs[name]))} at {name}"
        else:
            yield from (f"{name}.{change}".lstrip(".") for change in _settings(ours[name], theirs[name]))
    shapes, other = ({name: value.shape for name, value in of.state_dict().items()} for of in (fresh, network))
    yield from (f"the shape of {name}" for name in shapes.keys() & other.keys() if shapes[name] != other[name])


def _settings(ours: nn.Module, theirs: nn.Module) -> Iterator[str]:
    for key, value in vars(theirs).items():
        setting = isinstance(value, (bool, int, float, str)) and key in vars(ours) and key != "training"
        method = callable(value) and hasattr(type(theirs), key) and not key.startswith("_")
        if method or (setting and vars(ours)[key] != value):
            yield key
        elif key in ("_forward_hooks", "_forward_pre_hooks") and value:
            yield "a forward hook"
