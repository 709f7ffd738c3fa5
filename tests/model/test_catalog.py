"""Which models there are: the newest first, broken ones skipped with the reason, what is set aside never the
newest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from calcgpt.errors import ModelFolderError
from calcgpt.model import catalog
from calcgpt.model.store import RunFolder, find_model, list_models, newest_model, scan_models, write_model


@pytest.fixture
def root(tmp_path: Path, model: Any) -> Path:
    """Two models, the older one with both kinds of neighbours that are newer, a broken one, and what is no
    model.
    """
    root = tmp_path / "models"
    root.mkdir()
    for name in ("old", "new", "new.previous", "new.interrupted", "broken"):
        write_model(root / name, *model.parts(1.0, name=name))
    (root / "broken" / "model.safetensors").write_bytes(b"x")
    (root / "notes").mkdir()
    (root / "half").mkdir()
    (root / "half" / "model.safetensors").write_bytes(b"x")
    (root / "readme.txt").write_text("hello")
    (root / ".hidden").mkdir()
    return root


def test_models_are_listed_newest_first(root: Path, caplog: Any) -> None:
    summaries = list_models(root)
    assert [summary.name for summary in summaries] == ["new.interrupted", "new.previous", "new", "old"]
    assert [summary.kind for summary in summaries] == ["interrupted", "previous", "model", "model"]
    assert [summary.set_aside for summary in summaries] == [True, True, False, False]
    assert summaries[2].size == sum(path.stat().st_size for path in (root / "new").iterdir())
    assert summaries[2].status == "finished" and summaries[2].run["results"]["value"] == 1.0
    assert "broken/model.safetensors is damaged" in caplog.text


def test_broken_ones_are_told(root: Path) -> None:
    problems = scan_models(root)[1]
    assert len(problems) == 2
    assert "broken/model.safetensors is damaged: expected" in problems[0]
    assert "half is not a complete model folder: it has no run.json" in problems[1]
    assert "it has model.safetensors and lacks config.json, tokenizer.json" in problems[1]


def test_the_newest_is_never_one_that_is_set_aside(root: Path, model: Any) -> None:
    assert newest_model(root) == root / "new"
    write_model(root / "old", *model.parts(2.0))
    assert newest_model(str(root)) == root / "old"


def test_without_any_model_the_one_that_ships_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert newest_model(tmp_path / "models") == catalog.SHIPPED / "calculator"
    assert find_model("calculator", tmp_path / "models") == catalog.SHIPPED / "calculator"
    assert scan_models(tmp_path / "models") == ([], [])
    for name in ("..", "../_models/calculator", "."):
        with pytest.raises(ModelFolderError):
            find_model(name, tmp_path / "models")


def test_one_of_ones_own_comes_first(root: Path) -> None:
    (root / "old").rename(root / "calculator")
    assert find_model("calculator", root) == root / "calculator" and newest_model(root).parent == root


def test_no_model_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "SHIPPED", tmp_path / "nowhere")
    assert scan_models(tmp_path / "models") == ([], [])
    with pytest.raises(ModelFolderError, match=r"there is no model in .*models: train one"):
        newest_model(tmp_path / "models")


def test_a_run_that_is_alive_shows_its_checkpoint(root: Path, model: Any) -> None:
    with RunFolder(root / "new") as run:
        assert "new.running" not in [summary.name for summary in list_models(root)]
        path = run.save(*model.parts(3.0))
        first = list_models(root)[0]
        assert (first.name, first.kind, first.path) == ("new.running", "running", path)
        assert newest_model(root) == root / "new"


def test_a_model_about_to_take_its_place_is_listed_by_name(root: Path, model: Any) -> None:
    ready = root / "next.running" / "ready"
    ready.parent.mkdir()
    write_model(ready, *model.parts(3.0))
    assert (list_models(root)[0].name, newest_model(root)) == ("next", ready)
    write_model(root / "next", *model.parts(3.0))
    assert newest_model(root) == root / "next"


def test_a_model_is_found_by_path_or_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    assert find_model("new") == Path("models/new")
    assert find_model("models/new") == Path("models/new")
    assert find_model(root / "new.previous") == root / "new.previous"
    assert find_model("old", root=root) == root / "old"
    monkeypatch.setenv("HOME", os.fspath(root))
    monkeypatch.setenv("USERPROFILE", os.fspath(root))
    assert find_model("~/new") == root / "new"


def test_a_folder_that_shares_a_models_name_does_not_hide_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    Path("new").mkdir()
    assert find_model("new") == Path("models/new")
    Path("other").mkdir()
    with pytest.raises(ModelFolderError, match="other is not a complete model folder"):
        find_model("other")


def test_a_name_that_is_not_there(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"no model 'odl': did you mean old\? .*models has new, new.inter"):
        find_model("odl", root)
    with pytest.raises(ModelFolderError, match="there are no models in"):
        find_model("sum", tmp_path / "empty")
