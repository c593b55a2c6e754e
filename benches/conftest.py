"""Texts that the benches share."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from spanjet.runtime.machine import affinity

TESTS = Path(__file__).parent.parent / "tests"
# The tests' oracles serve here too.
sys.path.insert(0, str(TESTS / "support"))


@dataclass(frozen=True)
class Corpus:
    """Questions and the paragraph of each."""

    questions: list[str]
    contexts: list[str]

    @property
    def paragraphs(self) -> list[str]:
        """The distinct paragraphs."""
        return list(dict.fromkeys(self.contexts))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--squad",
        type=Path,
        default=TESTS / "data" / "squad" / "v1.1.json",
        help="SQuAD file whose texts are used (default: the committed excerpt)",
    )


@pytest.fixture(scope="session")
def corpus(pytestconfig: pytest.Config) -> Corpus:
    path: Path = pytestconfig.getoption("--squad")
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    pairs = [
        (entry["question"], paragraph["context"]) for paragraph in paragraphs for entry in paragraph["qas"]
    ]
    if not pairs:
        raise ValueError(f"{path}: no questions")
    return Corpus([question for question, _ in pairs], [context for _, context in pairs])


@pytest.fixture(params=[1, None], ids=["1-thread", "all-threads"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Threads of both sides: one, or as many as the process may use."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false" if request.param == 1 else "true")
    return request.param or len(affinity())
