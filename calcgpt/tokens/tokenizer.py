"""Text to token ids and back: one token a character, or one a number from 0 to 99.

A tokenizer is kept as the two JSON files that transformers reads; plain encoding needs neither that library
nor `tokenizers`. Token 0 pads, token 1 ends a completion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from string import ascii_letters
from typing import TYPE_CHECKING, Any

from calcgpt.errors import ConfigError, ModelFolderError, TokenError, shown_value
from calcgpt.runtime.files import write_atomic

if TYPE_CHECKING:
    import numpy as np

PAD = "<pad>"
END = "<eos>"
MODES = ("char", "number")
NUMBERS = tuple(str(number) for number in range(100))
TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"

_CHARACTER = r"[\s\S]"
_NUMBER = r"[1-9][0-9]|[\s\S]"  # longest match, left to right; no token has a leading zero
_MODELS = ("BPE", "WordLevel")  # of tokenizer.json; WordLevel is that of older folders
_UNKNOWN = 255  # what a byte without a token becomes in the table of the fast path
_SHOWN = 60  # characters of a text that an error message repeats
_PLACES = 10  # places of one unknown character that an error message names


def create_vocab(examples: Iterable[str], mode: str = "char") -> tuple[dict[str, int], dict[int, str]]:
    """The vocabulary of some texts and its inverse: pad, end, then every token that occurs, in a fixed order.

    In "number" mode "0" to "99" are always in it. Raises ConfigError for an unknown mode, TokenError for a
    character that cannot be written to a file.
    """
    if mode not in MODES:
        raise ConfigError(f"unknown tokenizer mode {mode!r}: expected {' or '.join(MODES)}")
    characters: set[str] = set()
    for example in examples:
        characters.update(example)
    tokens = [PAD, END]
    if mode == "number":
        tokens += NUMBERS
        characters.difference_update(NUMBERS)
    tokens += sorted(characters)
    _check_writable(tokens)
    return {token: index for index, token in enumerate(tokens)}, dict(enumerate(tokens))


class Tokenizer:
    """A vocabulary, and the way from text to its ids and back.

    mode: "char" or "number"; vocab: token to id; id_to_token: the inverse, a list; pad_id, end_id: the ids of
    PAD and END, which no text encodes to and `decode` skips.
    """

    def __init__(self, vocab: Mapping[str, int], mode: str = "char") -> None:
        if mode not in MODES:
            raise ConfigError(f"unknown tokenizer mode {mode!r}: expected {' or '.join(MODES)}")
        _check_vocab(vocab, mode)
        self.mode = mode
        self.vocab = dict(vocab)
        self.id_to_token = sorted(self.vocab, key=self.vocab.__getitem__)
        self.pad_id = self.vocab[PAD]
        self.end_id = self.vocab[END]
        self._from_text = {token: index for token, index in self.vocab.items() if token not in (PAD, END)}
        self._texts = ["" if token in (PAD, END) else token for token in self.id_to_token]
        self._table = _byte_table(self._from_text) if mode == "char" else None
        self._split: Callable[[str], Iterable[str]] = iter if mode == "char" else re.compile(_NUMBER).findall

    @classmethod
    def build(cls, texts: Iterable[str], mode: str = "char") -> Tokenizer:
        """The tokenizer whose vocabulary is what occurs in the texts. Raises as `create_vocab`."""
        return cls(create_vocab(texts, mode)[0], mode)

    @classmethod
    def from_vocab(cls, vocab: Mapping[str, int]) -> Tokenizer:
        """The tokenizer of a vocabulary, which tells the mode. Raises TokenError for one that cannot work."""
        return cls(vocab, "number" if NUMBERS[10] in vocab else "char")

    def __len__(self) -> int:
        return len(self.id_to_token)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and (self.mode, self.vocab) == (other.mode, other.vocab)

    def __hash__(self) -> int:
        return hash((self.mode, *self.id_to_token))

    def __repr__(self) -> str:
        return f"Tokenizer(mode={self.mode!r}, {len(self)} tokens: {self._known()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Tokenizer, (self.vocab, self.mode)

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises TokenError that names every unknown character and its place, counted from
        1.
        """
        ids = self._from_text
        try:
            return [ids[token] for token in self._split(text)]
        except KeyError:
            raise self._unknown(text) from None

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text, as `encode` gives them. Raises TokenError for the first unknown text."""
        texts = list(texts)
        if self._table is None:
            return [self.encode(text) for text in texts]
        try:
            joined = "".join(texts).encode("latin-1").translate(self._table)
        except UnicodeEncodeError:  # a character beyond a byte: known or not, the plain way tells
            return [self.encode(text) for text in texts]
        if _UNKNOWN in joined:
            return [self.encode(text) for text in texts]
        batch, start = [], 0
        for text in texts:
            end = start + len(text)
            batch.append(list(joined[start:end]))
            start = end
        return batch

    def encode_characters(self, characters: np.ndarray) -> np.ndarray:
        """(N, T) uint8 ASCII codes, 0 for nothing -> (N, T) int64 ids, pad where there is nothing.

        Raises TokenError for a code without a token, and outside "char" mode.
        """
        import numpy as np

        if self.mode != "char":
            raise TokenError(
                f"characters are encoded one by one: expected a tokenizer in char mode, got {self.mode} mode"
            )
        table = np.full(256, -1, dtype=np.int64)
        for token, index in self._from_text.items():
            if ord(token) < 128:
                table[ord(token)] = index
        table[0] = self.pad_id
        ids = table[np.asarray(characters, dtype=np.uint8)]
        if ids.size and ids.min() < 0:
            row, place = (int(axis) for axis in np.argwhere(ids < 0)[0])
            unknown = chr(int(characters[row, place]))
            raise TokenError(
                f"unknown character {unknown!r} in column {place + 1} of row {row + 1}; "
                f"the vocabulary has {self._known()}"
            )
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; pad and end are skipped, nothing stops it. Raises TokenError out of range."""
        texts = self._texts
        out = []
        for index in ids:
            if not 0 <= index < len(texts):
                raise TokenError(f"token id {int(index)} is outside the vocabulary: expected 0 to {len(texts) - 1}")
            out.append(texts[index])
        return "".join(out)

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json and tokenizer_config.json into a folder. Raises OSError."""
        write_atomic(Path(folder) / TOKENIZER_FILE, _to_json(self._definition()))
        write_atomic(Path(folder) / TOKENIZER_CONFIG_FILE, _to_json(self._settings()))

    @classmethod
    def load(cls, folder: str | Path) -> Tokenizer:
        """Read what `save` wrote. Raises ModelFolderError for a file that is missing, damaged or foreign."""
        path = Path(folder) / TOKENIZER_FILE
        try:
            return cls.from_json(path.read_bytes(), path)
        except FileNotFoundError:
            raise ModelFolderError(f"there is no {TOKENIZER_FILE} in {folder}") from None

    @classmethod
    def from_json(cls, payload: bytes, path: Path) -> Tokenizer:
        """Read the content of a tokenizer.json; `path` is where it stands.

        Raises:
            ModelFolderError: it is damaged, or a tokenizer that encodes in another way than ours.
        """
        try:
            content = json.loads(payload)
            kind = content["model"]["type"]
            if kind not in _MODELS:
                raise TokenError(f"expected a model of type {' or '.join(_MODELS)}, got {kind}")
            tokenizer = cls.from_vocab(content["model"]["vocab"])
            ours, theirs = tokenizer._definition()["pre_tokenizer"], content.get("pre_tokenizer")
            if ours != theirs:
                raise TokenError(f"expected the pre_tokenizer {ours}, got {shown_value(theirs)}")
            return tokenizer
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:  # TokenError is a ValueError
            raise ModelFolderError(f"{path} is damaged or not one of CalcGPT's: {error}") from error

    def _definition(self) -> dict[str, Any]:
        """The content of tokenizer.json.

        A pre-token is a token or unknown: BPE without merges then looks it up, as WordLevel would. But WordLevel calls
        every unknown text a "Missing [UNK] token", where BPE's error names the unknown token that it looked for; ours
        is a sentence.
        """
        special = {
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        pattern = _CHARACTER if self.mode == "char" else _NUMBER
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {"id": index, "content": self.id_to_token[index], **special}
                for index in sorted((self.pad_id, self.end_id))
            ],
            "normalizer": {"type": "Sequence", "normalizers": [_removing(pattern) for pattern in self._removed()]},
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": pattern},
                "behavior": "Isolated",
                "invert": False,
            },
            "post_processor": None,
            "decoder": {"type": "Fuse"},
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": f"any character but {self._known()}",
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": True,
                "vocab": {token: index for index, token in enumerate(self.id_to_token)},
                "merges": [],
            },
        }

    def _removed(self) -> list[str]:
        """Regular expressions of what other libraries leave out of a text before they encode it.

        White space, where the vocabulary has none: `12+34 = ` is meant as `12+34=`. And a text that is one unknown
        letter: TransformerLens encodes "a" to see whether a beginning is added, and stops at an error.
        """
        texts = self._from_text
        letters = "".join(letter for letter in ascii_letters if letter not in texts)
        lone = [rf"\A[{letters}]\z"] if letters else []
        return lone if any(text.isspace() for text in texts) else [r"\s", *lone]

    def _settings(self) -> dict[str, Any]:
        """The content of tokenizer_config.json; the class name is one that transformers 4 and 5 both have."""
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": PAD,
            "eos_token": END,
            "clean_up_tokenization_spaces": False,
            "padding_side": "left",  # what generating in batches needs
            "model_input_names": ["input_ids", "attention_mask"],
        }

    def _unknown(self, text: str) -> TokenError:
        places: dict[str, list[int]] = {}
        for place, character in enumerate(text, start=1):
            if character not in self._from_text:
                places.setdefault(character, []).append(place)
        told = ", ".join(f"{character!r} at {_positions(where)}" for character, where in places.items())
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        plural = "s" if len(places) > 1 else ""
        return TokenError(f"unknown character{plural} {told} of {shown!r}; the vocabulary has {self._known()}")

    def _known(self) -> str:
        characters = "".join(token for token in self._from_text if len(token) == 1)
        if self.mode == "number":
            characters = "".join(character for character in characters if character not in NUMBERS)
        shown = repr(characters if len(characters) <= _SHOWN else characters[:_SHOWN] + "...")
        return shown if self.mode == "char" else f"0 to 99 and {shown}"


def _positions(places: Sequence[int]) -> str:
    named = ", ".join(str(place) for place in places[:_PLACES])
    more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
    return f"position{'s' if len(places) > 1 else ''} {named}{more}"


def _check_vocab(vocab: Mapping[str, int], mode: str) -> None:
    """Raise TokenError unless ids count from 0, pad and end are there, and the rest suit the mode."""
    if sorted(vocab.values()) != list(range(len(vocab))):
        raise TokenError(
            f"a vocabulary of {len(vocab)} tokens has the ids 0 to {len(vocab) - 1}, each once; these differ"
        )
    missing = [token for token in (PAD, END) if token not in vocab]
    if missing:
        raise TokenError(f"the vocabulary lacks {' and '.join(missing)}: build it with create_vocab")
    expected = {PAD, END, *(NUMBERS if mode == "number" else ())}
    odd = [token for token in vocab if len(token) != 1 and token not in expected]
    if odd:
        raise TokenError(f"a vocabulary in {mode} mode has one-character tokens; this one also has {odd[0]!r}")
    if mode == "number" and not expected <= vocab.keys():
        raise TokenError(f"a vocabulary in number mode has 0 to 99; this one lacks {min(expected - vocab.keys())}")
    _check_writable(vocab)


def _check_writable(tokens: Iterable[str]) -> None:
    for token in tokens:
        if any("\ud800" <= character <= "\udfff" for character in token):
            raise TokenError(f"half a character ({token!r}) cannot be a token: the text was not read as UTF-8")


def _byte_table(ids: Mapping[str, int]) -> bytes | None:
    """Latin-1 byte -> id; None where an id does not fit beside the mark for an unknown byte."""
    if ids and max(ids.values()) >= _UNKNOWN:
        return None
    return bytes(ids.get(chr(byte), _UNKNOWN) for byte in range(256))


def _removing(pattern: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": ""}


def _to_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
