"""Tokenizers other than BERT's: ids, offsets and spans equal to the ``tokenizers`` package's."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import peer
import pytest
import segments
import texts
import tokenizer_files
import trained_tokenizers
from decoding import MODES
from spanjet import Tokenizer, decode_spans

KINDS = tuple(trained_tokenizers.KINDS)


@pytest.fixture(scope="module", params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_tokenizers.write(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return trained_tokenizers.random_texts(1_500, seed=21)


def tokenizer_of(directory: Path, kind: str, **options: Any) -> Tokenizer:
    return Tokenizer(trained_tokenizers.write(directory, kind), match_special_tokens=True, **options)


@pytest.mark.parametrize("match", [True, False])
def test_equal_to_peer(path: Path, lines: list[str], match: bool) -> None:
    everything = [*trained_tokenizers.corpus(), *lines]
    tokenizer = Tokenizer(path, match_special_tokens=match)
    found = peer.mismatches(tokenizer, peer.load(path, match_special_tokens=match), everything)
    assert not found, "\n".join(map(str, found[:5]))


def test_scalar_values(path: Path) -> None:
    lines = [*(f"a{c}b" for c in texts.scalar_values(step=211)), *texts.scalar_values(step=397, start=5)]
    assert peer.mismatches(Tokenizer(path, match_special_tokens=True), peer.load(path), lines) == []


def test_vocabulary(path: Path) -> None:
    tokenizer, other = Tokenizer(path, match_special_tokens=True), peer.load(path)
    vocabulary = other.get_vocab()
    assert tokenizer.vocab_size == max(vocabulary.values()) + 1
    for token, index in vocabulary.items():
        assert (tokenizer.token_to_id(token), tokenizer.id_to_token(index)) == (index, token)
    assert tokenizer.token_to_id("no such token") is None
    assert tokenizer.id_to_token(tokenizer.vocab_size) is None
    before, _, after = peer.layout(other)
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id) == (before[0], after[-1])
    names = {index: token for token, index in vocabulary.items()}
    assert names[tokenizer.pad_token_id] in ("<pad>", "[PAD]", "<|padding|>")
    assert tokenizer.unk_token_id is not None
    assert names[tokenizer.unk_token_id] in ("<unk>", "[UNK]")


def test_interface(path: Path, lines: list[str]) -> None:
    """One text, many texts, ids alone, bytes, any number of threads: all the same tokens."""
    tokenizer, single = (
        Tokenizer(path, threads=4, match_special_tokens=True),
        Tokenizer(path, threads=1, match_special_tokens=True),
    )
    many = tokenizer.encode_batch(lines)
    for ids, indptr in (tokenizer.encode_ids(lines), single.encode_ids(lines)):
        np.testing.assert_array_equal(ids, many.ids)
        np.testing.assert_array_equal(indptr, many.indptr)
    np.testing.assert_array_equal(single.encode_batch(lines).offsets, many.offsets)
    for index, text in enumerate(lines[:300]):
        part = slice(many.indptr[index], many.indptr[index + 1])
        one = tokenizer.encode(text)
        assert one.text == text
        assert one.tokens == [tokenizer.id_to_token(int(token)) for token in one.ids]
        np.testing.assert_array_equal(one.ids, many.ids[part])
        np.testing.assert_array_equal(one.offsets, many.offsets[part])
        places = np.cumsum([0, *[len(character.encode()) for character in text]])
        np.testing.assert_array_equal(one.byte_offsets, places[one.offsets])
    assert tokenizer.encode_batch([]).indptr.tolist() == [0]


@pytest.mark.parametrize("kind", ["byte-level", "unigram"])
def test_threads_share_a_tokenizer(tmp_path: Path, lines: list[str], kind: str) -> None:
    tokenizer = tokenizer_of(tmp_path, kind)
    expected = tokenizer.encode_ids(lines[:300])[0]
    with ThreadPoolExecutor(8) as pool:
        for ids, _ in pool.map(lambda _: tokenizer.encode_ids(lines[:300]), range(16)):
            np.testing.assert_array_equal(ids, expected)


def _count(tokenizer: Tokenizer, lines: list[str], results: Any) -> None:
    results.put(len(tokenizer.encode_ids(lines)[0]))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind", ["byte-level", "unigram"])
def test_forked_process_goes_on(tmp_path: Path, lines: list[str], kind: str) -> None:
    tokenizer = tokenizer_of(tmp_path, kind)
    expected = len(tokenizer.encode_ids(lines)[0])
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_count, args=(tokenizer, lines, results))
    child.start()
    assert results.get(timeout=60) == expected
    child.join(timeout=60)


def test_long_texts(path: Path) -> None:
    lines = [" " * 30_000 + "x", "a" * 30_000, "\n \u3000" * 5_000, "1" * 5_000 + "!" * 5_000, "é😀 " * 3_000]
    assert peer.mismatches(Tokenizer(path, match_special_tokens=True), peer.load(path), lines) == []


# Text, then token, start and end: what the packages' own documents leave one to find out.
EXAMPLES = {
    "byte-level": [
        ("in the", [("in", 0, 2), ("Ġthe", 3, 6)]),
        ("in  in", [("in", 0, 2), ("Ġ", 3, 3), ("Ġin", 4, 6)]),
        ("\ua66e", [(token, 0, 1) for token in ("ê", "Ļ", "®")]),
        ("in <mask>", [("in", 0, 2), ("<mask>", 3, 9)]),
    ],
    "unigram-precompiled": [("in the", [("▁in", 0, 2), ("▁the", 2, 6)])],
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_examples(tmp_path: Path, kind: str) -> None:
    tokenizer = tokenizer_of(tmp_path, kind)
    for text, expected in EXAMPLES[kind]:
        encoding = tokenizer.encode(text)
        rows = zip(encoding.tokens, *encoding.offsets.T.tolist(), strict=True)
        assert list(rows) == expected


def test_unknown_character_is_an_error_with_its_index(tmp_path: Path) -> None:
    """A Unigram model without an unknown token cannot spell every text."""
    content = trained_tokenizers.edited("unigram", lambda found: found["model"].update(unk_id=None))
    tokenizer = Tokenizer(tokenizer_files.write(tmp_path / "tokenizer.json", content), threads=2)
    assert len(tokenizer.encode("the river")) > 0
    lines = ["the river"] * 2_000
    lines[1_234] = "a \U0001f9ff b"
    for call in (tokenizer.encode_batch, tokenizer.encode_ids):
        with pytest.raises(ValueError, match=r"text 1234 .*unk"):
            call(lines)
    with pytest.raises(ValueError, match="context 3 cannot be tokenized"):
        tokenizer.windows(["the"] * 5, ["a", "the", "a", lines[1_234], "the"])
    with pytest.raises(ValueError, match="question 1 cannot be tokenized"):
        tokenizer.windows(["the", "\U0001f9ff"], ["a", "the"])


def brute_force(text: str, offsets: Any, start: Any, end: Any, longest: int) -> dict[tuple[int, int], Any]:
    """The best logit of every stretch of whole graphemes, without the white space around it."""
    whole = segments.graphemes_of(text)
    best: dict[tuple[int, int], Any] = {}
    for first in range(len(offsets)):
        for last in range(first, min(first + longest, len(offsets))):
            part = text[offsets[first][0] : offsets[last][1]]
            left = int(offsets[first][0]) + len(part) - len(part.lstrip())
            span = whole(left, left + len(part.strip()))
            score = start[first] + end[last]
            if part.strip() and score > best.get(span, -np.inf):
                best[span] = score
    return best


def test_global_spans_equal_brute_force(path: Path) -> None:
    tokenizer = Tokenizer(path, match_special_tokens=True)
    # What str.strip takes beyond Unicode's white space would be another answer here.
    contexts = [text.translate(dict.fromkeys(range(28, 32), " ")) for text in texts.passages(12, 31, 60)]
    contexts += ["  the \u3000 in  \n", "é  😀😀 \u00a0 x"]
    windows = tokenizer.windows(["in the"] * len(contexts), contexts, max_length=2_000)
    assert len(windows) == len(contexts)
    # The text of tokens, before the file's last step moves offsets.
    other = peer.load(path)
    other.post_processor = None
    sources = [
        np.array(encoding.offsets) for encoding in other.encode_batch(contexts, add_special_tokens=False)
    ]
    rng = np.random.default_rng(32)
    start, end = (rng.integers(-8, 8, len(windows.ids)).astype(np.float32) for _ in range(2))
    options: dict[str, Any] = {"overlap": True, "align_to_words": False}
    spans = decode_spans(windows, start, end, top_k=25, max_answer_length=7, **options)
    for index, context in enumerate(contexts):
        offsets = sources[index]
        place = windows.indptr[index] + windows.context_start[index]
        here = slice(place, place + len(offsets))
        best = brute_force(context, offsets, start[here], end[here], 7)
        wanted = sorted(best, key=lambda span: (-best[span], span))[:25]
        rows = range(spans.indptr[index], spans.indptr[index + 1])
        assert [(spans.start[row], spans.end[row]) for row in rows] == wanted
        assert [spans.logit[row] for row in rows] == [best[span] for span in wanted]
        for row in rows:
            text = context.encode()[spans.byte_start[row] : spans.byte_end[row]].decode()
            assert text == context[spans.start[row] : spans.end[row]]
            assert text == text.strip() != ""


def test_squad_spans_are_verbatim_and_distinct(path: Path) -> None:
    # With BERT's words the mode is run_squad.py's, to which a no-break space is part of a word.
    of_bert = '"BertPreTokenizer"' in path.read_text(encoding="utf-8")
    white_space = "\t\n\r \u202f" if of_bert else "\t\n\r \u00a0\u202f"
    contexts = texts.passages(12, 33, 60)
    windows = Tokenizer(path, match_special_tokens=True).windows(
        ["in the"] * len(contexts), contexts, max_length=60, doc_stride=20
    )
    rng = np.random.default_rng(34)
    start, end = (rng.normal(size=len(windows.ids)).astype(np.float32) for _ in range(2))
    spans = decode_spans(windows, start, end, mode="squad", top_k=20)
    assert np.diff(spans.indptr).min() > 0
    for index, context in enumerate(contexts):
        rows = range(spans.indptr[index], spans.indptr[index + 1])
        found = [context[spans.start[row] : spans.end[row]] for row in rows]
        assert len(set(found)) == len(found)
        data = context.encode()
        for row, text in zip(rows, found, strict=True):
            assert data[spans.byte_start[row] : spans.byte_end[row]].decode() == text
            assert text == text.strip(white_space) != ""


def test_only_white_space_is_no_answer(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(tmp_path, "byte-level")
    windows = tokenizer.windows(["the"], ["   \n "])
    logits = np.ones(len(windows.ids), np.float32)
    for mode in MODES:
        assert decode_spans(windows, logits, logits, mode=mode).window.tolist() == [-1]
