"""Recipes: those that come with the package, those of one's own, and what is wrong with a bad one, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.errors import ConfigError
from calcgpt.runtime.plain_yaml import parse_yaml
from calcgpt.training.config import TrainingConfig
from calcgpt.training.recipes import Recipe, _parse, load_recipe, recipe_names

GOOD = "dataset: data.txt\n"


def test_what_there_is() -> None:
    assert {"classic", "three-digit", "addition", "calculator"} <= set(recipe_names())
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.name == name and len(recipe.description.splitlines()) == 1
        assert (recipe.dataset is None) == (recipe.config.task is not None)


def test_classic_is_the_documented_run() -> None:
    recipe = load_recipe("classic")
    assert recipe.dataset == "datasets/ds-calcgpt.txt" and recipe.config == TrainingConfig()


def test_three_digit_is_sums_and_differences_of_0_to_999() -> None:
    task = load_recipe("three-digit").config.task
    assert task is not None and set(task.operations) == {"+", "-"}
    assert (task.min_value, task.max_value, task.negative_results) == (0, 999, True)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "description: Mine\nconfig:\n  learning_rate: 1e-3\n  weight_decay: 5E-2\n  max_steps: 10\n"
        "  task: {operations: ['*'], max_value: 9}\n  notation: {width: 1, interleave: yes}\n"
        "result: {exact_match: 0.5}\n"
    )
    for given_path in (path, str(path)):
        recipe = load_recipe(given_path)
        assert (recipe.name, recipe.description, recipe.dataset) == ("mine", "Mine", None)
        assert recipe.config.learning_rate == 1e-3 and recipe.config.weight_decay == 0.05
        assert recipe.config.notation.interleave and recipe.result == {"exact_match": 0.5}
    path.with_suffix(".yml").write_text(GOOD)
    assert load_recipe(path.with_suffix(".yml")) == Recipe("mine", "", TrainingConfig(), "data.txt")


BAD = {
    "": "expected a mapping with description, dataset, config, result, not None",
    "- 1": r"expected a mapping .*, not \[1\]",
    "just text": "not 'just text'",
    "config: [": "bad.yaml:1: is not YAML: expected the node content",
    "a: b: c": "is not YAML",
    "\x07": "is not YAML",
    "dataset: data.txt\nepochs: 5": "has 'epochs': a recipe has description",
    "dataset: data.txt\n? [1, 2]\n: 3": r"bad.yaml:2: a key must be one word, not \[1, 2\]",
    "dataset: 5": "dataset must be a text, not 5",
    "dataset: [a]": r"dataset must be a text, not \['a'\]",
    "dataset: data.txt\nconfig: 5": "config must be a mapping, not 5",
    "dataset: data.txt\nconfig: []": "config must be a mapping",
    "dataset: data.txt\nconfig: [epochs]": "config must be a mapping",
    "dataset: data.txt\nresult: good": "result must be a mapping, not 'good'",
    "dataset: data.txt\ndescription: [1]": "description must be a text",
    "config: {}": "expected a dataset or a config with a task, one of the two",
    "dataset: data.txt\nconfig: {task: {max_value: 9}, max_steps: 1}": "expected a dataset or a config with a task",
    "dataset: data.txt\nconfig: {epoch: 1}": "no such setting: epoch",
    "dataset: data.txt\nconfig: {1: 1}": "no such setting: 1",
    "dataset: data.txt\nconfig: {epochs: 1e400}": "epochs must be a positive integer, not inf",
    "dataset: data.txt\nconfig: {learning_rate: 1e400}": "learning_rate must be a finite number above 0, not inf",
    "dataset: data.txt\nconfig: {learning_rate: .nan}": "learning_rate must be a finite number above 0, not nan",
    "dataset: data.txt\nconfig: {learning_rate: fast}": "not 'fast'",
    "dataset: data.txt\nconfig: {epochs: null}": "epochs must be a positive integer, not None",
    "dataset: data.txt\nconfig: {epochs: 2020-13-45}": "is not YAML|epochs must be",
    "dataset: data.txt\nconfig: {epochs: 2020-12-24}": "epochs must be a positive integer, not '2020-12-24'",
    f"dataset: data.txt\nconfig: {{epochs: {'9' * 5000}}}": "bad.yaml:2: expected int, not '9999",
    "dataset: data.txt\nconfig: {num_heads: 3}": "num_heads must divide embedding_dim",
    "config: {task: 5, max_steps: 1}": "task must be a Task, not 5",
    "config: {task: {operations: 5}, max_steps: 1}": "task.operations must be",
    "config: {task: {operations: ['?']}, max_steps: 1}": "task.operations must be",
    "config: {task: {min_value: 9, max_value: 1}, max_steps: 1}": "task.min_value 9 is above",
    "dataset: data.txt\nconfig: {notation: {width: wide}}": "notation.width must be",
    "dataset: !!python/object/apply:os.getcwd []": "bad.yaml:1: the tag '!!python/object/apply:os.getcwd'",
    "a: &a [*a]": "bad.yaml:1: expected at most 10,000 values, and no alias within itself",
    "[" * 3000: "bad.yaml:1: expected lists and mappings at most 40 deep",
    "dataset: data.txt\ndataset: other.txt": "bad.yaml:2: the key 'dataset' comes twice",
    'dataset: data.txt\ndescription: !!timestamp "x"': "bad.yaml:2: the tag '!!timestamp'",
    'dataset: data.txt\nconfig: {epochs: !!int ""}': "bad.yaml:2: expected int, not ''",
}


@pytest.mark.parametrize("content", BAD, ids=[repr(content[:50]) for content in BAD])
def test_a_bad_recipe_is_one_clear_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=BAD[content]) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value) and len(str(caught.value)) < 900


@given(st.one_of(st.text(max_size=60), st.text(st.sampled_from("config: {}[],-&*!|>'\"\n#?tsk19.e"), max_size=60)))
def test_any_text_is_a_recipe_or_a_config_error(content: str) -> None:
    try:
        _parse(parse_yaml(content.encode("utf-8", "surrogatepass"), "file.yaml"), "name", "file.yaml")
    except ConfigError as error:
        assert "\n" not in str(error)


def test_recipes_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"dataset: caf\xe9")
    for name, reason in [
        ("four-digit", "there is no recipe 'four-digit': choose from .*classic, .*three-digit, or give a .yaml file"),
        ("", "there is no recipe ''"),
        (tmp_path / "none.yaml", "cannot read the recipe .*none.yaml: No such file"),
        (tmp_path / "folder.yaml", "cannot read the recipe .*: Is a directory"),
        (tmp_path / "latin.yaml", "latin.yaml:1: not UTF-8 text .byte 0xe9."),
        ("a\0b.yaml", "cannot read the recipe"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            load_recipe(name)
