"""Tokenizers: round trips, errors that name what and where, and the same ids in transformers."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgpt.errors import ConfigError, ModelFolderError, TokenError
from calcgpt.tokens.tokenizer import END, PAD, Tokenizer, create_vocab

EXAMPLES = ["12+34=46", "7-9=-2", "3*5=15", "98//7=14", "98%9=8", "12-(-34)=46", "100+5=105"]
MODES = ["char", "number"]
texts_of_arithmetic = st.text(alphabet="0123456789+-*/%()=", max_size=40)


def by_longest_match(text: str, tokens: set[str]) -> list[str]:
    """The definition of number mode, spelt out: at every place the longest token that fits."""
    out = []
    while text:
        length = 2 if text[:2] in tokens else 1
        out.append(text[:length])
        text = text[length:]
    return out


@pytest.mark.parametrize("mode", MODES)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=10))
def test_decode_inverts_encode(mode: str, texts: list[str]) -> None:
    tokenizer = Tokenizer.build(texts, mode)
    assert [tokenizer.decode(tokenizer.encode(text)) for text in texts] == texts
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


@given(texts_of_arithmetic)
def test_number_mode_takes_the_longest_match(text: str) -> None:
    tokenizer = Tokenizer.build(EXAMPLES, "number")
    tokens = [tokenizer.id_to_token[index] for index in tokenizer.encode(text)]
    assert tokens == by_longest_match(text, set(tokenizer.vocab))


def test_number_mode_splits_long_numbers_and_leading_zeros() -> None:
    tokenizer = Tokenizer.build([], "number")
    assert len(tokenizer) == 102
    for text, tokens in {"123": ["12", "3"], "05": ["0", "5"], "1005": ["10", "0", "5"], "": []}.items():
        assert [tokenizer.id_to_token[index] for index in tokenizer.encode(text)] == tokens


@pytest.mark.parametrize("mode", MODES)
def test_a_vocabulary_and_its_inverse(mode: str) -> None:
    vocab, inverse = create_vocab(EXAMPLES, mode)
    assert (vocab[PAD], vocab[END]) == (0, 1)
    assert {index: token for token, index in vocab.items()} == inverse
    assert create_vocab(reversed(EXAMPLES), mode)[0] == vocab
    assert Tokenizer.from_vocab(vocab) == Tokenizer.build(EXAMPLES, mode)


def test_unknown_characters_are_named_with_their_places() -> None:
    tokenizer = Tokenizer.build(EXAMPLES)
    with pytest.raises(TokenError) as caught:
        tokenizer.encode("12×3=")
    assert "unknown character '×' at position 3 of '12×3='; the vocabulary has" in str(caught.value)
    with pytest.raises(TokenError, match=r"characters 'x' at positions 1, 3, 'é' at position 4 of '"):
        tokenizer.encode_batch(["1+1=", "x1xé"])
    with pytest.raises(TokenError, match="'x' at positions 1, .*10 and 990 more"):
        tokenizer.encode("x" * 1000)
    assert len(str(tokenizer._unknown("x" * 1000))) < 300


@pytest.mark.parametrize("mode", MODES)
@given(st.text(max_size=30))
def test_nothing_is_ever_dropped(mode: str, text: str) -> None:
    tokenizer = Tokenizer.build(EXAMPLES, mode)
    if set(text) <= set("0123456789+-*/%()="):
        assert tokenizer.decode(tokenizer.encode_batch([text])[0]) == text
    else:
        with pytest.raises(TokenError):
            tokenizer.encode_batch([text])


@pytest.mark.parametrize("extra", ["", "".join(map(chr, range(0x4E00, 0x4E00 + 400)))])
def test_a_large_or_wide_vocabulary_encodes_in_batches(extra: str) -> None:
    tokenizer = Tokenizer.build([*EXAMPLES, extra, "ÿ×\u0153"])
    texts = [*EXAMPLES, extra[-3:], "ÿ", "\u0153", ""]
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


def test_text_never_becomes_pad_or_end() -> None:
    tokenizer = Tokenizer.build(["<pad>", "<eos>"])
    ids = tokenizer.encode("<eos><pad>")
    assert len(ids) == 10 and not {tokenizer.pad_id, tokenizer.end_id} & set(ids)
    assert tokenizer.decode([*ids, tokenizer.end_id, ids[0], tokenizer.pad_id]) == "<eos><pad><"


@pytest.mark.parametrize("index", [-1, 99, -100])
def test_decoding_refuses_ids_out_of_range(index: int) -> None:
    with pytest.raises(TokenError, match=f"token id {index} is outside"):
        Tokenizer.build(EXAMPLES).decode([2, index])


def test_decoding_takes_arrays() -> None:
    tokenizer = Tokenizer.build(EXAMPLES)
    assert tokenizer.decode(np.array(tokenizer.encode("12+34"))) == "12+34"


@given(st.lists(texts_of_arithmetic, min_size=1, max_size=5))
def test_character_arrays_encode_like_text(texts: list[str]) -> None:
    tokenizer = Tokenizer.build(EXAMPLES)
    width = max(map(len, texts))
    characters = np.zeros((len(texts), width), dtype=np.uint8)
    for row, text in enumerate(texts):
        characters[row, : len(text)] = np.frombuffer(text.encode(), dtype=np.uint8)
    ids = tokenizer.encode_characters(characters)
    assert ids.dtype == np.int64 and ids.shape == characters.shape
    assert [tokenizer.decode(row) for row in ids] == texts


def test_character_arrays_with_unknown_codes() -> None:
    characters = np.array([[49, 43], [50, 81]], dtype=np.uint8)
    with pytest.raises(TokenError, match="'Q' in column 2 of row 2"):
        Tokenizer.build(EXAMPLES).encode_characters(characters)
    with pytest.raises(TokenError, match="char mode, got number"):
        Tokenizer.build(EXAMPLES, "number").encode_characters(characters)


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        ({"a": 0}, "lacks <pad> and <eos>"),
        ({PAD: 0, END: 0}, "each once"),
        ({PAD: 0, END: 1, "a": 3}, "0 to 2"),
        ({PAD: 0, END: 1, "ab": 2}, "'ab'"),
        ({PAD: 0, END: 1, "10": 2}, "lacks 0"),
        ({PAD: 0, END: 1, "": 2}, "''"),
        ({PAD: 0, END: 1, "\ud800": 2}, "half a character"),
    ],
)
def test_vocabularies_that_cannot_work(vocab: dict[str, int], message: str) -> None:
    with pytest.raises(TokenError, match=message):
        Tokenizer.from_vocab(vocab)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="'word'.*char or number"):
        create_vocab(EXAMPLES, "word")
    with pytest.raises(ConfigError, match="'word'"):
        Tokenizer(create_vocab(EXAMPLES)[0], "word")


@pytest.mark.parametrize("mode", MODES)
def test_saved_and_loaded(mode: str, tmp_path: Path) -> None:
    tokenizer = Tokenizer.build(EXAMPLES, mode)
    tokenizer.save(tmp_path)
    assert Tokenizer.load(tmp_path) == tokenizer == pickle.loads(pickle.dumps(tokenizer))
    assert hash(Tokenizer.load(tmp_path)) == hash(tokenizer)
    assert mode in repr(tokenizer)


def test_loading_tells_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="no tokenizer.json"):
        Tokenizer.load(tmp_path)
    wrong_models = [
        '{"type": "BPE", "vocab": {}}',
        '{"type": "WordLevel"}',
        '{"type": "WordLevel", "vocab": []}',
    ]
    wrong_vocabs = ['{"a": 0}', '{"a": "0"}', '{"<pad>": 0, "<eos>": 1.5}']
    wrong_models += [f'{{"type": "WordLevel", "vocab": {vocab}}}' for vocab in wrong_vocabs]
    for content in ["", "[]", "{}", *(f'{{"model": {model}}}' for model in wrong_models)]:
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(ModelFolderError, match="damaged or not one of CalcGPT's"):
            Tokenizer.load(tmp_path)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("loader", ["AutoTokenizer", "PreTrainedTokenizerFast"])
def test_transformers_reads_the_folder(mode: str, loader: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = Tokenizer.build([*EXAMPLES, "a b\n×🙂"], mode)
    tokenizer.save(tmp_path)
    theirs = getattr(transformers, loader).from_pretrained(tmp_path)
    assert len(theirs) == len(tokenizer) and theirs.get_vocab() == tokenizer.vocab
    assert (theirs.pad_token_id, theirs.eos_token_id) == (tokenizer.pad_id, tokenizer.end_id)
    assert theirs.bos_token_id is None and theirs.unk_token_id is None

    @given(st.text(alphabet="0123456789+-*/%()=ab \n×🙂", max_size=30))
    @settings(max_examples=50, deadline=None)
    def same(text: str) -> None:
        ids = tokenizer.encode(text)
        assert theirs(text)["input_ids"] == ids
        assert theirs.decode(ids) == text
        assert theirs.decode([*ids, tokenizer.end_id, tokenizer.pad_id], skip_special_tokens=True) == text

    same()
    with pytest.raises(Exception, match="Unk token `any character but .* not found in the vocabulary"):
        theirs("12Q")


ELSEWHERE = """
import sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
assert not any(name.split(".")[0] == "calcgpt" for name in sys.modules)
for text in ("12+34=", "12+34 = ", "a", "12a"):
    try:
        print(tokenizer(text)["input_ids"])
    except Exception as error:
        print(error)
"""


@pytest.mark.parametrize("mode", MODES)
def test_without_calcgpt(mode: str, tmp_path: Path) -> None:
    """Spaces are left out where the vocabulary has none, and an error says what the vocabulary has. TransformerLens
    encodes "a" when it opens a model, and gives up at an error.
    """
    pytest.importorskip("transformers")
    tokenizer = Tokenizer.build(["0123456789+-="], mode)
    tokenizer.save(tmp_path)
    out = subprocess.run([sys.executable, "-c", ELSEWHERE, str(tmp_path)], capture_output=True, text=True, check=True)
    ids, known = str(tokenizer.encode("12+34=")), "'+-0123456789='" if mode == "char" else "0 to 99 and '+-='"
    unknown = f"Unk token `any character but {known}` not found in the vocabulary"
    assert out.stdout.splitlines() == [ids, ids, "[]", unknown]


def test_white_space_that_is_in_the_vocabulary_stays(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = Tokenizer.build(["to be or"])
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs("be or")["input_ids"] == tokenizer.encode("be or")
    with pytest.raises(Exception, match="any character but ' beort'"):
        theirs("be\nor")


def test_tokenizers_of_older_folders_and_of_other_hands(tmp_path: Path) -> None:
    """Format 1 wrote a WordLevel model; transformers adds what it does beside encoding."""
    tokenizer = Tokenizer.build(EXAMPLES)
    tokenizer.save(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    older = {"type": "WordLevel", "vocab": tokenizer.vocab, "unk_token": "<unk>"}
    for change in ({"model": older, "normalizer": None}, {"padding": {"pad_id": 0}, "post_processor": {}}):
        (tmp_path / "tokenizer.json").write_text(json.dumps({**content, **change}))
        assert Tokenizer.load(tmp_path) == tokenizer
    (tmp_path / "tokenizer.json").write_text(json.dumps({**content, "pre_tokenizer": {"type": "Whitespace"}}))
    with pytest.raises(ModelFolderError, match="not one of CalcGPT's: expected the pre_tokenizer"):
        Tokenizer.load(tmp_path)


def test_the_tokenizer_class_is_one_that_both_major_versions_have(tmp_path: Path) -> None:
    Tokenizer.build(EXAMPLES).save(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert saved["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert saved["clean_up_tokenization_spaces"] is False


def test_a_batch_is_encoded_fast() -> None:
    texts = [f"{a}+{b}={a + b}" for a in range(400) for b in range(250)]
    tokenizer = Tokenizer.build(texts[:1000])
    start = time.perf_counter()
    ids = tokenizer.encode_batch(texts)
    seconds = time.perf_counter() - start
    assert len(ids) == 100_000
    assert seconds < 1.0  # 0.1 s on a quiet laptop
