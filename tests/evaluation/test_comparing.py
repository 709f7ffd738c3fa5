"""Several models as one figure each."""

from __future__ import annotations

from typing import Any

from calcgpt.evaluation.comparing import compare, same_recipe
from calcgpt.evaluation.report_text import comparison_text
from calcgpt.evaluation.tally import row_of


def report(model: str, right: int, problems: int = 10) -> dict[str, Any]:
    return {"model": model, **row_of([problems, right, 0, 0])}


def test_mean_worst_and_how_many_succeeded() -> None:
    found = compare([report("a", 10), report("b", 4), report("c", 10), report("d", 7), report("e", 0, 0)])
    assert found == {"models": 4, "succeeded": 2, "mean": (1 + 0.4 + 1 + 0.7) / 4, "worst": 0.4, "worst_model": "b"}
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
