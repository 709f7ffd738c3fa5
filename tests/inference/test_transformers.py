"""A model folder in other hands: transformers' auto classes open it, and its greedy `generate` writes what we write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.problems import sample
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.store import write_model

SolverOf = Callable[..., CalcGPT]


@pytest.fixture(scope="module", params=["char", "number"])
def both(request: pytest.FixtureRequest, solver_of: SolverOf, tmp_path_factory: Any) -> tuple[CalcGPT, Any, Any, Path]:
    """Ours, their model, their tokenizer, and the folder."""
    transformers = pytest.importorskip("transformers")
    solver = solver_of(mode=request.param, max_length=18, config={}, data={"tasks": []})
    folder = tmp_path_factory.mktemp("model")
    write_model(folder, solver.model.state_dict(), solver.model.config.to_dict(), solver.tokenizer, {})
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    return solver, model, transformers.AutoTokenizer.from_pretrained(folder), folder


def test_the_auto_classes_open_a_folder(both: Any) -> None:
    transformers = pytest.importorskip("transformers")
    solver, model, tokenizer, folder = both
    config = transformers.AutoConfig.from_pretrained(folder)
    assert type(model).__name__ == "GPT2LMHeadModel" and config.vocab_size == len(solver.tokenizer)
    assert (config.pad_token_id, config.eos_token_id) == (solver.tokenizer.pad_id, solver.tokenizer.end_id)
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (solver.tokenizer.pad_id, solver.tokenizer.end_id)
    assert model.num_parameters() == solver.model.num_parameters
    for text in ("12+34=46", "100-7=", "5-(-12)=17"):
        ids = solver.tokenizer.encode(text)
        assert tokenizer(text)["input_ids"] == ids and tokenizer.decode(ids) == text
        logits = solver.model(torch.tensor([ids])).logits
        torch.testing.assert_close(model(torch.tensor([ids])).logits, logits, atol=1e-5, rtol=1e-5)


def test_generate_writes_what_we_write(both: Any) -> None:
    solver, model, tokenizer, _ = both
    prompts = sample(("+", "-"), 0, 999, 25, np.random.default_rng(2)).prompts()
    ours = [solver.complete(prompt) for prompt in prompts]
    room = [solver.model.config.max_length - len(tokenizer(prompt)["input_ids"]) for prompt in prompts]
    for prompt, expected, space in zip(prompts, ours, room, strict=True):
        ids = tokenizer(prompt, return_tensors="pt")
        # Ours never writes padding; an untrained model of theirs might.
        found = model.generate(**ids, max_new_tokens=space, suppress_tokens=[tokenizer.pad_token_id])
        text = tokenizer.decode(found[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        assert text == expected
    assert len(set(ours)) > 5
