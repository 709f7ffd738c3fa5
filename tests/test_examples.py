"""The Python examples of the documentation do what they say: a block after a line `<!-- runs -->` runs as it stands.

The blocks of a page run in its order, in one namespace and in one folder of their own, as a reader would type them.
Blocks with `>>>` are held against the output that the page shows.
"""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calcgpt.arithmetic.operations import OPERATIONS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^<!-- runs -->\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A clone's folder as far as examples see one; operations that they register are gone afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    before = dict(OPERATIONS)
    yield tmp_path
    OPERATIONS.clear()
    OPERATIONS.update(before)


def run(page: Path, blocks: list[str]) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, block in enumerate(blocks):
        name = f"{page.name}, example {number + 1}"
        if ">>>" not in block:
            exec(compile(block, name, "exec"), namespace)
            continue
        test = doctest.DocTestParser().get_doctest(block, namespace, name, str(page), None)
        shown: list[str] = []
        failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=shown.append, clear_globs=False)
        assert failed.attempted and not failed.failed, "".join(shown)
        namespace.update(test.globs)


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path, folder: Path) -> None:
    run(page, examples(page))


@pytest.mark.parametrize("name", ["README.md", "docs/library.md", "docs/first-lesson.md"])
def test_pages_that_promise_examples_have_them(name: str) -> None:
    """So that a change of the mark, or of how blocks are found, does not turn the test above into none."""
    assert examples(ROOT / name)


def test_every_mark_has_its_block() -> None:
    for page in PAGES:
        assert len(examples(page)) == page.read_text(encoding="utf-8").count("<!-- runs -->"), page.name


@pytest.mark.parametrize("block", ["assert False", ">>> 1 + 1\n3\n"])
def test_a_wrong_example_is_found(block: str, folder: Path) -> None:
    with pytest.raises(AssertionError):
        run(ROOT / "README.md", [block])
