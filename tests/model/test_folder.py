"""A model folder: what is written is read, and whatever is wrong with it is told in one line."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.errors import ModelFolderError
from calcgpt.model.store import RunFolder, StoredModel, read_model, write_model


@pytest.fixture
def folder(tmp_path: Path, model: Any) -> Path:
    path = tmp_path / "models" / "sum"
    path.parent.mkdir()
    write_model(path, *model.parts(2.0, name="sum", results={"exact_match": 0.5}))
    return path


def test_what_is_written_is_read(folder: Path, model: Any) -> None:
    stored = read_model(str(folder))
    assert stored.path == folder and stored.config == model.config and stored.tokenizer == model.tokenizer
    assert stored.run["format"] == "calcgpt-model/2" and stored.run["status"] == "finished"
    assert stored.run["created"].endswith("+00:00")
    assert model.value(folder) == 2.0
    assert {path.name for path in folder.iterdir()} == {"run.json", "README.md", *stored.run["files"]}
    assert "# sum" in (folder / "README.md").read_text()


def test_tensors_of_any_kind_come_back_equal(tmp_path: Path, model: Any) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    state = {
        "a": shared,
        "tied": shared,
        "transposed": shared.T,
        "half": shared.bfloat16(),
        "whole": torch.tensor(7),
        "trained": torch.nn.Parameter(shared),
    }
    write_model(tmp_path / "m", state, *model.parts(0.0)[1:])
    back = read_model(tmp_path / "m").state()
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], tensor) and back[name].dtype == tensor.dtype for name, tensor in state.items())
    assert all(tensor.is_contiguous() for tensor in back.values())


FILES = ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]


@dataclass
class Settings:
    rate: float
    path: Path


def test_any_run_is_written_as_strict_json(tmp_path: Path, model: Any) -> None:
    values = {
        "nan": math.nan, "inf": np.float32("inf"), "count": np.int64(3), "flags": np.array([True, False]),
        "loss": torch.tensor(0.5), "set": {2, 1}, "settings": Settings(1e-3, Path("x")), 7: None, "text": "é",
    }  # fmt: skip
    write_model(tmp_path / "m", *model.parts(0.0, results={"values": values}))
    text = (tmp_path / "m" / "run.json").read_text(encoding="utf-8")
    run = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert run["results"]["values"] == {
        "nan": None, "inf": None, "count": 3, "flags": [True, False],
        "loss": 0.5, "set": [1, 2], "settings": {"rate": 1e-3, "path": "x"}, "7": None, "text": "é",
    }  # fmt: skip


def test_a_run_that_was_read_can_be_written_again(folder: Path, model: Any) -> None:
    run = read_model(folder).run
    record = write_model(folder, *model.parts(3.0)[:3], {**run, "results": {"value": 3.0}})
    assert record["created"] > run["created"] and record["files"] != run["files"]
    assert model.value(folder) == 3.0


def test_a_missing_folder_says_what_is_beside_it(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"no model .*models/times: .*models has sum$"):
        read_model(folder.parent / "times")
    with pytest.raises(ModelFolderError, match=r"there are no models in .*nowhere$"):
        read_model(tmp_path / "nowhere" / "sum")


def test_what_is_no_model_folder(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"models is not a complete model folder: it has no run.json"):
        read_model(folder.parent)
    with pytest.raises(ModelFolderError, match="config.json is a file: expected a model folder"):
        read_model(folder / "config.json")


@pytest.mark.parametrize("name", FILES)
def test_damage_is_told_with_the_file(folder: Path, name: str) -> None:
    path = folder / name
    payload = path.read_bytes()
    damaged = {
        "is damaged: expected .* bytes, it has": payload[: len(payload) // 2],
        "is damaged: its content is not": bytes([payload[0] ^ 1]) + payload[1:],
    }
    for message, content in damaged.items():
        path.write_bytes(content)
        with pytest.raises(ModelFolderError, match=f"{name} {message}") as caught:
            read_model(folder).state()
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(ModelFolderError, match=f"is incomplete: {name} is missing"):
        read_model(folder).state()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "run.json is damaged: it does not read as JSON"),
        ('{"format": ', "run.json is damaged: it does not read as JSON"),
        ("\xff", "run.json is damaged: it does not read as JSON"),
        ("[]", "run.json is damaged: expected a JSON object, got list"),
        ("{}", "not a CalcGPT model: its run.json has the format None"),
        ('{"format": "other/1"}', "not a CalcGPT model: its run.json has the format 'other/1'"),
        ('{"format": "calcgpt-model/x"}', "not a CalcGPT model"),
        ('{"format": "calcgpt-model/0"}', "not a CalcGPT model: its run.json has the format 'calcgpt-model/0'"),
        ('{"format": "calcgpt-model/3"}', "written by a newer CalcGPT: its format is 3, this one reads 2"),
        ('{"format": "calcgpt-model/2"}', "run.json is damaged: it lacks 'classes', 'config', 'created', 'data'"),
        ('{"format": "calcgpt-model/1", "x": NaN}', "does not read as JSON"),
    ],
)
def test_a_run_file_that_is_wrong(folder: Path, content: str, message: str) -> None:
    (folder / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(ModelFolderError, match=message):
        read_model(folder)


def test_weights_that_were_never_safetensors(folder: Path) -> None:
    with pytest.raises(ModelFolderError, match="is not a safetensors file"):
        StoredModel(folder, {}, None, {}, b"12345678 not weights").state()  # type: ignore[arg-type]


def test_a_model_replaced_between_reading_and_weights(folder: Path, model: Any) -> None:
    stored = read_model(folder)
    write_model(folder, *model.parts(3.0))
    assert float(stored.state()["weight"][0]) == 2.0, "the weights are those of its version"


def test_reading_while_runs_replace_the_model(tmp_path: Path, model: Any) -> None:
    target = tmp_path / "sum"
    values: list[float] = []
    failures: list[Exception] = []
    done = threading.Event()
    with RunFolder(target) as run:
        run.finish(*model.parts(0.0))

    def read() -> None:
        while not done.is_set():
            try:
                values.append(read_model(target).run["results"]["value"])
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(1, 15):
        with RunFolder(target) as run:
            run.finish(*model.parts(float(number)))
    done.set()
    thread.join()
    assert not failures and len(values) > 10
    assert model.value(target) == 14.0


def test_an_unfinished_write_is_incomplete(folder: Path, model: Any) -> None:
    broken = {"weight": "not a tensor"}
    with pytest.raises(AttributeError):
        write_model(folder, broken, *model.parts(0.0)[1:])  # type: ignore[arg-type]
    with pytest.raises(ModelFolderError, match="sum is incomplete: writing or removing it was interrupted"):
        read_model(folder)


def test_the_model_before_is_read_where_nothing_else_is_whole(folder: Path, model: Any, caplog: Any) -> None:
    folder.rename(folder.with_name("sum.previous"))
    assert read_model(folder).path.name == "sum.previous"
    assert "reading the model before it" in caplog.text


def test_transformers_knows_how_to_generate(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GenerationConfig.from_pretrained(folder)
    assert (config.pad_token_id, config.eos_token_id, config.do_sample) == (0, 1, False)
