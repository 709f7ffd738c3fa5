"""`calcgpt models`: the list, and one of them."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calcgpt.cli.main import main
from calcgpt.errors import ModelFolderError
from calcgpt.model.catalog import find_model
from calcgpt.model.folder import read_run

Output = pytest.CaptureFixture[str]


@pytest.fixture
def two_models(tiny_model: Path, own_folder: Path) -> Path:
    """A folder of models: a finished one, a longer name, a broken one."""
    models = own_folder / "models"
    shutil.copytree(tiny_model, models / "tiny")
    shutil.copytree(tiny_model, models / "another-one-with-quite-a-long-name.previous")
    shutil.copytree(tiny_model, models / "broken")
    (models / "broken" / "config.json").write_text("{")
    return models


def test_in_a_pipe_each_model_is_a_line_that_is_neither_wrapped_nor_drawn(two_models: Path, capsys: Output) -> None:
    assert main(["models"]) == 0
    caught = capsys.readouterr()
    heading, *lines = caught.out.splitlines()
    assert heading.split("  ")[0] == "model" and "settings that differ" in heading and "status" in heading
    names = {line.split("  ")[0]: line for line in lines if not line.startswith("broken: ")}
    assert set(names) == {"tiny", "another-one-with-quite-a-long-name.previous"}
    assert "+ - of 0 to 9" in names["tiny"] and "finished" in names["tiny"]
    assert caught.out.isascii() or not set("│┃━…") & set(caught.out)
    assert [line for line in lines if line.startswith("broken: ")] == [lines[-1]] and "config.json" in lines[-1]
    assert caught.err == ""


def test_in_a_terminal_of_80_columns_no_name_is_broken(
    two_models: Path, in_terminal: Callable[..., tuple[int, str]]
) -> None:
    code, screen = in_terminal("models")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", screen)
    assert code == 0 and "another-one-with-quite-a-long-name.previous" in shown and "broken: " in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 80 and "…" not in shown


def test_a_run_that_differs_says_in_what(two_models: Path, capsys: Output) -> None:
    path = two_models / "tiny" / "run.json"
    content = unsealed(json.loads(path.read_text()))
    content["config"]["notation"]["reverse"] = not content["config"]["notation"]["reverse"]
    path.write_text(json.dumps(content))
    assert main(["models"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tiny ")]
    assert f"notation.reverse {str(content['config']['notation']['reverse']).lower()}" in line


def unsealed(run: dict[str, Any]) -> dict[str, Any]:
    """A record as the first version wrote it, which no digest guards."""
    return {"format": "calcgpt-model/1"} | {
        name: value for name, value in run.items() if name not in ("format", "digest", "classes")
    }


_JUNK = [None, True, 5, -0.5, float("nan"), 10**30, "x", "\x1b[2J", [], [1, None], {}, {"a": 1}, [{}]]


def keys(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key in values if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ():
        yield from keys(values[key], (*path, key))


@pytest.mark.parametrize("value", _JUNK, ids=repr)
def test_no_record_can_end_the_list(value: Any, tiny_model: Path, own_folder: Path, capsys: Output) -> None:
    """One folder for every key of run.json, with a value there that is none."""
    good = unsealed(read_run(tiny_model))
    paths = [path for path in keys(good) if "test_results" not in path[:-1]]
    for number, path in enumerate(paths):
        folder = own_folder / "models" / f"bad-{number:03}"
        shutil.copytree(tiny_model, folder, copy_function=os.link)
        run = inner = {"": copy.deepcopy(good)}
        for key in ("", *path)[:-1]:
            inner = inner[key]
        inner[("", *path)[-1]] = value
        (folder / "run.json").unlink()
        (folder / "run.json").write_text(json.dumps(run[""]))
    shutil.copytree(tiny_model, own_folder / "models" / "tiny")
    assert main(["models"]) == 0
    caught = capsys.readouterr()
    lines = caught.out.splitlines()
    assert [line for line in lines if line.startswith("tiny ")] and "Traceback" not in caught.err
    for number in range(len(paths)):
        (line,) = [line for line in lines if f"bad-{number:03}" in line]
        assert line.isprintable()
    assert main(["models", "--json"]) == 0
    assert "tiny" in [model["name"] for model in json.loads(capsys.readouterr().out)]
    for number in range(0, len(paths), 7):
        assert main(["models", f"bad-{number:03}"]) in (0, 2)


def test_the_list_as_json(two_models: Path, tiny_model: Path, capsys: Output) -> None:
    assert main(["models", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
    run = read_run(tiny_model)
    assert models["tiny"]["parameters"] == run["execution"]["model_params"]
    assert models["tiny"]["results"]["exact_match"] == run["results"]["exact_match"]
    assert models["another-one-with-quite-a-long-name.previous"]["kind"] == "previous"


def test_no_models_is_no_error(capsys: Output) -> None:
    assert main(["models"]) == 0
    assert "calcgpt train" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_one_model(two_models: Path, tiny_model: Path, capsys: Output) -> None:
    run = read_run(tiny_model)
    for name in ("tiny", "models/tiny", str(tiny_model)):
        assert main(["models", name]) == 0
        shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[0] != " ")
        assert shown["status"] == "finished" and f"{run['execution']['model_params']:,}" in shown["parameters"]
        assert shown["recipe"] == "settings of its own" and "tiny" in shown["path"]
    assert main(["models", "tiny", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"path": str(Path("models/tiny")), **run}


def test_a_model_that_is_not_there(two_models: Path, capsys: Output) -> None:
    assert main(["models", "tyny"]) == 2
    assert "did you mean tiny?" in capsys.readouterr().err


def test_a_killed_runs_checkpoint_is_described_as_solve_finds_it(
    own_folder: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`calcgpt models`, `solve` and the rest find models in one way."""
    staging = Path("models/sum.running")
    staging.mkdir(parents=True)
    shutil.copytree(tiny_model, staging / "checkpoint-2")
    for name in ("sum.running", "models/sum.running"):
        assert main(["models", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["path"] == str(staging / "checkpoint-2")
        with pytest.raises(ModelFolderError, match=f"its run was killed; a checkpoint of it is {staging}"):
            find_model("sum")
        assert main(["solve", "-m", name, "1+1"]) == 0
        assert "1+1 = " in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    assert [(model["name"], model["status"]) for model in json.loads(capsys.readouterr().out)] == [
        ("sum.running", "stopped")
    ]
