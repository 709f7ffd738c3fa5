"""run.json: whatever is changed in it is told, in one line."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from calcgpt.errors import ModelFolderError
from calcgpt.model import folder as folders
from calcgpt.model.record import new_record, read_run, seal, to_json
from calcgpt.model.store import read_model, scan_models, write_model

TASK = {"operations": ["+"], "min_value": 0, "max_value": 9, "negative_results": True}
RUN = {
    "name": "sum",
    "config": {"notation": {"width": 2, "reverse": True}, "seed": 42, "learning_rate": 1e-3},
    "seed": 42,
    "versions": {"calcgpt": "0.1"},
    "data": {"kind": "task", "tasks": [TASK], "held_out_share": 0.05},
    "execution": {"steps": 12, "model_params": 34},
    "results": {"exact_match": 0.5, "training_loss": 1.25e-07},
}


@pytest.fixture
def folder(tmp_path: Path, model: Any) -> Path:
    write_model(tmp_path / "sum", *model.parts(1.0, **RUN))
    return tmp_path / "sum"


def change(folder: Path, sealed: bool = True, **changes: Any) -> None:
    """Write run.json anew, as a library with a fault would: with a seal."""
    record = {**json.loads((folder / "run.json").read_bytes()), **changes}
    record = {key: value for key, value in record.items() if value is not ...}
    if sealed:
        seal(record)
    (folder / "run.json").write_text(to_json(record))


@pytest.mark.parametrize("name", ["run.json", "config.json", "tokenizer.json", "tokenizer_config.json",
                                  "generation_config.json"])  # fmt: skip
def test_every_bit_is_told(folder: Path, name: str) -> None:
    """Flipped bits are refused in one line, or say the same: a number may have two ways to be written."""
    path, generator = folder / name, random.Random(name)
    payload, content = path.read_bytes(), folders._read(folder)
    flips = range(8 * len(payload))
    accepted = 0
    for bit in generator.sample(flips, min(len(flips), 2000 if name == "run.json" else 300)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found = read_run(folder) if name == "run.json" else folders._read(folder)
        except ModelFolderError as error:
            assert "\n" not in str(error) and str(folder) in str(error)
        else:
            accepted += 1
            assert found == content.run, "only run.json may say the same in another way"
    assert accepted < 20


def test_a_value_that_was_edited_is_told(folder: Path) -> None:
    change(folder, sealed=False, seed=43)
    with pytest.raises(ModelFolderError, match="run.json is damaged: its content is not what was written, by the dig"):
        read_model(folder)
    change(folder, seed=43)
    assert read_model(folder).run["seed"] == 43, "the seal is the content's"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nouation": {}}, "it has 'nouation', which format 2 does not have"),
        ({"config": ..., "confif": {}}, "it has 'confif', which format 2 does not have and it lacks 'config'"),
        ({"digest": ...}, "it lacks 'digest'"),
        ({"results": True}, "expected results to be a mapping, not True"),
        ({"results": {"exact_match": "all"}}, "expected results.exact_match to be a number, not 'all'"),
        ({"data": {"tasks": 5}}, "expected data.tasks to be a list, not 5"),
        ({"data": {"tasks": [5]}}, r"expected data.tasks\[0\].operations to be a list, not 5"),
        ({"data": {"tasks": [{**TASK, "max_value": True}]}}, r"data.tasks\[0\].max_value to be an integer, not True"),
        ({"config": {"nouation": {}}}, "config does not say the notation"),
        ({"status": "fine"}, "expected status to be one of finished, interrupted, running, not 'fine'"),
        ({"versions": []}, "expected versions to be a mapping"),
        ({"execution": {"model_params": "many"}}, "expected execution.model_params to be an integer"),
        ({"files": []}, "expected files to be a mapping"),
        ({"files": {"config.json": {"bytes": "1"}}}, "files.'config.json'.bytes to be an integer, not '1'"),
        ({"files": {}}, "it does not describe model.safetensors"),
    ],
)
def test_a_record_that_makes_no_sense_is_one_line(folder: Path, model: Any, changes: Any, reason: str) -> None:
    """Also in a list, where the other models stay."""
    change(folder, sealed="digest" not in changes, **changes)
    with pytest.raises(ModelFolderError, match=f"sum/run.json is damaged: .*{reason}") as caught:
        read_model(folder)
    assert "\n" not in str(caught.value)
    write_model(folder.with_name("good"), *model.parts(2.0))
    models, problems = scan_models(folder.parent)
    assert [summary.name for summary in models] == ["good"] and problems == [str(caught.value)]


def first_format(folder: Path, **changes: Any) -> None:
    """What format 1 wrote: no seal, no classes, the card among the files."""
    card = folders.fingerprint((folder / "README.md").read_bytes())
    files = {**read_run(folder)["files"], "README.md": card}
    change(folder, sealed=False, digest=..., classes=..., format="calcgpt-model/1", files=files, **changes)


def test_format_1_has_no_seal_and_opens(folder: Path, model: Any) -> None:
    first_format(folder)
    assert model.value(folder) == 1.0
    change(folder, sealed=False, seed=43)
    assert read_model(folder).run["seed"] == 43
    (folder / "README.md").write_text("mine")
    assert model.value(folder) == 1.0, "the card is for people"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": ..., "dath": {}}, "it has 'dath', which format 1 does not have and it lacks 'data'"),
        ({"classes": {}}, "it has 'classes', which format 1 does not have"),
        ({"config": {"nouation": {}}}, "config does not say the notation"),
    ],
)
def test_keys_of_format_1(folder: Path, changes: dict[str, Any], reason: str) -> None:
    first_format(folder)
    change(folder, sealed=False, **changes)
    with pytest.raises(ModelFolderError, match=reason):
        read_model(folder)


def test_what_a_record_cannot_hold_is_told_when_it_is_written(caplog: pytest.LogCaptureFixture) -> None:
    for run, reason in [
        ({"value": 1}, "run.json has no value: expected some of status, name"),
        ({"data": {"path": "\udcff"}}, "data.path is '.udcff', which run.json cannot hold"),
        ({"config": {"\udcff": 1}}, "a key of config is"),
        ({"data": {"size": 10**5000}}, "cannot hold what this run says of itself: Exceeds the limit"),
        ({"data": {"kind": {1, "a"}}}, "cannot hold what this run says of itself"),
        ({"data": {"tasks": ["+"]}}, r"expected data.tasks.0..operations to be a list"),
    ]:
        with pytest.raises(ModelFolderError, match=reason) as caught:
            new_record(run)
        assert "\n" not in str(caught.value)
    assert new_record({"results": {"exact_match": "all", "steps": 3}})["results"] == {"exact_match": None, "steps": 3}
    assert "expected results.exact_match to be a number, not 'all'; it is left out" in caplog.text
