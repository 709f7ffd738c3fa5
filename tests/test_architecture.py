"""The shape of the library: imports go one way, heavy ones wait, only the command shows anything, all is described."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "calcgpt"
LAYERS = ["errors", "runtime", "arithmetic", "tokens", "model", "inference", "training", "evaluation"]
LAYERS += ["interop", "serving", "cli"]
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]
EVERY_MODULE = pytest.mark.parametrize("path", MODULES, ids=NAMES)
ENTRANCES = ("__init__.py", "__main__.py")  # of the package itself: above every layer


def layer_of(dotted: str) -> str:
    return (dotted.split(".") + [""])[1]


def imports(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Every import of a module, absolute; relative ones are not used."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield node, node.module or ""
            if node.module == "calcgpt":
                yield from ((node, f"calcgpt.{alias.name}") for alias in node.names)


@EVERY_MODULE
def test_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if path.parent == PACKAGE and path.name in ENTRANCES:
        return
    assert own in LAYERS, f"{own} has no place in the order of layers"
    for node, name in imports(ast.parse(path.read_text(encoding="utf-8"))):
        assert not name.startswith("lib"), "nothing imports the documented import path"
        layer = layer_of(name) if name.startswith("calcgpt.") else own
        if layer in ("__version__", "CalcGPT", "CalcGPTTrainer", "TrainingConfig"):
            continue
        assert LAYERS.index(layer) <= LAYERS.index(own), f"line {getattr(node, 'lineno', '?')}: {own} imports {name}"


@EVERY_MODULE
def test_a_module_says_what_it_is(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text and text.partition("\n\n")[0].endswith((".", ":")), "a sentence that ends"


def called(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


@EVERY_MODULE
def test_the_library_never_shows_parses_or_exits(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] == "cli" or path.name == "__main__.py":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for line, name in called(tree):
        assert name not in ("print", "input", "exit", "quit", "sys.exit", "os._exit", "signal.signal"), f"line {line}"
        assert not name.startswith(("argparse.", "warnings.")), f"line {line}: {name}"
    names = [name.split(".")[0] for _, name in imports(tree)]
    assert not {"argparse", "rich", "tyro"} & set(names)


def test_one_module_writes_to_a_screen() -> None:
    users = [path.name for path in MODULES if "sys.stdout" in path.read_text() and "cli" not in path.parts]
    assert users == ["tracking.py"], "the console listener, and it alone"


def loads(code: str, *modules: str) -> list[str]:
    """Which of the modules a fresh Python has loaded after some code."""
    code += f"\nimport sys; print(*[name for name in {modules!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return done.stdout.split()


def test_the_package_imports_nothing_heavy() -> None:
    assert loads("import calcgpt", "torch", "numpy", "yaml", "rich", "tyro", "transformers") == []


@pytest.mark.parametrize("layer", ["errors", "runtime", "arithmetic", "tokens"])
def test_the_lower_layers_need_no_torch(layer: str) -> None:
    names = [name.removesuffix(".py").replace("/", ".") for name in NAMES if name.startswith(layer)]
    code = "; ".join(f"import calcgpt.{name.removesuffix('.__init__')}" for name in names)
    assert loads(code, "torch", "transformers", "tokenizers") == []


def test_settings_and_listings_need_no_torch() -> None:
    code = "import calcgpt.model.config, calcgpt.model.store, calcgpt.training.config, calcgpt.training.recipes, "
    assert loads(code + "calcgpt.training.tracking", "torch", "transformers") == []


@pytest.mark.parametrize("module", ["lib", "lib.train"])
def test_settings_by_their_documented_name_need_no_torch(module: str) -> None:
    code = f"from {module} import TrainingConfig, load_dataset, create_vocab, augment_data; TrainingConfig(epochs=1); "
    assert loads(code + f"import {module}; dir({module})", "torch", "transformers", "safetensors") == []
    assert loads(f"from {module} import CalcGPTTrainer", "torch") == ["torch"]


def test_package_inits_hold_nothing() -> None:
    for path in MODULES:
        # The two entrances import lazily; two folders are of YAML files, beside what reads them.
        entrances, data = (PACKAGE, PACKAGE / "evaluation"), ("training/recipes", "evaluation/suites")
        if path.name == "__init__.py" and path.parent not in (*entrances, *(PACKAGE / name for name in data)):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert len(body) == 1, f"{path} holds more than its docstring"
