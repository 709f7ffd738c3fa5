"""`calcgpt models`: the list, and one of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from calcgpt.cli.main import main
from calcgpt.cli.models import describe_data, recipe_of
from calcgpt.errors import ModelFolderError
from calcgpt.model.catalog import find_model
from calcgpt.model.folder import read_run
from calcgpt.training.recipes import load_recipe

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


def test_the_list_fits_a_terminal_and_skips_what_is_broken(two_models: Path, capsys: Output) -> None:
    assert main(["models"]) == 0
    caught = capsys.readouterr()
    assert "tiny" in caught.out and "+ - of 0 to 9" in caught.out and "…" not in caught.out
    assert max(map(len, caught.out.splitlines())) <= 80
    assert caught.err.startswith("calcgpt: skipped: ") and "broken" in caught.err and caught.err.count("\n") == 1


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


def test_a_run_knows_its_recipe_whatever_its_seed() -> None:
    for name in ("classic", "three-digit"):
        recipe = load_recipe(name)
        config = json.loads(json.dumps({**recipe.config.to_dict(), "seed": 7}))
        assert recipe_of({"config": config, "data": {"path": recipe.dataset}}) == name
        assert recipe_of({"config": {**config, "batch_size": 77}, "data": {"path": recipe.dataset}}) is None


def test_data_in_words() -> None:
    assert describe_data({"data": {"kind": "file", "path": "x.txt", "examples": 1234}}) == "x.txt (1,234 lines)"
    task = {"operations": ["+", "//"], "min_value": 0, "max_value": 9999, "negative_results": False}
    expected = "+ // of 0 to 9,999, no negative results"
    assert describe_data({"data": {"kind": "task", "tasks": [task]}}) == expected
    assert describe_data({}) == "unknown"


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
