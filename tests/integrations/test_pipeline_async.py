"""The pipeline without blocking the event loop, and what it shares with a reader."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
import toy_model
from spanjet import QuestionAnsweringPipeline, Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model

TEXT = "The engineer built a tower in Paris, near the river."
EXAMPLE = {"question": "who?", "context": TEXT}


@pytest.fixture(scope="module")
def shared(toy: Model, exact: RuntimeConfig) -> Reader:
    return Reader(toy, window_config=WindowConfig(max_length=48, doc_stride=16), runtime_config=exact)


@pytest.fixture(scope="module", params=["hf", "global"])
def qa(request: pytest.FixtureRequest, shared: Reader) -> QuestionAnsweringPipeline:
    return QuestionAnsweringPipeline(shared, mode=request.param)


def test_a_reader_shares_its_engine(qa: QuestionAnsweringPipeline, shared: Reader) -> None:
    assert qa.reader.engine is shared.engine
    assert qa.reader.batcher is shared.batcher
    assert qa._configured({"top_k": 3})[0].batcher is shared.batcher


def test_other_settings_load_another_engine(shared: Reader) -> None:
    for options in ({"dtype": "float32"}, {"runtime_config": RuntimeConfig(cache_dir=None)}):
        assert QuestionAnsweringPipeline(shared, **options).reader.engine is not shared.engine


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"top_k": 3},
        {"max_seq_len": 32, "doc_stride": 8, "max_answer_len": 4},
        {"handle_impossible_answer": True, "align_to_words": False, "top_k": 2},
    ],
)
def test_async_calls_answer_as_calls(qa: QuestionAnsweringPipeline, options: dict[str, Any]) -> None:
    generator = random.Random(3)
    texts = [toy_model.random_text(generator, words) for words in (4, 9, 30, 120)]
    examples = [{"question": "who built it?", "context": text} for text in texts]

    async def ask() -> list[Any]:
        calls = [qa.call_async(example, **options) for example in examples]
        return await asyncio.gather(*calls, qa.call_async(examples, **options))

    *single, together = asyncio.run(ask())
    assert single == [qa(example, **options) for example in examples]
    assert together == qa(examples, **options)


def test_forms_of_async_calls(qa: QuestionAnsweringPipeline) -> None:
    async def ask() -> list[Any]:
        return [await qa.call_async("who?", TEXT), await qa.call_async(question="who?", context=TEXT)]

    assert asyncio.run(ask()) == [qa(EXAMPLE)] * 2
    with pytest.raises(ValueError, match="found a generator or a data set"):
        asyncio.run(qa.call_async(example for example in [EXAMPLE]))
    with pytest.raises(KeyError, match="context"):
        asyncio.run(qa.call_async({"question": "who?"}))


def test_a_pipeline_of_a_checkpoint() -> None:
    path = Path(__file__).parents[1] / "golden" / "tiny-bert"
    config = RuntimeConfig(precision="f32", cache_dir=None)
    reader = Reader(path, runtime_config=config)
    example = {"question": "who built it?", "context": "it was built by clara [SEP] in 1903"}
    assert QuestionAnsweringPipeline(reader)(example) == QuestionAnsweringPipeline(
        path, runtime_config=config
    )(example)
