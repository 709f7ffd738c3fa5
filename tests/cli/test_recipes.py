"""`calcgpt recipes`: the list, and one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from calcgpt.cli.main import main
from calcgpt.training.config import TrainingConfig
from calcgpt.training.recipes import load_recipe, recipe_names

Output = pytest.CaptureFixture[str]


def test_the_list_names_each_with_its_description(capsys: Output) -> None:
    assert main(["recipes"]) == 0
    lines = [re.split(r" {2,}", line) for line in capsys.readouterr().out.partition("\n\n")[0].splitlines()]
    assert lines == [[name, " ".join(load_recipe(name).description.split())] for name in recipe_names()]


def test_in_a_terminal_descriptions_wrap_and_names_do_not(in_terminal: Callable[..., tuple[int, str]]) -> None:
    code, screen = in_terminal("recipes")
    assert code == 0 and all(f"\n{name} " in f"\n{screen}" for name in recipe_names())
    assert max(map(len, screen.splitlines())) <= 80


def test_one_reads_back_as_the_recipe_it_shows(own_folder: Path, capsys: Output) -> None:
    for name in recipe_names():
        assert main(["recipes", name]) == 0
        shown = capsys.readouterr().out
        (own_folder / f"{name}-copy.yaml").write_text(shown)
        copy = load_recipe(f"{name}-copy.yaml")
        assert copy.config == load_recipe(name).config and copy.dataset == load_recipe(name).dataset
        assert max(map(len, shown.splitlines())) < 80 and yaml.safe_load(shown)


def test_json(capsys: Output) -> None:
    assert main(["recipes", "--json"]) == 0
    assert [recipe["name"] for recipe in json.loads(capsys.readouterr().out)] == recipe_names()
    assert main(["recipes", "three-digit", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert TrainingConfig.from_dict(found["config"]) == load_recipe("three-digit").config


def test_a_recipe_that_is_not_there(capsys: Output) -> None:
    assert main(["recipes", "four-digit"]) == 2
    assert capsys.readouterr().err.startswith("calcgpt: there is no recipe 'four-digit'")
