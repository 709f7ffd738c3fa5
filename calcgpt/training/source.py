"""Where batches come from: a file's examples, encoded once, or a task's problems, drawn for each step.

A batch is a function of the data, the seed and the step, and of nothing else: there is no state to save.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from calcgpt.arithmetic.notation import Notation, Written
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.scanning import scan
from calcgpt.errors import ConfigError, DataError, shown_value
from calcgpt.model.layouts import IGNORE
from calcgpt.tokens.encoding import encode_texts, encode_written
from calcgpt.tokens.tokenizer import Tokenizer
from calcgpt.training.column_source import PlacedExamples
from calcgpt.training.config import TrainingConfig

# input_ids and labels, both (B, T) int64; and where a scheme needs them places, and offsets or None
Batch = tuple[Tensor, Tensor] | PlacedExamples


class Source(Protocol):
    """What a trainer reads: `batch(step)` and how many steps make an epoch (None: there are no epochs)."""

    steps_per_epoch: int | None

    def batch(self, step: int) -> Batch: ...


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on a device."""
    if isinstance(batch, PlacedExamples):
        offset = None if batch.offset is None else batch.offset.to(device)
        return PlacedExamples(batch.input_ids.to(device), batch.labels.to(device), batch.places, offset)
    return batch[0].to(device), batch[1].to(device)


class OptimizedDataset(Dataset[dict[str, Tensor]]):
    """Examples, encoded once: a torch Dataset of `input_ids` and `labels`.

    Labels are unshifted (label t is the token at t) and -100 where there is no loss: in the padding and, with
    loss_on="answer", in the prompt.

    Args:
        examples: texts such as `12+34=46`.
        maxlen: tokens a row has, the end token counted.
        vocab: token to id, with pad and end in it, or a tokenizer.
        loss_on: "answer" (what follows the first `=`, all of it where there is none) or "all".
        notation: how the examples are written; plain text unless said otherwise.

    Raises:
        ConfigError: an example does not fit into maxlen, or loss_on is neither.
        DataError: a notation is asked for, and an example is no arithmetic.
        TokenError: a character that the vocabulary lacks.
    """

    def __init__(
        self,
        examples: Sequence[str],
        maxlen: int,
        vocab: Mapping[str, int] | Tokenizer,
        loss_on: str = "answer",
        notation: Notation | None = None,
    ):
        if loss_on not in ("answer", "all"):
            raise ConfigError(f"loss_on must be one of answer, all, not {shown_value(loss_on)}")
        tokenizer = vocab if isinstance(vocab, Tokenizer) else Tokenizer.from_vocab(vocab)
        prompts, answers = _write(examples, notation or Notation())
        self.input_ids, self.labels = _encode(prompts, answers, tokenizer, loss_on, maxlen)

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.input_ids[index], "labels": self.labels[index]}


class FileSource:
    """Batches of a dataset in an order shuffled anew each epoch.

    Args:
        dataset: what to draw from.
        batch_size: examples a batch; the last of an epoch may have fewer.
        seed: of the orders.
    """

    def __init__(self, dataset: OptimizedDataset, batch_size: int, seed: int):
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.steps_per_epoch: int | None = -(-len(dataset) // batch_size)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64, device="cpu")

    def batch(self, step: int) -> Batch:
        assert self.steps_per_epoch
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.dataset))
            self._epoch, self._order = epoch, torch.from_numpy(order)
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        return self.dataset.input_ids[rows], self.dataset.labels[rows]


class TaskSource:
    """Batches of a config's task: problems drawn for each step, none of them on the test side of the split.

    Args:
        config: the task and its notation, batch size, seed, split, and what the loss is on.
        tokenizer: how to write the problems.
        maxlen: tokens a row has.
    """

    steps_per_epoch: int | None = None

    def __init__(self, config: TrainingConfig, tokenizer: Tokenizer, maxlen: int):
        self.config, self.tokenizer, self.maxlen = config, tokenizer, maxlen

    def batch(self, step: int) -> Batch:
        problems = draw_problems(self.config, step)
        prompts = self.config.notation.write_prompts(problems)
        answers = self.config.notation.write_answers(problems, problems.solutions())
        return _encode(prompts, answers, self.tokenizer, self.config.loss_on, self.maxlen)


def draw_problems(config: TrainingConfig, step: int) -> Problems:
    """The problems of a batch of a config's task."""
    assert config.task is not None
    rng = np.random.default_rng((config.seed, step))
    return config.task.sample_split(config.batch_size, rng, config.test_split, config.seed, test=False)


def longest(tokenizer: Tokenizer, examples: Sequence[str], notation: Notation) -> int:
    """Tokens of the longest example, its end counted."""
    prompts, answers = _write(examples, notation)
    return int((_tokens(tokenizer, prompts)[1] + _tokens(tokenizer, answers)[1]).max()) + 1


def written_texts(examples: Sequence[str], notation: Notation) -> list[str]:
    """The examples as the model will see them, without the end."""
    prompts, answers = _write(examples, notation)
    return [prompt + answer for prompt, answer in zip(_texts(prompts), _texts(answers), strict=True)]


def _texts(written: Written | list[str]) -> list[str]:
    return written if isinstance(written, list) else written.texts()


def _tokens(tokenizer: Tokenizer, written: Written | list[str]) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(written, list):
        return encode_texts(tokenizer, written)
    return encode_written(tokenizer, written)


def _write(examples: Sequence[str], notation: Notation) -> tuple[Written | list[str], Written | list[str]]:
    """Prompts and answers in a notation; plain ones are cut out of the text as it is."""
    if not len(examples):
        raise ConfigError("there are no examples to encode")
    if notation.plain:
        cuts = [example.find("=") + 1 for example in examples]
        pairs = list(zip(examples, cuts, strict=True))
        return [text[:cut] for text, cut in pairs], [text[cut:] for text, cut in pairs]
    found = scan(examples)
    if len(found.problems) != len(examples):
        raise DataError("a notation needs arithmetic: some lines are no examples such as 12+34=46")
    reasons = [reason for reason in notation.unsupported(found.problems) if reason]
    if reasons:
        raise ConfigError(f"{len(reasons):,} examples do not fit the notation: {reasons[0]}")
    return notation.write_prompts(found.problems), notation.write_answers(found.problems, found.problems.solutions())


def _encode(
    prompts: Written | list[str], answers: Written | list[str], tokenizer: Tokenizer, loss_on: str, maxlen: int
) -> tuple[Tensor, Tensor]:
    """Rows of prompt, answer, end, padding: input_ids and labels, (N, maxlen)."""
    (prompt_ids, prompt_lengths), (answer_ids, answer_lengths) = (
        _tokens(tokenizer, prompts),
        _tokens(tokenizer, answers),
    )
    total = prompt_lengths + answer_lengths + 1
    if int(total.max()) > maxlen:
        needed = int(total.max())
        raise ConfigError(f"maxlen {maxlen} is too short: the longest example has {needed} tokens, its end counted")
    place = np.arange(maxlen)
    ids = np.full((len(total), maxlen), tokenizer.pad_id)
    in_answer = (place >= prompt_lengths[:, None]) & (place < total[:, None] - 1)
    ids[place < prompt_lengths[:, None]] = prompt_ids[np.arange(prompt_ids.shape[1]) < prompt_lengths[:, None]]
    ids[in_answer] = answer_ids[np.arange(answer_ids.shape[1]) < answer_lengths[:, None]]
    ids[place == total[:, None] - 1] = tokenizer.end_id
    bears_loss = place < total[:, None]
    if loss_on == "answer":
        bears_loss &= place >= prompt_lengths[:, None]
    return torch.from_numpy(ids), torch.from_numpy(np.where(bears_loss, ids, IGNORE))
