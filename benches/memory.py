"""Memory of a long run: python -m benches.memory [--questions 100000] [--model DIR]

Questions of varied length, each with a context of its own, go through `Reader.stream`; the memory of the
process is shown after every tenth of them. The run fails if it grew by more than 5 % after the first tenth.
"""

import argparse
import gc
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from spanjet import Reader, RuntimeConfig
from spanjet.runtime.machine import resident_megabytes

WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "was",
    "is",
    "for",
    "on",
    "as",
    "with",
    "by",
    "he",
    "that",
    "at",
    "from",
    "his",
    "it",
    "an",
    "were",
    "are",
    "which",
]
LIMIT = 1.05


def pairs(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Contexts of 5 words and more: half of them under 110, one in a hundred over 500."""
    generator = random.Random(seed)
    for index in range(count):
        words = min(5 + int(generator.lognormvariate(4.65, 0.7)), 2000)
        yield f"Who was number {index}?", " ".join(generator.choices(WORDS, k=words))


def main() -> int:
    """Run, and say whether the memory is flat."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=100_000)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    reader = Reader(arguments.model, runtime_config=RuntimeConfig(cache_dir=None))
    measured: list[float] = []
    began = time.perf_counter()
    stream = reader.stream(pairs(arguments.questions, arguments.seed))
    for done, _ in enumerate(stream, start=1):
        if done % (max(1, arguments.questions // 10)) == 0:
            gc.collect()
            measured.append(resident_megabytes())
            rate = done / (time.perf_counter() - began)
            print(f"{done:>9,} questions {measured[-1]:>8,.0f} MB {rate:>6.0f}/s", flush=True)
    growth = max(measured) / measured[0]
    print(f"at most {growth:.3f} of the first tenth's memory; expected {LIMIT} at most")
    return 0 if growth <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
