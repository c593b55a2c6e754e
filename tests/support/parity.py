"""The whole-size parity run: tokenizing and windows against the Hugging Face ``tokenizers`` package.

    python tests/parity.py --squad dev-v1.1.json --strings 300000

It compares ids and offsets on every question and paragraph of a SQuAD file, every Unicode scalar value
(alone, between letters, after a space) and seeded random strings, and windows on all questions; then the
same with a third of the random strings for each kind of tokenizer that is not BERT's. The exit status is 1
if anything differs or there was nothing to compare.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import peer
import reference
import texts
import tokenizer_files
import trained_tokenizers
from rich.console import Console
from rich.table import Table
from spanjet import Tokenizer, Windows

CHUNK = 50_000
OPTIONS: dict[str, Any] = {"max_length": 384, "doc_stride": 128}
MAX_QUESTION_LENGTH = 64


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    check: str
    tokenizer: str
    items: int
    tokens: int
    differ: int
    examples: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        return self.differ == 0 and self.items > 0 and self.tokens > 0


def squad_pairs(path: Path) -> list[tuple[str, str]]:
    """Question and paragraph of each entry of a SQuAD file."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    return [
        (entry["question"], paragraph["context"]) for paragraph in paragraphs for entry in paragraph["qas"]
    ]


def chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(lines)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def compare(check: str, name: str, path: Path, lines: Iterable[str], *, match: bool = True) -> Row:
    """Ids and offsets of some texts."""
    tokenizer, other = (
        Tokenizer(path, match_special_tokens=match),
        peer.load(path, match_special_tokens=match),
    )
    items = tokens = differ = 0
    examples: list[str] = []
    for chunk in chunks(lines):
        found, count = peer.compare(tokenizer, other, chunk)
        items, tokens, differ = items + len(chunk), tokens + count, differ + len(found)
        examples += [str(mismatch) for mismatch in found[: 3 - len(examples)]]
    return Row(check, name, items, tokens, differ, examples)


def tokenizing(name: str, path: Path, squad: Sequence[str], strings: int, seed: int) -> Iterator[Row]:
    yield compare("SQuAD texts", name, path, squad)
    yield compare("SQuAD texts, special tokens as text", name, path, squad, match=False)
    scalars = [*texts.scalar_values()]
    yield compare("scalar values alone", name, path, scalars)
    yield compare("scalar values between letters", name, path, (f"a{c}b" for c in scalars))
    yield compare("scalar values after a space", name, path, (f" {c}" for c in scalars))
    yield compare("random strings", name, path, texts.random_texts(strings, seed))
    lines = texts.random_texts(strings // 10, seed + 1)
    yield compare("random strings, special tokens as text", name, path, lines, match=False)


def one_by_one(strings: int, seed: int) -> Iterator[Row]:
    """With a vocabulary of all characters, under which no character hides behind the unknown token."""
    tokens = tokenizer_files.alphabet(tokenizer_files.assigned())
    for lowercase in (True, False):
        name = f"all characters, {'uncased' if lowercase else 'cased'}"
        content = tokenizer_files.document(tokens, normalizer={"lowercase": lowercase})
        with tempfile.TemporaryDirectory() as directory:
            path = tokenizer_files.write(Path(directory) / "tokenizer.json", content)
            scalars = texts.scalar_values()
            yield compare("scalar values between letters", name, path, (f"a{c}b" for c in scalars))
            yield compare("random strings", name, path, texts.random_texts(strings // 3, seed + 2))


def kinds(squad: Sequence[str], pairs: Sequence[tuple[str, str]], strings: int, seed: int) -> Iterator[Row]:
    """Tokenizers other than BERT's, each trained on the tests' own texts."""
    for kind in trained_tokenizers.KINDS:
        with tempfile.TemporaryDirectory() as directory:
            path = trained_tokenizers.write(Path(directory), kind)
            scalars = texts.scalar_values()
            yield compare("SQuAD texts", kind, path, squad)
            yield compare("scalar values between letters", kind, path, (f"a{c}b" for c in scalars))
            lines = trained_tokenizers.random_texts(strings // 3, seed + 3)
            yield compare("random strings", kind, path, lines)
            lines = trained_tokenizers.random_texts(strings // 30, seed + 4)
            yield compare("random strings, special tokens as text", kind, path, lines, match=False)
            yield from windows(kind, path, pairs)


def window_ids(windows: Windows) -> list[list[int]]:
    return [part.tolist() for part in np.split(windows.ids, windows.indptr[1:-1])]


def windows(name: str, path: Path, pairs: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """Both conventions at 384/128: overlap against the peer, advance against the reference."""
    tokenizer, other = Tokenizer(path, match_special_tokens=True), peer.load(path)
    questions, contexts = [question for question, _ in pairs], [context for _, context in pairs]
    distinct = list(dict.fromkeys(questions + contexts))
    encodings = other.encode_batch(distinct, add_special_tokens=False)
    ids = {text: encoding.ids for text, encoding in zip(distinct, encodings, strict=True)}
    before, between, after = peer.layout(other)
    options = OPTIONS | {"cls": before[0], "between": between, "sep": after[0]}
    ours = window_ids(tokenizer.windows(questions, contexts, convention="advance", **OPTIONS))
    # White space uses up nothing of a question that is cut.
    cut = [question for question in questions if len(ids[question]) > MAX_QUESTION_LENGTH]
    squeezed = other.encode_batch([" ".join(question.split()) for question in cut], add_special_tokens=False)
    asked = ids | {text: encoding.ids for text, encoding in zip(cut, squeezed, strict=True)}
    texts_ids = [asked[question] for question in questions], [ids[context] for context in contexts]
    listed = reference.windows(*texts_ids, convention="advance", **options)
    yield window_row("windows, advance 384/128", name, ours, [window.ids for window in listed])

    other.enable_truncation(OPTIONS["max_length"], stride=OPTIONS["doc_stride"], strategy="only_second")
    truncated = other.encode_batch(list(pairs))
    theirs = [part.ids for encoding in truncated for part in (encoding, *encoding.overflowing)]
    options = OPTIONS | {"convention": "overlap", "max_question_length": None}
    ours = window_ids(tokenizer.windows(questions, contexts, **options))
    yield window_row("windows, overlap 384/128", name, ours, theirs)


def window_row(check: str, name: str, ours: list[list[int]], theirs: list[list[int]]) -> Row:
    differ = abs(len(ours) - len(theirs)) + sum(a != b for a, b in zip(ours, theirs, strict=False))
    return Row(check, name, len(ours), sum(map(len, ours)), differ)


def report(rows: Iterable[Row], console: Console) -> bool:
    """Print the table; whether everything was equal and there was something to compare."""
    table = Table("check", "tokenizer", *("texts or windows", "tokens", "differ"))
    for column in table.columns[2:]:
        column.justify = "right"
    done = []
    with console.status("comparing") as status:
        for row in rows:
            done.append(row)
            table.add_row(row.check, row.tokenizer, f"{row.items:,}", f"{row.tokens:,}", f"{row.differ:,}")
            status.update(f"comparing: {row.check}, {row.tokenizer} done")
    console.print(table)
    for row in done:
        for example in row.examples:
            console.print(f"{row.check}, {row.tokenizer}: {example}", markup=False)
    passed = bool(done) and all(row.passed for row in done)
    console.print("all equal" if passed else "NOT equal, or nothing to compare")
    return passed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; the exit status."""
    parser = argparse.ArgumentParser(
        description="Compare tokenizing and windows with the tokenizers package."
    )
    parser.add_argument("--squad", type=Path, required=True, help="a SQuAD file")
    parser.add_argument(
        "--tokenizer",
        type=Path,
        action="append",
        help="a tokenizer.json, or a directory with vocab.txt and tokenizer_config.json; may be repeated; "
        "default: the bundled uncased and the tests' cased one",
    )
    parser.add_argument("--strings", type=int, default=300_000, help="random strings (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random strings (default: %(default)s)")
    options = parser.parse_args(arguments)
    pairs = squad_pairs(options.squad)
    squad = list(dict.fromkeys(chain.from_iterable(pairs)))
    parts: list[Iterable[Row]] = []
    for path in options.tokenizer or (peer.UNCASED, peer.CASED):
        parts += [
            tokenizing(path.name, path, squad, options.strings, options.seed),
            windows(path.name, path, pairs),
        ]
    parts.append(one_by_one(options.strings, options.seed))
    parts.append(kinds(squad, pairs, options.strings, options.seed))
    return 0 if report(chain.from_iterable(parts), Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
