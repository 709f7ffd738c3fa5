"""Which problems a run was trained on: told again from its data and its seed, not remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calcgpt.arithmetic.datasets import find_dataset, read_dataset
from calcgpt.arithmetic.scanning import scan
from calcgpt.errors import DataError
from calcgpt.training.column_source import draw_columns
from calcgpt.training.config import TrainingConfig
from calcgpt.training.data import file_data
from calcgpt.training.source import draw_problems


def trained_problems(run: dict[str, Any]) -> np.ndarray | None:
    """The sorted keys of every problem that a run was trained on, from its run.json; of a data file those of its whole
    training side, which a run that ended within its first epoch has not seen all of.

    None where that cannot be told: the data file is gone, was changed or was a pipe, the data came from somewhere else,
    the run went on from another model, or its task or notation is of the user's own class.

    Raises:
        ConfigError: run.json's config is none of this version's.
    """
    if any(role in (run.get("classes") or {}) for role in ("task", "notation", "positions")):
        return None
    config = TrainingConfig.from_dict(run.get("config", {}))
    data, kind = run.get("data", {}), "file" if config.task is None else "task"
    if config.init_from is not None or data.get("kind") != kind:
        return None
    if config.task is not None:
        return _drawn(config, int(run["execution"]["steps"]))
    if not data.get("rereadable", True):  # it came through a pipe, and nobody has it any more
        return None
    try:
        found = find_dataset(Path(data["path"]))
        if not found.is_file():  # a pipe that has this name now would wait for ever
            return None
        dataset = read_dataset(found, skip_invalid=config.skip_invalid, plain_text=config.plain_text)
    except DataError:
        return None
    if dataset.sha256 != data["sha256"]:
        return None
    return np.unique(scan(file_data(dataset, found, config).train).problems.keys())


def _drawn(config: TrainingConfig, steps: int) -> np.ndarray:
    drawn = draw_columns if config.notation.work == "columns" else draw_problems
    batches = (drawn(config, step).keys() for step in range(steps * config.gradient_accumulation))
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *batches]))
