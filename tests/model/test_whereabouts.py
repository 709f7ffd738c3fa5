"""A reader gets one whole version of a model, however often it is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from calcgpt.errors import ModelFolderError
from calcgpt.model.store import RunFolder, find_model, list_models, read_model, scan_models
from calcgpt.model.whereabouts import settled

REPLACING = """
import os, sys, torch
from calcgpt.model.store import RunFolder
from calcgpt.tokens.tokenizer import Tokenizer
os.fsync = lambda descriptor: None  # as fast as it can
number = 1.0
while os.path.exists(sys.argv[2]):
    with RunFolder(sys.argv[1]) as run:
        state = {"weight": torch.full((3,), number), "half": torch.full((2, 2), number)}
        run.finish(state, {"model_type": "gpt2", "n_layer": 1}, Tokenizer.build("12"), {"results": {"value": number}})
    number += 1.0
print(number)
"""


def test_a_folder_that_another_process_replaces_all_the_time(fast_path: Path, model: Any) -> None:
    """Reads, looks and lists: none fails, and weights and record are of one version."""
    target, going = fast_path / "sum", fast_path / ".going"
    with RunFolder(target) as run:
        run.finish(*model.parts(0.0))
    going.touch()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", REPLACING, str(target), str(going)]
    other = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    values: list[float] = []
    try:
        end = time.monotonic() + 120
        while len(set(values)) < 100 and time.monotonic() < end:
            values.append(model.value(target))
            find_model("sum", fast_path)
            models, problems = scan_models(fast_path)
            assert not problems and "sum" in [summary.name for summary in models]
    finally:
        going.unlink()
        replaced = float(other.communicate()[0])
    assert len(set(values)) >= 50, f"{len(values)} reads saw {len(set(values))} of {replaced} versions"
    assert list_models(fast_path)[0].name == "sum"


def test_waiting_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real damage is told at once, what changes for ever after a while."""
    calls = []

    def fail() -> None:
        calls.append(0)
        (tmp_path / "run.json").write_text(str(len(calls)) * len(calls))
        raise ModelFolderError("changing")

    monkeypatch.setattr("calcgpt.model.whereabouts._PATIENCE", 0.3)
    with pytest.raises(ModelFolderError, match="changing"):
        settled(tmp_path, fail)
    assert len(calls) > 2
    started = time.monotonic()
    with pytest.raises(ModelFolderError, match="there is no model"):
        read_model(tmp_path / "nowhere")
    assert time.monotonic() - started < 0.25
