"""A model as the one Python file that the public challenge of ten-digit addition (AdderBoard) asks for.

The file has `build_model()`, which gives the network and its description, and `add(model, a, b)`, which gives an
integer. It holds the weights, and rebuilds the solver with this package.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import asdict
from pathlib import Path
from pprint import pformat
from string import Template
from typing import Any

from safetensors.torch import save

from calcgpt import __version__
from calcgpt.arithmetic.columns import group, parse_columns
from calcgpt.arithmetic.problems import from_expressions
from calcgpt.errors import ConfigError, TokenError, UnsupportedProblem
from calcgpt.inference.columns import ask
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.classes import own_classes
from calcgpt.runtime.files import write_atomic
from calcgpt.tokens.encoding import encode_written

LARGEST = 9_999_999_999  # operand of the challenge
# Whether there is room is asked of these: the longest prompts and answers, and with number tokens those of most tokens.
_EXTREMES = tuple(f"{a}+{b}" for a in (0, 10**9, 9 * 10**9, LARGEST) for b in (0, 1, 10**9, LARGEST))
_COLUMNS = 120  # of the text that holds the weights

_FILE = Template('''\
"""An entry for AdderBoard, the public challenge of ten-digit addition.

Written by `calcgpt export`; needs the package calcgpt, version $version or one that reads the same weights. They are in
this file. The model is asked the text "a+b"; the answer is what it writes, one token after the other. Neither this
file nor the decoder it calls computes a sum.
"""

import base64
import zlib

from safetensors.torch import load

from calcgpt.inference.columns import ask
from calcgpt.inference.solver import CalcGPT
from calcgpt.interop.adderboard import answer
from calcgpt.model.config import GPTConfig
from calcgpt.model.classes import own_classes
from calcgpt.model.gpt import GPT
from calcgpt.tokens.tokenizer import Tokenizer

METADATA = $metadata

CONFIG = $config

VOCABULARY = $vocabulary

RUN = $run


def build_model():
    """The network with its weights, and its description."""
    model = GPT(GPTConfig.from_dict(CONFIG))
    model.load_weights(load(zlib.decompress(base64.b85decode("".join(WEIGHTS.split())))))
    return model.eval(), dict(METADATA)


def add(model, a, b):
    """The model's answer to a+b; -1, which is no sum, where it writes no number."""
    solver = CalcGPT.from_parts(model, Tokenizer.from_vocab(VOCABULARY), RUN)
    found = answer(solver, f"{a}+{b}")
    return -1 if found is None else found


# Safetensors, compressed by zlib, in base 85.
WEIGHTS = """
$weights
"""
''')


def export_adderboard(
    solver: CalcGPT, path: str | Path, author: str = "anonymous", overwrite: bool = False
) -> dict[str, Any]:
    """Write a model as one file for the challenge, and give the metadata that stands in it.

    Raises:
        ConfigError: the model cannot be asked every sum of two ten-digit numbers, has classes that are not CalcGPT's,
            or there is a file already.
        OSError: the file cannot be written.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} is there already: give another file, or set overwrite (--overwrite)")
    own = own_classes(solver.model, solver.notation, solver.tasks)
    if own:
        named = ", ".join(f"{name} ({role})" for role, name in own.items())
        raise ConfigError(f"the file has CalcGPT's own classes only, and this model needs {named}")
    check_room(solver)
    metadata = describe(solver, author)
    write_atomic(path, _FILE.substitute({"version": __version__, "metadata": _literal(metadata), **_parts(solver)}))
    return metadata


def answer(solver: CalcGPT, problem: str) -> int | None:
    """The number that the model answers, or None where it writes none.

    That of `solver.solve`, which then computes the solution to tell whether it is right. Nothing is computed here.

    Raises:
        DataError: it is no expression.
        TokenError: the model has no token for a character.
        UnsupportedProblem: the model, or its notation, has no place for the problem.
    """
    if solver.notation.work == "columns":
        return _answer_in_columns(solver, problem)
    completions = solver.decode(from_expressions([problem]))
    values, readable = solver.read_answers(completions)
    return int(values[0]) if readable[0] else None


def _answer_in_columns(solver: CalcGPT, problem: str) -> int | None:
    ((_, problems),) = group([parse_columns(problem)], solver.notation.signed)
    answers = ask(solver, problems)
    return int(answers.numbers.texts()[0]) if answers.readable[0] else None


def check_room(solver: CalcGPT) -> None:
    """Raise ConfigError, with the reason, for a model that cannot be asked every sum of two ten-digit numbers."""
    symbols = list(dict.fromkeys(symbol for task in solver.tasks for symbol in task.operations))
    if symbols and "+" not in symbols:
        raise ConfigError(f"the challenge asks for sums, and this model was trained on {' '.join(symbols)}")
    try:
        if solver.notation.work == "columns":
            for problem in _EXTREMES:
                answer(solver, problem)
        else:
            _check_lengths(solver)
    except (ConfigError, TokenError, UnsupportedProblem) as error:
        raise ConfigError(f"this model cannot add every two ten-digit numbers: {error}") from error


def _check_lengths(solver: CalcGPT) -> None:
    problems = from_expressions(_EXTREMES)
    for reason in solver.refusals(problems):
        if reason is not None:
            raise UnsupportedProblem(reason)
    prompts = solver.notation.write_prompts(problems)
    answers = solver.notation.write_answers(problems, problems.solutions())
    needed = [encode_written(solver.tokenizer, written)[1] for written in (prompts, answers)]
    longest, limit = int((needed[0] + needed[1]).max()) + 1, solver.model.config.max_length
    if longest > limit:
        raise UnsupportedProblem(f"it has {limit} positions, and a problem with its answer and end takes {longest}")


def describe(solver: CalcGPT, author: str) -> dict[str, Any]:
    """The metadata that the challenge asks for: name, author, params, architecture, tricks."""
    config = solver.model.config
    layers, heads = _several(config.num_layers, "layer"), _several(config.num_heads, "head")
    return {
        "name": model_name(solver),
        "author": author,
        "params": solver.model.num_parameters,
        "architecture": f"decoder-only transformer, {layers}, d={config.embedding_dim}, {heads}, "
        f"ff={config.feedforward_dim}",
        "tricks": [*_tricks_of_notation(solver), *_tricks_of_positions(solver), "head tied to the embedding"],
    }


def model_name(solver: CalcGPT) -> str:
    """What the model's run, or else its folder, is called."""
    return str(solver.run.get("name") or (solver.path.resolve().name if solver.path else "calcgpt"))


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _tricks_of_notation(solver: CalcGPT) -> list[str]:
    notation = solver.notation
    if notation.work == "columns":
        return ["operands zero-padded to the width of the longer one", "answer written units first"]
    told = {
        f"operands zero-padded to {notation.width} digits": notation.width,
        "digits of the operands interleaved column by column": notation.interleave,
        f"answer zero-padded to {notation.answer_width} digits": notation.answer_width,
        "answer written units first": notation.reverse,
        "tokens of up to two digits": solver.tokenizer.mode == "number",
    }
    return [text for text, is_so in told.items() if is_so]


def _tricks_of_positions(solver: CalcGPT) -> list[str]:
    positions = solver.model.config.positions
    if positions.plain:
        return ["learned absolute positions"]
    told = {
        "coupled position ids: digits of one column share one, so the model is told each digit's column": (
            positions.ids == "coupled"
        ),
        "abacus position ids: the model is told each digit's place in its own number": positions.ids == "abacus",
        f"{positions.encoding} position encoding": positions.encoding != "none",
        "attention limited to position ids at most " + ", ".join(map(str, positions.window)) + " apart": (
            positions.window
        ),
        "positions asked from where the next token will stand": positions.ahead,
        "segment embeddings: the model is told the kind of each token and of the next": positions.segments,
    }
    return [text for text, is_so in told.items() if is_so]


def _parts(solver: CalcGPT) -> dict[str, str]:
    """What the solver is rebuilt from. Of run.json only what solving reads: the rest may name the user's folders."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in solver.model.state_dict().items()}
    text = base64.b85encode(zlib.compress(save(state), 9)).decode("ascii")
    run = {
        "config": {"notation": asdict(solver.notation)},
        "data": {"tasks": solver.run.get("data", {}).get("tasks", [])},
    }
    return {
        "config": _literal(solver.model.config.to_dict()),
        "vocabulary": _literal(solver.tokenizer.vocab),
        "run": _literal(run),
        "weights": "\n".join(text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)),
    }


def _literal(value: dict[str, Any]) -> str:
    return pformat(value, width=110, sort_dicts=False)
