"""Texts that are hard to tokenize: one seeded generator and sweeps over Unicode, for all tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

SPECIAL_TOKENS = (
    *("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[sep]", "[SEP", "SEP]", "[[SEP]]", "[ SEP ]"),
    *("[CLS][SEP]", "[MASK]s", "##ing", "##", "[unused1]", "[S\u0301EP]", "[\u200bSEP]"),
)
WORDS = (
    *("the", "of", "Denver", "Broncos", "unaffable", "tokenization", "McDonald's", "1,024.50", "e-mail"),
    *("don't", "U.S.A.", "naïve", "café", "Ångström", "Straße", "ΣΊΣΥΦΟΣ", "İstanbul", "ﬁne", "ǅ", "K"),
    *("x²", "½", "Ⅷ", "①", "ﷺ", "한국어", "東京タワー", "ภาษาไทย", "हिन्दी", "עִבְרִית", "العَرَبِيَّة", "Việt", "ö̲"),
)
# First and last code point of scripts and of the blocks where implementations differ.
RANGES = (
    *((0x21, 0x7E), (0xA1, 0x24F), (0x250, 0x2FF), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58F)),
    *((0x591, 0x5F4), (0x600, 0x6FF), (0x900, 0x97F), (0xE01, 0xE5B), (0x0F00, 0x0FDA), (0x10A0, 0x10FF)),
    *((0x1100, 0x11FF), (0x13A0, 0x13FD), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2010, 0x205E)),
    *((0x2070, 0x218B), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2C00, 0x2DFF), (0x2E80, 0x2FDF)),
    *((0x3001, 0x30FF), (0x3130, 0x318E), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA720, 0xA7FF)),
    *((0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFE30, 0xFE6F), (0xFF01, 0xFFEE)),
    *((0x10400, 0x1044F), (0x11100, 0x1114F), (0x1D100, 0x1D24F), (0x1D400, 0x1D7FF), (0x1E900, 0x1E95F)),
    *((0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0x2B740, 0x2B81F), (0x2F800, 0x2FA1F), (0x30000, 0x3134A)),
)
# Marks of several combining classes, so that canonical order matters; nonspacing, spacing, enclosing.
MARKS = "\u0300\u0301\u0308\u0323\u0327\u0328\u0345\u0334\u0338\u0483\u0488\u05b0\u064b\u0651\u093c\u094d"
MARKS += "\u0903\u0e38"
MARKS += "\u0f71\u0f72\u0f74\u1dce\u20d0\u20dd\u302a\u3099\ua806\ufe0f\ufe20\U0001d165\U0001d16d\U000e0100"
CONTROLS = (
    "\x00\x01\x08\x0b\x0c\x1b\x1c\x1f\x7f\x80\x85\x9f\xad\u061c\u180e\u200b\u200c\u200d\u200e\u202e\u2060"
)
CONTROLS += "\ufeff\ufff9\ufffd\ufffe\uffff\ue000\uf8ff\u0378\U000e0001\U000f0000\U0001fffe\U0010ffff"
SPACES = "\t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
EMOJI = ("👩\u200d💻", "👍🏽", "🇩🇪", "❤\ufe0f", "1\ufe0f\u20e3", "🏴\U000e0067\U000e007f", "😀😀")
CASING = "İıßẞſΣσςΐΰŉǰẖẘΆ\u0345ᾳᾼǄǅǆﬀﬁﬃﬅﬓKÅΩꭰᏸᲀᲐⴀ𐐀"

# Where words grow past the length at which they become unknown: 100 characters.
LONG = (90, 99, 100, 101, 102, 130, 300)


def _range_word(rng: random.Random) -> str:
    first, last = rng.choice(RANGES)
    return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 8)))


def _marked_word(rng: random.Random) -> str:
    letters = rng.choices("aeouAEcCñ각一אकก", k=rng.randint(0, 4))
    return "".join(letter + "".join(rng.choices(MARKS, k=rng.randint(0, 4))) for letter in letters)


def _long_word(rng: random.Random) -> str:
    unit = rng.choice(("a", "é", "e\u0301", "한", "a\u00ad", "un", "##", "İ", "\u1e9b\u0323", "x\u0488"))
    return unit * rng.choice(LONG)


def _any_scalar(rng: random.Random) -> str:
    code = rng.randrange(0x110000 - 0x800)
    return chr(code if code < 0xD800 else code + 0x800)


_PIECES: tuple[tuple[int, Callable[[random.Random], str]], ...] = (
    (20, lambda rng: rng.choice(WORDS)),
    (20, _range_word),
    (10, _marked_word),
    (10, lambda rng: rng.choice(SPECIAL_TOKENS)),
    (10, _any_scalar),
    (8, lambda rng: rng.choice(CONTROLS)),
    (8, lambda rng: rng.choice(MARKS)),
    (8, lambda rng: "".join(rng.choices("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", k=rng.randint(1, 3)))),
    (4, lambda rng: rng.choice(EMOJI)),
    (4, lambda rng: "".join(rng.choices(CASING, k=rng.randint(1, 4)))),
    (1, _long_word),
)


def random_texts(count: int, seed: int) -> list[str]:
    """Strings that mix scripts, marks, controls, spaces, emoji, long words and special-token text."""
    rng = random.Random(seed)
    weights = [weight for weight, _ in _PIECES]
    makers = [maker for _, maker in _PIECES]
    texts = []
    for _ in range(count):
        pieces = []
        for maker in rng.choices(makers, weights, k=rng.randint(1, 14)):
            pieces.append(maker(rng))
            separator = rng.random()
            if separator < 0.35:
                pieces.append(" ")
            elif separator < 0.45:
                pieces.append(rng.choice(SPACES))
        texts.append("".join(pieces))
    return texts


def passages(count: int, seed: int, most: int = 400) -> list[str]:
    """Prose of 1 to ``most`` words and a few other pieces; some words come again and again."""
    rng = random.Random(seed)
    common = [word for word in WORDS if word.isascii()]
    found = []
    for _ in range(count):
        pieces = []
        for _ in range(rng.randint(1, most)):
            unusual = rng.random() < 0.1
            pieces.append(random_texts(1, rng.randrange(2**32))[0] if unusual else rng.choice(common))
            pieces.append(
                rng.choice((" ", " ", " ", " ", ", ", ". ", "  ", "\n", "\t", "\u202f", "\u00a0", "-"))
            )
        found.append("the " + "".join(pieces))
    return found


def scalar_values(step: int = 1, start: int = 0) -> Iterator[str]:
    """Every ``step``-th Unicode scalar value from ``start``: all code points but the surrogates."""
    for code in range(start, 0x110000, step):
        if not 0xD800 <= code <= 0xDFFF:
            yield chr(code)
