"""Every file that a person writes and this project reads, mutated: it is read, or one error of ours says why not.

`python tests/test_fuzz.py 100000` tries as many inputs of each kind.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import calcgpt
from calcgpt.arithmetic.columns import parse_columns
from calcgpt.arithmetic.datasets import analyze, load_dataset
from calcgpt.arithmetic.parsing import parse_expression
from calcgpt.cli.lines import open_lines
from calcgpt.errors import CalcGPTError
from calcgpt.evaluation.suites import load_suite
from calcgpt.training.recipes import load_recipe

PACKAGE = Path(calcgpt.__file__).parent
YAML = [
    b"!!int ",
    b"!!timestamp ",
    b"&a ",
    b"*a",
    b"<<: ",
    b"? ",
    b"- ",
    b": ",
    b"[",
    b"{",
    b"9" * 5000,
    b"1e400",
    b".nan",
]
YAML += [b"2020-99-99", b"null", b"true", b"'", b'"', b"|\n", b"[" * 2000, b"...\n---\n", b"\\uD800", b"0x" + b"f" * 50]
BYTES = [
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\t",
    b" ",
    b"\x1b[31m",
    "−×１²÷\u2028".encode(),
    b"",
]
SUMS = [b"-", b"+", b"//", b"%", b"(", b")", b"=", b"0", b"9" * 5000, b"/0", b"++", b"--", b"1e5"]
LINES = b"12+34=46\n5-(-3)=8\n-7//2=-4\n1+1=2\n9*9=81\n7%3=1\n"


def _lines(path: Path) -> None:
    with open_lines(str(path), 100) as blocks:
        for line in (line for block in blocks for line in block):
            for parse in (parse_expression, parse_columns):
                try:
                    parse(line)
                except CalcGPTError as error:
                    assert len(str(error).splitlines()) == 1


KINDS: dict[str, tuple[Callable[[Path], object], list[bytes], list[bytes]]] = {
    "recipe.yaml": (load_recipe, [path.read_bytes() for path in sorted(PACKAGE.glob("training/recipes/*.yaml"))], YAML),
    "suite.yaml": (load_suite, [path.read_bytes() for path in sorted(PACKAGE.glob("evaluation/suites/*.yaml"))], YAML),
    "data.txt": (load_dataset, [LINES], SUMS),
    "text.txt": (lambda path: load_dataset(path, plain_text=True), [LINES], SUMS),
    "analyzed.txt": (analyze, [LINES], SUMS),
    "problems.txt": (_lines, [b"12+34\n5 - (-3)\n1+2+3\n-7//2=\n"], SUMS),
}


def mutate(content: bytes, pieces: list[bytes], rng: random.Random) -> bytes:
    """A valid file with a few places cut out, repeated or replaced."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        end = min(len(data), place + rng.choice([0, 0, 1, 1, 2, 8, 40]))
        way = rng.random()
        new = rng.choice([*pieces, *BYTES]) if way < 0.7 else bytes(data[place:end] * 2) if way < 0.85 else b""
        if way > 0.95 and place < len(data):
            new, end = bytes([data[place] ^ 1 << rng.randrange(8)]), place + 1
        data[place:end] = new
    return bytes(data)


def attempt(name: str, count: int, seed: int, folder: Path) -> int:
    """Read so many mutations; returns how many were refused, and fails at the first that ends in anything else."""
    read, valid, pieces = KINDS[name]
    rng, path, refused = random.Random(f"{name} {seed}"), folder / name, 0
    for _ in range(count):
        path.write_bytes(content := mutate(rng.choice(valid), pieces, rng))
        try:
            read(path)
        except CalcGPTError as error:
            refused += 1
            assert str(error) and (len(str(error).splitlines()) == 1 or name.endswith(".txt")), content
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}: {content[:300]!r}") from error
    return refused


@pytest.mark.parametrize("name", KINDS)
def test_what_cannot_be_read_is_an_error_of_ours(tmp_path: Path, name: str) -> None:
    assert attempt(name, 150, 0, tmp_path) > 20 or name in ("text.txt", "analyzed.txt", "problems.txt")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            print(kind, attempt(kind, int(sys.argv[1]), 1, Path(folder)), "refused", flush=True)
