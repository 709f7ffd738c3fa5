"""A dict that shows itself as a summary is a dict in everything else."""

from __future__ import annotations

import copy
import json
import pickle
import pprint
from typing import Any

import pytest

from calcgpt.evaluation.table import Report
from calcgpt.evaluation.tally import row_of
from calcgpt.runtime.summary import Summarised
from calcgpt.training.records import TrainingResults

ROW = {"problem": "1+2", "answer": "<4>", "solution": "3", "is_correct": False, "confidence": 0.5}
RESULTS: dict[str, Any] = {
    "training_loss": 0.0123456,
    "eval_loss": None,
    "exact_match": 0.99999,
    "training_time": 20.04,
    "model_params": 26464,
    "vocab_size": 18,
    "dataset_size": 1234,
    "test_results": [ROW] * 500,
    "history": [{"step": step, "loss": 1.0} for step in range(2000)],
    "steps": 300,
    "stopped": "max_steps",
    "output_dir": "models/x",
}
COUNTS = {"operation": "+", **row_of([10, 9, 0, 0])}
REPORT = {"model": "x", "suite": "quick", **row_of([10, 9, 0, 0]), "operations": [COUNTS], "wrong": [ROW] * 100}
BOTH = pytest.mark.parametrize("shown", [TrainingResults(RESULTS), Report(REPORT)], ids=["results", "report"])


@BOTH
def test_it_is_a_dict(shown: Summarised) -> None:
    plain = dict(shown)
    assert isinstance(shown, dict) and shown == plain and list(shown) == list(plain)
    assert json.dumps(shown) == json.dumps(plain)
    assert dict(**shown) == plain and {**shown} == plain and shown | {} == plain
    for again in (pickle.loads(pickle.dumps(shown)), copy.copy(shown), copy.deepcopy(shown), type(shown)(plain)):
        assert again == shown and type(again) is type(shown) and repr(again) == repr(shown)
    shown_twice = copy.deepcopy(shown)
    shown_twice["own"] = 1
    assert shown_twice != shown and "own" in repr(shown_twice)


@BOTH
def test_it_floods_nothing(shown: Summarised) -> None:
    for text in (repr(shown), str(shown), f"{shown}", pprint.pformat(shown)):
        assert len(text) < 800 and "\n" not in text
    assert len(shown._repr_html_()) < 5000


def test_results_say_the_figures() -> None:
    assert TrainingResults(RESULTS).summary() == (
        "training results: exact match >99.99%, training loss 0.01235, 300 steps in 20.0 s, 26,464 parameters, models/x"
    )
    html = TrainingResults(RESULTS)._repr_html_()
    assert "&lt;4&gt;" in html and html.count(">wrong<") == 5 and "validation loss" not in html


def test_a_report_says_its_counts() -> None:
    assert Report(REPORT).summary() == "evaluation of x, suite quick: 9 of 10 right, 90.00%"
    assert '<td class="numeric bad">90.00%</td>' in Report(REPORT)._repr_html_()


@pytest.mark.parametrize("kind", [TrainingResults, Report])
def test_whatever_is_left_of_it_is_shown(kind: type[Summarised]) -> None:
    for content in ({}, {"steps": 3}, {"problems": 0, "right": 0}):
        assert kind(content).summary() and repr(kind(content))
        kind(content)._repr_html_()
