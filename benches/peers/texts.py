"""The texts of the comparison. All are seeded; sizes are in bytes of UTF-8, and approximate."""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

EXCERPT = Path(__file__).parents[2] / "tests" / "data" / "squad" / "v1.1.json"
SENTENCES = Path(__file__).parent / "mixed_scripts.txt"

# A pseudo-word is three of these syllables. Consonants and vowels alternate, so that two different
# rows of syllables never spell the same word.
ONSETS = [*"bcdfghjklmnprstvwz", "br", "ch", "dr", "st", "th", "sh"]
NUCLEI = [*"aeiou", "ea", "ai", "ou"]
SYLLABLES = [onset + nucleus for onset in ONSETS for nucleus in NUCLEI]
PSEUDO_WORDS = len(SYLLABLES) ** 3
# Coprime to the number of pseudo-words: neighbours in the count look unlike each other.
STEP = 2_654_435

# With typographic, Spanish, Chinese and full-width punctuation.
PUNCTUATION = string.punctuation + "\u2026\u2013\u2014\u201c\u201d\u201e\u2018\u2019\xab\xbb\xbf\xa1"
PUNCTUATION += "\u3001\u3002\u300c\u300d\uff01\uff1f\uff1b\uff1a"
# Tifinagh, Ethiopic and Canadian syllabics: BERT's uncased vocabulary has none of their letters.
UNKNOWN = [*map(chr, (*range(0x2D30, 0x2D66), *range(0x1208, 0x1248), *range(0x1403, 0x1450)))]


def squad_pairs(path: Path) -> list[tuple[str, str]]:
    """Question and paragraph of every entry of a SQuAD file."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    found = [
        (entry["question"], paragraph["context"])
        for article in articles
        for paragraph in article["paragraphs"]
        for entry in paragraph["qas"]
    ]
    if not found:
        raise ValueError(f"{path}: no questions")
    return found


def excerpt_pairs(size: int, seed: int) -> list[tuple[str, str]]:
    """Five questions of the committed excerpt, drawn anew, for each paragraph of `excerpt`."""
    questions = list(dict.fromkeys(question for question, _ in squad_pairs(EXCERPT)))
    rng = random.Random(seed)
    return [(question, text) for text in excerpt(size, seed) for question in rng.sample(questions, 5)]


def squad(path: Path) -> list[str]:
    """The distinct paragraphs of a SQuAD file."""
    return list(dict.fromkeys(context for _, context in squad_pairs(path)))


def excerpt(size: int, seed: int) -> list[str]:
    """Paragraphs whose sentences are drawn from the committed excerpt: a few hundred distinct words."""
    sentences = [part for text in squad(EXCERPT) for part in re.split(r"(?<=[.!?])\s+", text)]
    rng = random.Random(seed)
    return list(_until(size, lambda: " ".join(rng.sample(sentences, rng.randint(3, 6)))))


def mixed_scripts(size: int, seed: int) -> list[str]:
    """Short lines: the beginning of one sentence and the end of another, cut anywhere."""
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    sentences = [line for line in lines if not line.startswith("#")]
    rng = random.Random(seed)

    def line() -> str:
        one, two = rng.sample(sentences, 2)
        return one[: rng.randint(0, len(one))] + " " + two[rng.randrange(len(two)) :]

    return list(_until(size, line))


def new_words(size: int, seed: int) -> list[str]:
    """Paragraphs of pseudo-words, none of which comes twice, nor under two seeds of the same size."""
    # A word and its space take more than six bytes on average: a seed never reaches the next one's.
    number = count(seed * (size // 6 + 100))
    return list(_until(size, lambda: " ".join(pseudo_word(next(number)) for _ in range(100))))


def pseudo_word(number: int) -> str:
    """The pseudo-word of a number below `PSEUDO_WORDS`; each has another."""
    if not 0 <= number < PSEUDO_WORDS:
        raise ValueError(f"pseudo-word {number:,}: there are only {PSEUDO_WORDS:,}")
    scattered, base = number * STEP % PSEUDO_WORDS, len(SYLLABLES)
    digits = scattered // base**2, scattered // base % base, scattered % base
    return "".join(SYLLABLES[digit] for digit in digits)


def one_word(size: int, seed: int) -> list[str]:
    return ["".join(random.Random(seed).choices(string.ascii_lowercase, k=size))]


def combining_marks(size: int, seed: int) -> list[str]:
    """A letter under marks of many combining classes, so that their canonical order is work."""
    marks = [chr(code) for code in range(0x300, 0x370) if code != 0x34F]
    return ["a" + "".join(random.Random(seed).choices(marks, k=size // 2))]


def all_cjk(size: int, seed: int) -> list[str]:
    return ["".join(map(chr, random.Random(seed).choices(range(0x4E00, 0x9FA6), k=size // 3)))]


def all_punctuation(size: int, seed: int) -> list[str]:
    bytes_each = len(PUNCTUATION.encode()) / len(PUNCTUATION)
    return ["".join(random.Random(seed).choices(PUNCTUATION, k=int(size / bytes_each)))]


def all_unknown(size: int, seed: int) -> list[str]:
    """Words of three to eight letters that the vocabulary lacks."""
    rng = random.Random(seed)
    words = _until(size, lambda: "".join(rng.choices(UNKNOWN, k=rng.randint(3, 8))))
    return [" ".join(words)]


WORST: dict[str, tuple[Callable[[int, int], list[str]], int]] = {
    "one word": (one_word, 1_000_000),
    "100,000 combining marks": (combining_marks, 200_000),
    "all CJK": (all_cjk, 1_000_000),
    "all punctuation": (all_punctuation, 1_000_000),
    "all unknown words": (all_unknown, 1_000_000),
}
"""Worst cases, each one text: its maker, and its size."""

MAKERS: dict[str, tuple[Callable[[int, int], list[str]], int]] = {
    "SQuAD": (excerpt, 1_600_000),
    "mixed scripts": (mixed_scripts, 520_000),
    "new words": (new_words, 1_000_000),
    **WORST,
}


def load(name: str, *, squad_file: Path | None = None, scale: float = 1.0, seed: int = 0) -> list[str]:
    """The texts of a name.

    Args:
        name: a key of `MAKERS`.
        squad_file: where the paragraphs of ``SQuAD`` come from, all of them; None: the excerpt.
        scale: what the size is multiplied by.
        seed: of all but the paragraphs of a file.
    """
    if name == "SQuAD" and squad_file is not None:
        return squad(squad_file)
    make, size = MAKERS[name]
    return make(int(size * scale), seed)


def _until(size: int, make: Callable[[], str]) -> Iterator[str]:
    """New texts until they have this many bytes; at least one."""
    total = 0
    while not total or total < size:
        text = make()
        total += len(text.encode())
        yield text
