"""`spanjet.pipeline`: data sets, numbers of other types, sizes, errors that say which example."""

import gc
import sys
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spanjet import QuestionAnsweringPipeline, Reader, RuntimeConfig, pipeline

GOLDEN = Path(__file__).parents[1] / "golden" / "pipeline"
CONTEXT = "The bridge was built by Clara Hansen in 1903. It is 42 metres long."
EXAMPLES = [{"question": f"Who built it {index}?", "context": CONTEXT} for index in range(3)]
EXAMPLE = EXAMPLES[0]
RUNTIME = RuntimeConfig(cache_dir=None, threads=1)


@pytest.fixture(scope="module")
def qa() -> QuestionAnsweringPipeline:
    return pipeline(model=GOLDEN / "bert", runtime_config=RUNTIME)


class Base:
    """As the class of data sets of torch or of `datasets`."""


class Streamed(Base):
    """Examples on demand, as of `torch.utils.data.IterableDataset` or `datasets.IterableDataset`."""

    def __iter__(self) -> Iterator[dict[str, str]]:
        for _ in range(4):
            yield from EXAMPLES
        pytest.fail("read to the end")


class Indexed(Base):
    """Examples by index alone, as torch allows."""

    def __getitem__(self, index: int) -> dict[str, str]:
        return EXAMPLES[index]


class Both(Indexed):
    """Examples by index, of which there are as many."""

    def __iter__(self) -> Iterator[dict[str, str]]:
        return iter(EXAMPLES)

    def __len__(self) -> int:
        return len(EXAMPLES)


@pytest.mark.parametrize(
    ("module", "name"), [("torch.utils.data", "Dataset"), ("datasets", "IterableDataset")]
)
def test_data_sets_are_read_on_demand_and_anew_each_time(
    qa: QuestionAnsweringPipeline, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, module, types.SimpleNamespace(**{name: Base}))
    expected = qa(EXAMPLES)
    streamed = iter(qa(Streamed()))
    assert [next(streamed) for _ in range(7)] == [*expected, *expected, expected[0]]
    for data_set in (Indexed(), Both()):
        results = qa(data_set, batch_size=2)
        assert list(results) == list(results) == expected
    assert len(qa(Both())) == 3


def test_an_iterable_of_no_library_is_read_at_once(qa: QuestionAnsweringPipeline) -> None:
    assert qa(Both()) == qa(map(dict, EXAMPLES)) == qa(EXAMPLES)


def test_an_example_of_lists_has_a_list_of_results(qa: QuestionAnsweringPipeline) -> None:
    """Also of one: the last batch of a data set may be short."""
    batch = {"question": [EXAMPLE["question"]], "context": [CONTEXT]}
    assert qa(batch) == qa([batch]) == [qa(EXAMPLE)]
    assert qa({"question": [], "context": []}) == []


NUMBERS: list[dict[str, int]] = [
    {"top_k": 2},
    {"max_answer_len": 3},
    {"max_seq_len": 32, "doc_stride": 4},
]


@pytest.mark.parametrize("options", NUMBERS)
@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_integers_of_numpy_are_integers(
    qa: QuestionAnsweringPipeline, options: dict[str, int], kind: Callable[[int], Any]
) -> None:
    assert qa(EXAMPLE, **{name: kind(value) for name, value in options.items()}) == qa(EXAMPLE, **options)


@pytest.mark.parametrize("name", ["top_k", "topk", "max_answer_len", "max_seq_len", "doc_stride"])
@pytest.mark.parametrize("value", [2.5, "2", True, [2]])
def test_other_numbers_are_errors(qa: QuestionAnsweringPipeline, name: str, value: Any) -> None:
    name_there = {"topk": "top_k"}.get(name, name)
    with pytest.raises(TypeError) as caught:
        qa(EXAMPLE, **{name: value})
    assert str(caught.value) == f"{name_there} is {value!r}; expected an integer"


def test_numbers_of_mode_global_are_checked_too() -> None:
    own = pipeline(model=GOLDEN / "bert", mode="global", runtime_config=RUNTIME)
    with pytest.raises(TypeError, match=r"^max_question_len is 2\.5; expected an integer$"):
        own(EXAMPLE, max_question_len=2.5)
    assert own(EXAMPLE, max_question_len=np.int64(9)) == own(EXAMPLE)


@pytest.mark.parametrize("most", [10**9, sys.maxsize, 2**70])
def test_as_many_as_there_are(qa: QuestionAnsweringPipeline, most: int) -> None:
    short = {"question": "Who?", "context": "Clara Hansen."}
    assert qa(short, top_k=most, max_answer_len=most) == qa(short, top_k=10**4, max_answer_len=100)


@pytest.mark.parametrize(("value", "kind"), [(0, ValueError), (-1, ValueError), (2.0, TypeError)])
def test_a_batch_size_is_a_positive_integer(
    qa: QuestionAnsweringPipeline, value: Any, kind: type[Exception]
) -> None:
    for call in (
        lambda: qa(EXAMPLE, batch_size=value),
        lambda: qa((example for example in EXAMPLES), batch_size=value),
        lambda: pipeline(model=GOLDEN / "bert", batch_size=value),
    ):
        with pytest.raises(kind, match=f"batch_size is {value}; expected an integer from 1"):
            call()
    results = qa((example for example in EXAMPLES), batch_size=np.int64(2))
    assert list(results) == qa(EXAMPLES)


def test_errors_say_which_example(qa: QuestionAnsweringPipeline) -> None:
    with pytest.raises(ValueError, match=r"^example 1: question is empty; expected a text$"):
        qa([EXAMPLE, {"question": "", "context": CONTEXT}])
    with pytest.raises(KeyError, match="example 1: no 'context': expected question and context"):
        qa([EXAMPLE, {"question": "Who?"}])
    with pytest.raises(ValueError, match=r"^example 1: expected an example .* found 3$"):
        list(qa(example for example in [EXAMPLE, 3]))
    with pytest.raises(ValueError, match=r"found 'Who built it\?'$"):
        qa("Who built it?", context=CONTEXT)


def test_calls_with_thousands_of_options_from_threads(qa: QuestionAnsweringPipeline) -> None:
    """Answers do not depend on the other calls, and nothing is kept for each."""

    def ask(number: int) -> Any:
        return qa(EXAMPLE, max_answer_len=1 + number % 997, top_k=1 + number % 3)

    def readers() -> int:
        gc.collect()
        return sum(isinstance(item, Reader) for item in gc.get_objects())

    before = readers()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(2000)))
    assert readers() == before
    assert found[::97] == [ask(number) for number in range(0, 2000, 97)]
