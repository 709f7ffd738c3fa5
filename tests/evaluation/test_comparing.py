"""Several models side by side: in what their trainings differ, and one figure for each."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from calcgpt.evaluation.comparing import (
    compare,
    describe_data,
    differing_settings,
    own_settings,
    run_facts,
    runs_table,
    same_recipe,
)
from calcgpt.evaluation.report_text import comparison_text
from calcgpt.evaluation.tally import row_of
from calcgpt.training.recipes import load_recipe, recipe_names


def report(model: str, right: int, problems: int = 10) -> dict[str, Any]:
    return {"model": model, **row_of([problems, right, 0, 0])}


def test_mean_worst_and_how_many_succeeded() -> None:
    found = compare([report("a", 10), report("b", 4), report("c", 10), report("d", 7), report("e", 0, 0)])
    assert found == {"models": 4, "succeeded": 2, "mean": 0.775, "worst": 0.4, "worst_model": "b"}
    assert compare([report("a", 0)]) == {"models": 1, "succeeded": 0, "mean": 0, "worst": 0, "worst_model": "a"}


def test_nothing_was_asked() -> None:
    nothing = {"models": 0, "succeeded": 0, "mean": None, "worst": None, "worst_model": None}
    assert compare([]) == compare([report("a", 0, 0)]) == nothing
    assert comparison_text([report("a", 0, 0)]) == ""


def test_in_words() -> None:
    assert comparison_text([report("a", 10)] * 2) == "2 of 2 models answer everything rightly"
    almost = report("b", 999, 1000)
    told = "1 of 2 models answer everything rightly; mean 99.95%, worst 99.90% (b)"
    assert comparison_text([report("a", 10), almost]) == told


def run_of(recipe: str, **changed: Any) -> dict[str, Any]:
    """The run.json of a recipe with some settings changed."""
    loaded = load_recipe(recipe)
    config = replace(loaded.config, **changed)
    data = {"kind": "file", "path": loaded.dataset, "examples": 10} if loaded.dataset else {"kind": "task"}
    tasks = [config.task.to_dict()] if config.task else []
    run = {
        "config": config.to_dict(),
        "seed": config.seed,
        "created": "2026-11-22T17:38:20.904154+00:00",
        "versions": {"calcgpt": "0.3.0"},
        "data": {**data, "tasks": tasks},
        "execution": {"model_params": 26464, "steps": 300},
        "results": {"exact_match": 0.5, "training_time": 20.04},
    }
    return dict(json.loads(json.dumps(run)))


def test_facts_of_a_run() -> None:
    facts = run_facts(run_of("three-digit", seed=7))
    assert facts.pop("settings")["notation.reverse"] == "true"
    assert facts == {
        "computes": "+ - of 0 to 999",
        "recipe": "three-digit",
        "parameters": 26464,
        "exact_match": 0.5,
        "seed": 7,
        "steps": 300,
        "training_time": 20.04,
        "created": "2026-11-22T17:38:20.904154+00:00",
        "version": "0.3.0",
    }


@pytest.mark.parametrize("name", recipe_names())
def test_a_run_knows_its_recipe_whatever_its_seed(name: str) -> None:
    assert run_facts(run_of(name, seed=7, save_steps=9))["recipe"] == name
    assert run_facts(run_of(name, learning_rate=0.123))["recipe"] is None


def test_a_setting_that_an_older_version_did_not_record_has_its_default() -> None:
    run = run_of("three-digit")
    del run["config"]["dropout"], run["config"]["positions"]["ahead"]
    assert run_facts(run)["recipe"] == "three-digit"


def test_the_settings_that_differ() -> None:
    base = run_of("three-digit")
    plain = run_of("three-digit", notation=replace(load_recipe("three-digit").config.notation, reverse=False))
    small = run_of("three-digit", num_layers=1, learning_rate=1e-05, seed=43)
    facts = [run_facts(run) for run in (base, plain, small)]
    differing = differing_settings(facts)
    assert set(differing) == {"notation.reverse", "num_layers", "learning_rate"}
    assert differing["notation.reverse"] == ["true", "false", "true"] and differing["num_layers"] == ["2", "2", "1"]
    assert differing["learning_rate"][2] == "1e-05"
    assert differing_settings(facts[:1]) == differing_settings([facts[0], dict(facts[0])]) == {}
    own = own_settings(facts)
    assert "notation.reverse false" in own[1] and own[2].endswith("seed 43")


def test_runs_that_were_trained_on_other_things_are_not_held_against_each_other() -> None:
    facts = [run_facts(run_of(name)) for name in ("three-digit", "classic", "addition")]
    assert own_settings(facts) == ["", "", ""]
    assert len(differing_settings(facts)) > 5
    facts.append(run_facts(run_of("three-digit", max_steps=9)))
    assert own_settings(facts)[1:] == ["", "", "max_steps 9"]


def test_runs_as_a_table() -> None:
    facts = [run_facts(run_of("three-digit")), run_facts(run_of("three-digit", max_steps=300))]
    table = runs_table(["one", "two"], facts)
    assert table.records()[1] == {
        "name": "two",
        "trained_on": "+ - of 0 to 999",
        "settings": "max_steps 300",
        "parameters": 26464,
        "exact_match": 0.5,
        "steps": 300,
        "training_time": 20.04,
        "created": "2026-11-22T17:38:20.904154+00:00",
        "version": "0.3.0",
    }
    assert "2026-11-22  0.3.0" in str(table) and "20.0 s" in str(table) and "50.00%" in str(table)


_JUNK = [None, True, 5, -0.5, float("nan"), float("inf"), 10**400, "x", "\x1b[2J", [], [1, None], {}, {"a": 1}, [{}]]


def keys(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a record."""
    yield path
    if isinstance(values, dict):
        for key in values:
            yield from keys(values[key], (*path, key))
    if isinstance(values, list):
        for index in range(len(values)):
            yield from keys(values[index], (*path, index))


def damaged(run: dict[str, Any], path: tuple[Any, ...], value: Any) -> Any:
    """The record with another value at a path."""
    if not path:
        return value
    run = copy.deepcopy(run)
    inner = run
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return run


def test_a_damaged_record_is_told_as_far_as_it_can_be_read() -> None:
    good = run_of("three-digit")
    expected = run_facts(good)
    for path in keys(good):
        for value in _JUNK:
            facts = run_facts(damaged(good, path, value))
            str(runs_table(["good", "bad"], [expected, facts])), json.dumps(facts)
            if path and path[0] == "results":
                assert facts["parameters"] == expected["parameters"]


def test_what_was_trained_on_in_words() -> None:
    assert describe_data({"data": {"kind": "file", "path": "x.txt", "examples": 1234}}) == "x.txt (1,234 lines)"
    task = {"operations": ["//", "+"], "min_value": 0, "max_value": 9999, "negative_results": False}
    expected = "+ // of 0 to 9,999, no negative results"
    assert describe_data({"data": {"kind": "task", "tasks": [task]}}) == expected
    assert describe_data({}) == describe_data({"data": {"kind": "task", "tasks": [{}]}}) == "unknown"


def run(seed: int = 0, computes: str = "+ of 0 to 9", steps: int = 300, **settings: str) -> dict[str, Any]:
    return {"seed": seed, "computes": computes, "steps": steps, "settings": {"num_layers": "2", **settings}}


def test_runs_that_differ_only_in_their_seed_are_one_recipe() -> None:
    runs = [run(1), run(1, num_layers="1"), run(2), {**run(3), "exact_match": 0.5}, run(2, num_layers="1")]
    assert same_recipe(runs) == [[0, 2, 3], [1, 4]]
    assert same_recipe([]) == []


def test_other_data_and_an_interrupted_run_are_other_recipes() -> None:
    assert same_recipe([run(1), run(2, computes="file.txt"), run(3, steps=120)]) == [[0], [1], [2]]
    free = {"target_exact_match": "0.99"}
    assert same_recipe([run(1, steps=100, **free), run(2, steps=200, **free)]) == [[0, 1]]


def test_models_of_which_nothing_is_known_stand_alone() -> None:
    assert same_recipe([None, None, {}, {"settings": None}, run(1), run(2)]) == [[0], [1], [2], [3], [4, 5]]
