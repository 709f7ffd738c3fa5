"""Suites: those that come with the package, files of one's own, and what is wrong in them as one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation import Part, Suite, evaluate, load_suite
from calcgpt.evaluation.suites import DEFAULT, KINDS, parse_suite, suite_names

KINDS_OF = {
    "quick": ["uniform", "carry"],
    "standard": ["uniform", "carry", "adversarial", "robustness"],
    "exhaustive": ["exhaustive"],
    "lengths": ["lengths"],
    "length-grid": ["grid"],
    "carry": ["carry"],
    "adversarial": ["adversarial"],
    "robustness": ["robustness"],
}


def test_the_suites_that_come_with_the_package() -> None:
    assert set(suite_names()) == set(KINDS_OF) and DEFAULT == "standard"
    assert {kind for kinds in KINDS_OF.values() for kind in kinds} == set(KINDS) - {"dataset"}


@pytest.mark.parametrize("name", suite_names())
def test_each_loads_and_is_asked(name: str, stub: Callable[..., Any]) -> None:
    suite = load_suite(name)
    assert suite.name == name and suite.version >= 1 and suite.seed == 0 and suite.description.endswith(".")
    assert [part.kind for part in suite.parts] == KINDS_OF[name]
    report = evaluate(stub(Task(("+", "-"), 0, 20)), suite.changed(count=3))
    assert report["right"] == report["problems"] > 0 and report["wrong"] == []
    assert {key: report[key] for key in ("suite", "version", "seed", "description")} == {
        "suite": name,
        "version": suite.version,
        "seed": 0,
        "description": suite.description,
    }


@pytest.mark.parametrize("name", suite_names())
def test_a_suite_is_what_its_dict_says(name: str) -> None:
    suite = load_suite(name)
    content = yaml.safe_load(yaml.safe_dump(suite.to_dict()))
    assert parse_suite(content, "other") == suite and content == suite.to_dict()


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 7\nparts:\n- {kind: carry, count: 5, digits: 3, operations: '-'}\n- kind: adversarial\n")
    suite = load_suite(path)
    assert suite == load_suite(str(path)) == parse_suite(suite.to_dict(), "x")
    assert suite == Suite("mine", (Part("carry", 5, ("3",), ("-",)), Part("adversarial")), seed=7)
    path.write_text("name: named\nversion: 3\ndescription: What?\nparts: [{kind: dataset, path: a.txt}]\n")
    assert load_suite(path) == Suite("named", (Part("dataset", path="a.txt"),), 3, 0, "What?")


def test_changes_reach_every_part() -> None:
    suite = Suite("x", (Part("uniform", 9, ("3",), ("+",)), Part("carry")), seed=4)
    assert suite.changed() == suite
    changed = suite.changed(7, ["5", "20x10"], ["-", "*"], 1)
    part = {"count": 7, "digits": ["5", "20x10"], "operations": ["-", "*"], "path": None}
    assert changed.to_dict()["parts"] == [{"kind": kind, **part} for kind in ("uniform", "carry")]
    assert changed.seed == 1 and (changed.name, changed.version) == ("x", 1)
    assert suite.changed(seed=0).seed == 0 and suite.changed(count=2).parts[0] == Part("uniform", 2, ("3",), ("+",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parts: []", "a suite without parts asks nothing"),
        ("version: 1", "expected a suite with parts"),
        ("[]", "expected a suite with parts"),
        ("", "expected a suite with parts"),
        ("parts: uniform", "expected a suite with parts"),
        ("parts: [uniform]", "expected a part with a kind"),
        ("parts: [{count: 3}]", "expected a part with a kind"),
        (
            "parts: [{kind: uniform, cuont: 3}]",
            "part 1: expected of a part kind count digits operations path, not 'cuont'",
        ),
        ("{parts: [{kind: carry}], sed: 3}", "expected name, version, seed, description and parts, not 'sed'"),
        ("parts: [{kind: unifrom}]", "expected a part's kind as one of uniform"),
        ("parts: [{kind: [uniform]}]", "expected a part's kind as one of uniform"),
        ("parts: [{kind: null}]", "expected a part's kind as one of uniform"),
        ("parts: [{kind: carry, count: 0}]", "count must be a whole number of at least 1, not 0"),
        ("parts: [{kind: carry}, {kind: carry, count: 0}]", "part 2: count must be a whole number of at least 1"),
        ("parts: [{kind: carry, count: 1.5}]", "count must be a whole number of at least 1, not 1.5"),
        ("parts: [{kind: carry, count: true}]", "count must be a whole number of at least 1, not True"),
        ("parts: [{kind: carry, count: many}]", "count must be a whole number of at least 1, not 'many'"),
        ("parts: [{kind: carry, operations: [+, ^]}]", "expected operations among"),
        ("parts: [{kind: carry, operations: 5}]", "expected operations among"),
        ("parts: [{kind: carry, operations: [[+]]}]", "expected operations among"),
        ("parts: [{kind: carry, operations: null}]", "expected operations among"),
        ("parts: [{kind: carry, path: x.txt}]", "a part of kind dataset, and no other, has a path"),
        ("parts: [{kind: dataset}]", "a part of kind dataset, and no other, has a path"),
        ("parts: [{kind: dataset, path: 5}]", "path"),
        ("{parts: [{kind: carry}], seed: -1}", "seed must be a whole number of 0 or more, not -1"),
        ("{parts: [{kind: carry}], seed: a}", "seed must be a whole number of 0 or more, not 'a'"),
        ("{parts: [{kind: carry}], version: 1.0}", "version must be a whole number of 0 or more, not 1.0"),
        ("{parts: [{kind: carry}], name: 5}", "name"),
        ("{parts: [{kind: carry}], name: ../../x}", "name"),
        ("{parts: [{kind: carry}], description: [1]}", "description"),
        ("{parts: [", "bad.yaml:1: is not YAML"),
        ("? [1]\n: 2", "bad.yaml:1: a key must be one word"),
        ("parts: 2020-99-99", "expected a suite with parts"),
        ('parts: [{kind: !!int "x"}]', "bad.yaml:1: expected int, not 'x'"),
        ('parts: !!timestamp "x"', "bad.yaml:1: the tag '!!timestamp'"),
        ("parts:\n- {kind: carry, count: " + "9" * 5000 + "}", "bad.yaml:2: expected int"),
        ("parts: " + "[" * 2000, "bad.yaml:1: expected lists and mappings at most 40 deep"),
    ],
)
def test_what_cannot_be_a_suite_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_suite(path)
    assert "\n" not in str(caught.value)


def test_a_data_file_beside_its_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "beside.txt").write_text("1+1=2\n")
    (tmp_path / "deep" / "mine.yaml").write_text(
        "parts: [{kind: dataset, path: beside.txt}, {kind: dataset, path: x.txt}, {kind: carry}]"
    )
    paths = [part.path for part in load_suite("deep/mine.yaml").parts]
    assert paths == [str(Path("deep/beside.txt")), "x.txt", None]


def test_a_folder_for_each_thing_that_is_asked() -> None:
    standard = load_suite("standard")
    assert standard.folder == standard.changed(seed=0).folder == "standard"
    others = [standard.changed(count=7), standard.changed(seed=7), Suite("standard", (Part("carry"),)), Suite("x", ())]
    folders = [suite.folder for suite in others]
    assert len({*folders, "standard"}) == 5 and [suite.folder for suite in others] == folders
    assert all(re.fullmatch(r"(standard|x)-[0-9a-f]{8}", folder) for folder in folders)


@pytest.mark.parametrize("name", ["nothing", "standard.yam", "", "missing.yaml", "."])
def test_a_suite_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yml").write_bytes(b"\xff\xfe\x00")
    for one in (name, "folder.yaml", "latin.yml"):
        with pytest.raises(
            ConfigError, match="there is no suite|cannot read the suite|latin.yml:1: not UTF-8"
        ) as caught:
            load_suite(one)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("digits", ["x", "0", "3x", "null"])
def test_lengths_that_are_none_are_told_when_they_are_asked(stub: Callable[..., Any], digits: str) -> None:
    with pytest.raises(ConfigError, match="expected digits such as 100, 20x10"):
        evaluate(stub(Task(("+",), 0, 9)), Suite("x", (Part("uniform", digits=(digits,)),)))
