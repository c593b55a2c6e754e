"""Windows of tokenizers other than BERT's, in the layout that their files give."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import peer
import pytest
import reference
import texts
import trained_tokenizers
from spanjet import Tokenizer

Convention = Literal["advance", "overlap"]
QUESTIONS = ["Who built it?", "When was the " + "very " * 8 + "old bridge built?"]


@pytest.fixture(scope="module", params=trained_tokenizers.KINDS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_tokenizers.write(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def pairs() -> tuple[list[str], list[str]]:
    contexts = [*texts.passages(10, seed=51, most=120), *trained_tokenizers.corpus()[:5]]
    return [QUESTIONS[index % 2] for index in range(len(contexts))], contexts


def rows(windows: Any) -> list[list[int]]:
    return [part.tolist() for part in np.split(windows.ids, windows.indptr[1:-1])]


@pytest.mark.parametrize(("max_length", "doc_stride"), [(384, 128), (150, 0), (150, 20)])
def test_overlap_equal_to_peer(
    path: Path, pairs: tuple[list[str], list[str]], max_length: int, doc_stride: int
) -> None:
    questions, contexts = pairs
    tokenizer, other = Tokenizer(path, match_special_tokens=True), peer.load(path)
    other.enable_truncation(max_length, stride=doc_stride, strategy="only_second")
    encodings = other.encode_batch(list(zip(questions, contexts, strict=True)))
    wanted, firsts = [], []
    for encoding in encodings:
        firsts.append(encoding)
        wanted += [encoding, *encoding.overflowing]
    options: dict[str, Any] = {"max_length": max_length, "doc_stride": doc_stride, "convention": "overlap"}
    windows = tokenizer.windows(questions, contexts, max_question_length=None, **options)
    assert rows(windows) == [part.ids for part in wanted]
    batch = windows.batch(np.arange(len(windows)), multiple_of=8)
    for index, part in enumerate(wanted):
        length, start = len(part.ids), int(windows.context_start[index])
        inside = [offset for offset, text in zip(part.offsets, part.sequence_ids, strict=True) if text == 1]
        first = windows.context_offset[index]
        offsets = windows.contexts[windows.question[index]].offsets[first : first + len(inside)]
        assert part.sequence_ids[start - 1 : start + 1] == [None, 1]
        # The peer may count a space off a part's first token, or not, that it has not of the text's first.
        same = slice(0 if any(part is first for first in firsts) else 1, None)
        assert offsets.tolist()[same] == [list(offset) for offset in inside][same]
        # The peer gives the parts after the first their types before pairing, whatever the template says.
        if any(part is first for first in firsts):
            assert batch.token_type_ids[index, :length].tolist() == part.type_ids
        assert (batch.token_type_ids[index, length:] == 0).all()
        assert batch.attention_mask[index].sum() == length
        assert (batch.input_ids[index, length:] == tokenizer.pad_token_id).all()


@pytest.mark.parametrize("convention", ["advance", "overlap"])
@pytest.mark.parametrize(("max_length", "doc_stride"), [(384, 128), (100, 12)])
def test_equal_to_reference(
    path: Path,
    pairs: tuple[list[str], list[str]],
    convention: Convention,
    max_length: int,
    doc_stride: int,
) -> None:
    questions, contexts = pairs
    tokenizer = Tokenizer(path)
    [cls], between, [sep] = peer.layout(peer.load(path))
    options: dict[str, Any] = {"max_length": max_length, "doc_stride": doc_stride, "convention": convention}
    ids = [[encoding.ids.tolist() for encoding in tokenizer.encode_batch(lines)] for lines in pairs]
    wanted = reference.windows(*ids, cls=cls, sep=sep, between=between, max_question_length=24, **options)
    encoded = list(tokenizer.encode_batch(contexts))
    windows = tokenizer.windows(questions, encoded, max_question_length=24, **options)
    assert rows(windows) == [window.ids for window in wanted]
    assert windows.question.tolist() == [window.question for window in wanted]
    assert windows.context_start.tolist() == [window.context_start for window in wanted]
    assert windows.context_offset.tolist() == [window.context_offset for window in wanted]


def test_room_counts_all_special_tokens(tmp_path: Path) -> None:
    tokenizer = Tokenizer(trained_tokenizers.write(tmp_path, "byte-level"))
    with pytest.raises(ValueError, match="max_length is 4, expected at least 5: 4 special tokens"):
        tokenizer.windows(["in"], ["in"], max_length=4)
    with pytest.raises(ValueError, match="5 - 1 question tokens - 4 special tokens = 0"):
        tokenizer.windows(["in"], ["in"], max_length=5)
    assert len(tokenizer.windows(["in"], ["in in"], max_length=6, doc_stride=1)) == 2


def test_encodings_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    path = trained_tokenizers.write(tmp_path, "unigram")
    one, other = Tokenizer(path), Tokenizer(path, match_special_tokens=True)
    assert len(one.windows(["in"], [Tokenizer(path, threads=1).encode("in")])) == 1
    with pytest.raises(ValueError, match="context 0 was encoded by another tokenizer"):
        one.windows(["in"], [other.encode("in")])


@pytest.mark.parametrize("blank", [" ", "\n", "\t", "\u00a0", "\u3000", " \r\n"], ids=ascii)
def test_white_space_uses_up_nothing_of_a_question_that_is_cut(path: Path, blank: str) -> None:
    tokenizer = Tokenizer(path)
    question = "When was it built?"
    plain = tokenizer.windows([question], ["in 1903"])
    many = blank * 1000  # so many that they are cut too where runs of spaces are tokens, of up to 24
    for padded in (many + question, question + many, question.replace(" ", many)):
        windows = tokenizer.windows([padded], ["in 1903"], max_question_length=30)
        assert windows.question_length[0] <= plain.question_length[0] + 2
        ends = [found.ids[found.context_start[0] - 3 : found.context_start[0]] for found in (plain, windows)]
        assert len(padded) > 1000
        assert ends[0].tolist() == ends[1].tolist()


def test_runs_of_spaces_are_tokens_of_a_question_that_is_not_cut(tmp_path: Path) -> None:
    """As in transformers, where ModernBERT's tokenizer has them."""
    path = trained_tokenizers.write(tmp_path, "modernbert")
    question, context = f"When{' ' * 30}was it   built?", f"in{' ' * 24}1903,  in   July"
    expected = peer.load(path).encode(question, context).ids
    window = Tokenizer(path).windows([question], [context])
    assert window.ids.tolist() == expected
    names = peer.load(path)
    assert [token for token in map(names.id_to_token, expected) if not token.strip()] == [
        *(" " * count for count in (24, 6, 3, 24, 2, 3)),
    ]
