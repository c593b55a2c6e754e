"""One question from text to answer, with the bundled model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peer
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.runtime.openvino import shared_core
from spanjet.runtime.precision import suited

from benches import example_scripts
from benches.conftest import Corpus
from benches.example_scripts import DOC_STRIDE, MAX_LENGTH, Candidate

pytestmark = pytest.mark.benchmark(group="one question, text to answer")

Ask = Callable[[str, str], Any]


@pytest.fixture(scope="module")
def reader() -> Reader:
    windows = WindowConfig(max_length=MAX_LENGTH, doc_stride=DOC_STRIDE, convention="overlap")
    return Reader(
        window_config=windows, runtime_config=RuntimeConfig(cache_dir=None), match_special_tokens=True
    )


@pytest.fixture(scope="module")
def script(reader: Reader) -> Ask:
    """The same model and engine; tokenizers, NumPy and Python around it."""
    tokenizer = peer.load(reader.model.path)
    tokenizer.enable_truncation(MAX_LENGTH, stride=DOC_STRIDE, strategy="only_second")
    tokenizer.enable_padding()
    compiled = shared_core().compile_model(suited(reader.model.model), "CPU", {"PERFORMANCE_HINT": "LATENCY"})

    def ask(question: str, context: str) -> Candidate:
        windows = example_scripts.encode_pairs(tokenizer, [question], [context])
        inputs = example_scripts.features(windows)._asdict()
        outputs = compiled({each.any_name: inputs[each.any_name] for each in compiled.inputs})
        offsets = [
            [
                place if part == 1 else None
                for place, part in zip(window.offsets, window.sequence_ids, strict=True)
            ]
            for window in windows
        ]
        logits = (list(outputs[name]) for name in ("start_logits", "end_logits"))
        return example_scripts.decode(offsets, *logits)[0]

    return ask


@pytest.fixture(scope="module")
def pair(corpus: Corpus) -> tuple[str, str]:
    return corpus.questions[0], corpus.contexts[0]


def assert_equal(reader: Reader, script: Ask, question: str, context: str) -> None:
    answer, candidate = reader.ask(question, context), script(question, context)
    assert (answer.start, answer.end) == (candidate.start, candidate.end)
    assert answer.text == context[candidate.start : candidate.end]
    # Other padding, other rounding: bfloat16 has three digits.
    assert answer.logit == pytest.approx(candidate.score, abs=0.25)


def test_spanjet(benchmark: BenchmarkFixture, reader: Reader, script: Ask, pair: tuple[str, str]) -> None:
    assert_equal(reader, script, *pair)
    assert benchmark(reader.ask, *pair).text


def test_example_script(
    benchmark: BenchmarkFixture, reader: Reader, script: Ask, pair: tuple[str, str]
) -> None:
    assert_equal(reader, script, *pair)
    assert benchmark(script, *pair).end > 0
