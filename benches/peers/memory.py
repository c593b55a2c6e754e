"""Does memory grow? One tokenizer reads a gigabyte of random text, whose words never come again.

    python -m benches.peers.memory

The resident memory after each part is compared with that after the first hundred megabytes. The exit
status is 1 if it has grown by more than a twentieth.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import spanjet
from rich.console import Console
from rich.progress import track

from benches.peers.tasks import UNCASED

PART = 4_000_000
"""Code points of a part, which is one batch."""
TEXT = 1_000
"""Code points of a text."""
LIMIT = 0.05
STATM = Path("/proc/self/statm")

# Half of the text is ASCII; the rest has accents, Greek, Cyrillic, Hebrew, Arabic, Thai, kana, CJK, Hangul.
RANGES = (
    *((0xC0, 0x180), (0x391, 0x3CA), (0x410, 0x460), (0x5D0, 0x5EB), (0x620, 0x64B), (0xE01, 0xE3A)),
    *((0x3041, 0x3097), (0x4E00, 0x9FA6), (0xAC00, 0xD7A4)),
)


def parts(total: int, seed: int, part: int = PART) -> Iterator[list[str]]:
    """Batches of random texts until they have this many bytes of UTF-8."""
    rng = np.random.default_rng(seed)
    ascii_letters = np.frombuffer(b"etaoinshrdlucmfwypvbgkjqxz0123456789.,'-", np.uint8).astype("<u4")
    others = [np.arange(first, last, dtype="<u4") for first, last in RANGES]
    done = 0
    while done < total:
        points = rng.choice(ascii_letters, part)
        for start in range(0, part, 2 * TEXT):
            points[start : start + TEXT] = rng.choice(others[rng.integers(len(others))], TEXT)[: part - start]
        points[rng.random(part) < 1 / 7] = ord(" ")
        text = points.tobytes().decode("utf-32-le")
        done += len(text.encode())
        yield [text[i : i + TEXT] for i in range(0, part, TEXT)]


def resident() -> int:
    """The process's resident memory in bytes."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def read(
    total: int, warm_up: int, seed: int, part: int = PART, *, progress: bool = False
) -> list[tuple[int, int]]:
    """Tokenize with ids and offsets: bytes read so far and resident bytes, after each part.

    The first entry is the first with at least ``warm_up`` bytes read.
    """
    tokenizer = spanjet.Tokenizer(UNCASED)
    found: list[tuple[int, int]] = []
    done = 0
    batches = parts(total, seed, part)
    for texts in track(
        batches, "reading", total=total // part, console=Console(stderr=True), disable=not progress
    ):
        done += sum(len(text.encode()) for text in texts)
        encodings = tokenizer.encode_batch(texts)
        if len(encodings.offsets) != len(encodings.ids):
            raise RuntimeError("ids and offsets have different numbers")
        del encodings, texts
        if done >= warm_up:
            found.append((done, resident()))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the test; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benches.peers.memory", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--total", type=int, default=1_000_000_000, help="bytes (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=100_000_000, help="bytes first (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the text (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 <= options.warm_up < options.total:
        parser.error("--warm-up must be less than --total")
    found = read(options.total, options.warm_up, options.seed, progress=sys.stderr.isatty())
    first = found[0][1]
    console = Console(highlight=False)
    for done, size in found[:: max(len(found) // 10, 1)]:
        console.print(f"{done / 1e6:7,.0f} MB read, {size / 1e6:7.1f} MB resident, {size / first - 1:+.2%}")
    worst = max(size for _, size in found) / first - 1
    passed = len(found) > 1 and worst < LIMIT
    console.print(
        f"grown by at most {worst:.2%} after {found[0][0] / 1e6:,.0f} MB: {'passed' if passed else 'FAILED'}"
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
