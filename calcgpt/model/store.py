"""The model folder, in one import: written and read (`folder`), replaced whole (`runs`), listed and found
(`catalog`).
"""

from __future__ import annotations

from calcgpt.model.catalog import ModelSummary, find_model, list_models, newest_model, scan_models
from calcgpt.model.folder import StoredModel, read_model, write_model
from calcgpt.model.runs import RunFolder

__all__ = [
    "ModelSummary",
    "RunFolder",
    "StoredModel",
    "find_model",
    "list_models",
    "newest_model",
    "read_model",
    "scan_models",
    "write_model",
]
