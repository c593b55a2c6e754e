"""Does memory grow? One tokenizer reads a gigabyte of random text.

    python -m benches.peers.memory

The resident memory after each part is compared with that after the first hundred megabytes. The exit
status is 1 if it has grown by more than a twentieth. The C library keeps freed pages for later, more or
fewer of them: a loop that makes the same texts and tokenizes none grew by 29 % here. So it is asked
to give them back before each look, and what remains is what is in use.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import spanjet
from rich.console import Console
from rich.progress import Progress

from benches.peers.tasks import UNCASED

PART = 500_000
"""Code points of a part, which is one batch."""
TEXT = 1_000
"""Code points of a text, its newline included."""
LIMIT = 0.05
STATM = Path("/proc/self/statm")

# Half of the text is ASCII; the rest has accents, Greek, Cyrillic, Hebrew, Arabic, Thai, kana, CJK, Hangul.
RANGES = (
    *((0xC0, 0x180), (0x391, 0x3CA), (0x410, 0x460), (0x5D0, 0x5EB), (0x620, 0x64B), (0xE01, 0xE3A)),
    *((0x3041, 0x3097), (0x4E00, 0x9FA6), (0xAC00, 0xD7A4)),
)


def write(total: int, seed: int, part: int, connection: Connection) -> None:
    """Send random texts, UTF-8 between newlines, until they have this many bytes."""
    rng = np.random.default_rng(seed)
    ascii_letters = np.frombuffer(b"etaoinshrdlucmfwypvbgkjqxz0123456789.,'-", np.uint8).astype("<u4")
    others = [np.arange(first, last, dtype="<u4") for first, last in RANGES]
    done = 0
    while done < total:
        points = rng.choice(ascii_letters, (part // TEXT, TEXT))
        for row in points[1::2]:
            row[:] = rng.choice(others[rng.integers(len(others))], TEXT)
        points[rng.random(points.shape) < 1 / 7] = ord(" ")
        points[:, -1] = ord("\n")
        text = points.tobytes().decode("utf-32-le").encode()
        done += len(text)
        connection.send_bytes(text)
    connection.close()


def parts(total: int, seed: int, part: int) -> Generator[bytes, None, None]:
    """What `write` sends, made in a process of its own: what numpy needs is none of ours."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=write, args=(total, seed, part, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        while True:
            yield ours.recv_bytes()
    except EOFError:
        process.join()
    finally:
        process.kill()
        ours.close()


def resident() -> int:
    """The process's resident memory in bytes, without freed pages where the C library is glibc."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def read(total: int, warm_up: int, seed: int, *, progress: bool = False) -> list[tuple[int, int]]:
    """Tokenize with ids and offsets: bytes read so far and resident bytes, after each part.

    The first entry is the first with at least ``warm_up`` bytes read.
    """
    tokenizer = spanjet.Tokenizer(UNCASED)
    found: list[tuple[int, int]] = []
    done = 0
    bar = Progress(console=Console(stderr=True), disable=not progress)
    with bar, closing(parts(total, seed, PART)) as batches:
        task = bar.add_task("reading", total=total)
        for batch in batches:
            encodings = tokenizer.encode_batch(batch.decode().splitlines())
            if len(encodings.offsets) != len(encodings.ids):
                raise RuntimeError("ids and offsets have different numbers")
            del encodings
            done += len(batch)
            bar.update(task, completed=done)
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
