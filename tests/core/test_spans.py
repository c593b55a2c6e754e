"""What an answer may be: whole graphemes in both modes, whole words, one sentence where it is as good."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import peer
import pytest
import segments
import trained_tokenizers
from decoding import MODES, Mode
from spanjet import Spans, Tokenizer, decode_spans, sentence

SCRIPTS = {
    "latin": "The engineer Jose\u0301 Nun\u0303ez built it.",
    "vietnamese": "Nguye\u0302\u0303n Va\u0306n Troi xây cầu.",
    "hindi": "पुल नमस्ते दुनिया ने बनाया",
    "bengali": "সেতুটি বাংলাদেশ নির্মাণ করেছে",
    "tamil": "பாலம் தமிழ்நாடு கட்டியது",
    "thai": "สะพานสร้างโดยน้ำใจ",
    "arabic": "بنى الجِسْرَ مُهَنْدِسٌ",
    "hebrew": "גֶּשֶׁר נִבְנָה בְּיָפוֹ",
    "korean": "\u1112\u1161\u11ab\u1100\u1173\u11af 다리를 지었다",
    "japanese": "東京か\u3099橋を作った",
    "khmer": "ស្ពានត្រូវបានសាងសង់",
    "burmese": "တံတားကို ဆောက်ခဲ့သည်",
    "sinhala": "පාලම ඉදිකළේ ශ්‍රී",
    "malayalam": "പാലം ക്ഷേത്രം",
    "controls": "\ufeffAl\u200b is\u00adhy \u202eR\u202c a\u200db\r\nz",
    "emoji": "I ❤\ufe0f it 👩\u200d🔬 and 🇩🇪🇫🇷 👍🏽 ok",
}


@cache
def tokenizer(path: Path) -> Tokenizer:
    """A tokenizer, read once."""
    return Tokenizer(path, match_special_tokens=True)


def decoded(path: Path, text: str, first: int, last: int, mode: Mode, **options: bool) -> Spans:
    """The answer where a model is sure of the context tokens from first to last."""
    windows = tokenizer(path).windows(["who"], [text])
    start, end = np.zeros((2, len(windows.ids)), np.float32)
    begin = int(windows.context_start[0])
    start[begin + first] = end[begin + last] = 20
    return decode_spans(windows, start, end, mode=mode, **options)


@pytest.mark.parametrize("align_to_words", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("model", ["uncased", "cased"])
def test_no_grapheme_is_cut(model: str, script: str, mode: Mode, align_to_words: bool) -> None:
    text = SCRIPTS[script]
    path = peer.UNCASED if model == "uncased" else peer.CASED
    tokens = tokenizer(path).encode(text).offsets.tolist()
    bounds = segments.graphemes(text)
    for first in range(len(tokens)):
        for last in range(first, min(len(tokens), first + 4)):
            spans = decoded(path, text, first, last, mode, align_to_words=align_to_words)
            start, end = int(spans.start[0]), int(spans.end[0])
            assert {start, end} <= bounds
            # In mode squad the first of equal texts in the words is taken, right or wrong.
            assert mode == "squad" or (start <= tokens[first][0] and tokens[last][1] <= end)


@pytest.mark.parametrize("kind", trained_tokenizers.KINDS)
def test_no_grapheme_is_cut_by_other_kinds(tmp_path: Path, kind: str) -> None:
    path = trained_tokenizers.write(tmp_path, kind)
    for text in SCRIPTS.values():
        bounds = segments.graphemes(text)
        bounds |= {bound + 1 for bound in bounds if text[bound : bound + 1].isspace()}
        for token in range(len(tokenizer(path).encode(text))):
            for mode in MODES:
                spans = decoded(path, text, token, token, mode, align_to_words=False)
                start, end = int(spans.start[0]), int(spans.end[0])
                assert {start, end} <= bounds
                assert text[start:end].strip() == text[start:end]


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("Roger Goodellian spoke", "good", "Goodellian"),
        ("it cost 1,250.75 euros", "250", "1,250.75"),
        ("Clara's bridge", "clara", "Clara"),
        ("near l'Isar today", "isa", "Isar"),
        ("the bridge.Then it fell", "bridge", "bridge"),
        ("well-known here", "known", "known"),
        ("the U.S. Army", "u", "U.S"),
        ("a ❤\ufe0f b", "❤", "❤\ufe0f"),
        ("東京都庁", "京", "京"),
    ],
)
def test_whole_words(text: str, word: str, expected: str) -> None:
    tokens = tokenizer(peer.UNCASED).encode(text).tokens
    place = next(
        i for i, token in enumerate(tokens) if token.removeprefix("##") in (word, "[UNK]") or token == word
    )
    spans = decoded(peer.UNCASED, text, place, place, "global")
    assert text[spans.start[0] : spans.end[0]] == expected


@pytest.mark.parametrize("align_to_words", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [kind for kind in trained_tokenizers.KINDS if kind != "byte-fallback"])
def test_an_answer_has_all_of_its_tokens(tmp_path: Path, kind: str, mode: Mode, align_to_words: bool) -> None:
    """The crate's offsets may begin one character late: `msterdam`, and of `7` nothing."""
    path = trained_tokenizers.write(tmp_path, kind)
    text = "Amsterdam in 7 «Zürich» was 9."
    windows = Tokenizer(path).windows(["in"], [text])
    ids, begin = windows.ids.tolist(), int(windows.context_start[0])
    expected = [(word, text.index(word)) for word in ("Amsterdam", "in", "7", "was")]
    for word, at in expected:
        offsets = windows.contexts[0].offsets.tolist()
        inside = [i for i, (_, last) in enumerate(offsets) if at < last <= at + len(word)]
        start, end = np.zeros((2, len(ids)), np.float32)
        start[begin + inside[0]] = end[begin + inside[-1]] = 20
        spans = decode_spans(windows, start, end, mode=mode, align_to_words=align_to_words)
        assert text[spans.start[0] : spans.end[0]] == word
        assert text.encode()[spans.byte_start[0] : spans.byte_end[0]].decode() == word


def test_a_span_in_one_sentence_wins_when_it_is_about_as_good() -> None:
    text = "It was built in 1903 by Clara. It was rebuilt in 2003 by others."
    windows = tokenizer(peer.UNCASED).windows(["when"], [text])
    tokens = windows.contexts[0].tokens
    begin = int(windows.context_start[0])
    start, end = np.zeros((2, len(windows.ids)), np.float32)
    start[begin + tokens.index("1903")] = 9
    start[begin + tokens.index("2003")] = end[begin + tokens.index("2003")] = 8.5
    plain, careful, strict = (
        decode_spans(windows, start, end, sentence_margin=margin) for margin in (0.0, 0.25, 2.0)
    )
    found = [text[spans.start[0] : spans.end[0]] for spans in (plain, careful, strict)]
    assert found == ["1903 by Clara. It was rebuilt in 2003"] * 2 + ["2003"]
    # What it loses is its margin; the logit is the model's.
    assert careful.logit[0] == plain.logit[0] == 17.5
    assert careful.no_answer[0] > plain.no_answer[0]


@pytest.mark.parametrize(
    ("text", "part", "expected"),
    [
        ("  It rose.  It fell. ", "rose", "It rose."),
        ("It rose.  It fell. ", "rose.  It", "It rose.  It fell."),
        ("Dr. Höß of St. Louis came. She left.", "Louis", "Dr. Höß of St. Louis came."),
        ("a line\nthat goes on\n\nanother", "goes", "a line\nthat goes on"),
        ("東京。大阪。", "大", "大阪。"),
    ],
)
def test_sentence(text: str, part: str, expected: str) -> None:
    at = text.index(part)
    start, end = sentence(text, at, at + len(part))
    assert text[start:end] == expected


@pytest.mark.parametrize(("start", "end"), [(3, 2), (0, 9), (9, 9), (-1, 2)])
def test_sentence_of_a_range_that_is_not_there(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="start"):
        sentence("Höß.", start, end)
