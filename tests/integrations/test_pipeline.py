"""`spanjet.pipeline`: construction, options, laziness, mode `global`; answers are in test_pipeline_golden."""

import copy
import pickle
import shutil
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spanjet
from spanjet import QuestionAnsweringPipeline, Reader, RuntimeConfig, WindowConfig, pipeline

GOLDEN = Path(__file__).parents[1] / "golden" / "pipeline"
CONTEXT = "The bridge was built by Clara Hansen in 1903. It is 42 metres long."
EXAMPLE = {"question": "Who built it?", "context": CONTEXT}
RUNTIME = RuntimeConfig(cache_dir=None, threads=1)


@pytest.fixture(scope="module")
def qa() -> QuestionAnsweringPipeline:
    return pipeline("question-answering", runtime_config=RUNTIME)


@pytest.fixture(scope="module")
def own() -> QuestionAnsweringPipeline:
    return pipeline("question-answering", mode="global", runtime_config=RUNTIME)


def test_bundled_model_answers(qa: QuestionAnsweringPipeline) -> None:
    result = qa(**EXAMPLE)
    assert result["answer"] == "Clara Hansen" == CONTEXT[result["start"] : result["end"]]
    assert [type(value) for value in result.values()] == [float, int, int, str]
    assert list(result) == ["score", "start", "end", "answer"]
    assert repr(qa) == f"QuestionAnsweringPipeline({str(qa.model.path)!r}, mode='hf')"
    assert (qa.task, qa.device) == ("question-answering", "cpu")
    assert qa.tokenizer.vocab_size == 30527


def test_impossible_answers_are_ranked_by_their_score(qa: QuestionAnsweringPipeline) -> None:
    """The threshold of the model's card has no say."""
    unanswerable = {"question": "Who is the president of France?", "context": CONTEXT}
    assert qa(unanswerable)["answer"] != ""
    null = qa(unanswerable, handle_impossible_answer=True)
    assert (null["answer"], null["start"], null["end"]) == ("", 0, 0)
    assert null["score"] > 0.5
    ranked = qa(EXAMPLE, handle_impossible_answer=True, top_k=200)
    assert [answer["answer"] for answer in ranked].index("") > 0
    scores = [answer["score"] for answer in ranked]
    assert scores == sorted(scores, reverse=True)


def test_options_of_the_constructor_hold_for_all_calls_and_a_call_may_change_them() -> None:
    qa = pipeline("question-answering", top_k=3, handle_impossible_answer=True, runtime_config=RUNTIME)
    assert len(qa(EXAMPLE)) == 3
    assert len(qa(EXAMPLE, top_k=2)) == 2
    assert len(qa(EXAMPLE)) == 3
    assert isinstance(qa(EXAMPLE, topk=1), dict)
    wrong: list[dict[str, Any]] = [
        {"top_k": 0},
        {"max_answer_len": 0},
        {"max_seq_len": 16, "doc_stride": 17},
    ]
    for options in wrong:
        with pytest.raises(ValueError, match=next(reversed(options))):
            pipeline("question-answering", **options)


def test_errors_are_in_the_terms_of_the_call(qa: QuestionAnsweringPipeline) -> None:
    with pytest.raises(ValueError, match=r"^max_seq_len is 3; expected an integer of at least 5$"):
        qa(EXAMPLE, max_seq_len=3, doc_stride=0)
    with pytest.raises(ValueError, match=r"^doc_stride is 18; expected less than 16"):
        qa(EXAMPLE, max_seq_len=20, doc_stride=18)
    with pytest.raises(ValueError, match="2 questions and 1 contexts; expected as many of both"):
        qa(question=["a", "b"], context=["c"])
    with pytest.raises(KeyError, match="no 'context': expected question and context"):
        qa({"question": "Who?"})
    with pytest.raises(ValueError, match="context is empty"):
        qa(question="Who?", context="")
    with pytest.raises(ValueError, match="question is None"):
        qa({"question": None, "context": "c"})
    with pytest.raises(TypeError, match=r"questions\[1\] is of type int"):
        qa([EXAMPLE, {"question": 3, "context": "c"}])


def test_tasks_and_models_are_checked() -> None:
    with pytest.raises(KeyError, match="unknown task 'summarization'; expected 'question-answering'"):
        pipeline("summarization")
    with pytest.raises(RuntimeError, match="the task 'question-answering' or a model"):
        pipeline()
    with pytest.raises(ValueError, match="mode is 'squad'; expected 'hf' or 'global'"):
        pipeline("question-answering", mode="squad")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"found types\.SimpleNamespace; give the directory"):
        pipeline("question-answering", model=types.SimpleNamespace())
    with pytest.raises(TypeError, match="tokenizer: expected a directory, a file or a hub id, found int"):
        pipeline("question-answering", tokenizer=3)
    with pytest.raises(FileNotFoundError):
        pipeline("question-answering", tokenizer=GOLDEN)


def test_a_model_is_found_by_its_directory_model_or_reader(qa: QuestionAnsweringPipeline) -> None:
    reader = Reader(GOLDEN / "bert", runtime_config=RUNTIME)
    by_path = pipeline(model=str(GOLDEN / "bert"), runtime_config=RUNTIME)
    expected = by_path(EXAMPLE, top_k=3)
    assert QuestionAnsweringPipeline(reader.model, runtime_config=RUNTIME)(EXAMPLE, top_k=3) == expected
    of_reader = QuestionAnsweringPipeline(reader)
    assert of_reader(EXAMPLE, top_k=3) == expected
    assert of_reader.reader.runtime_config.threads == 1
    assert qa(EXAMPLE, top_k=3) != expected


def test_the_models_own_tokenizer_may_be_named() -> None:
    path = str(GOLDEN / "bert")
    qa = pipeline(model=path, tokenizer=path, runtime_config=RUNTIME)
    assert pickle.loads(pickle.dumps(qa.reader)).ask("Who?", CONTEXT) == qa.reader.ask("Who?", CONTEXT)  # noqa: S301  (our own)


@pytest.mark.parametrize("kind", ["directory", "file", "object"])
def test_another_tokenizer_is_used(kind: str, tmp_path: Path) -> None:
    """Here one that keeps capital letters, which the vocabulary does not have."""
    shutil.copytree(GOLDEN / "bert", tmp_path / "cased")
    file = tmp_path / "cased" / "tokenizer.json"
    file.write_text(
        file.read_text()
        .replace('"lowercase":true', '"lowercase":false')
        .replace('"lowercase": true', '"lowercase": false')
    )
    tokenizer: Any = {
        "directory": str(tmp_path / "cased"),
        "file": file,
        "object": types.SimpleNamespace(name_or_path=str(tmp_path / "cased")),
    }[kind]
    qa = pipeline(model=GOLDEN / "bert", tokenizer=tokenizer, runtime_config=RUNTIME)
    assert (
        qa.tokenizer.encode("The").ids.tolist()
        != Reader(GOLDEN / "bert").tokenizer.encode("The").ids.tolist()
    )


def test_a_window_is_no_longer_than_the_models_positions(qa: QuestionAnsweringPipeline) -> None:
    """There transformers fails on a longer text."""
    pair = {"question": "Who built it?", "context": " ".join([CONTEXT] * 40)}
    assert qa(pair, max_seq_len=1024) == qa(pair, max_seq_len=512) != qa(pair)


def test_a_smaller_limit_of_the_tokenizer_is_followed(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "bert", tmp_path / "short")
    settings = tmp_path / "short" / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"model_max_length": 384', '"model_max_length": 64'))
    short = pipeline(model=tmp_path / "short", runtime_config=RUNTIME)
    whole = pipeline(model=GOLDEN / "bert", runtime_config=RUNTIME)
    pair = {"question": "Who?", "context": " ".join([CONTEXT] * 3)}
    assert short(pair, top_k=4) == whole(pair, top_k=4, max_seq_len=64) != whole(pair, top_k=4)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"device": 0}, "device=0"),
        ({"framework": "pt", "device": "cuda:1"}, "framework='pt', device='cuda:1'"),
        ({"torch_dtype": "float64"}, "torch_dtype='float64'"),
        ({"model_kwargs": {"a": 1}, "use_fast": True}, "model_kwargs={'a': 1}, use_fast=True"),
    ],
)
def test_what_means_nothing_here_is_ignored_with_one_warning(options: dict[str, Any], found: str) -> None:
    with pytest.warns(UserWarning, match="ignored, since spanjet runs on the CPU without torch: ") as caught:
        pipeline("question-answering", **options)
    (warning,) = caught
    assert str(warning.message).endswith(found)
    assert warning.filename == __file__


@pytest.mark.parametrize("device", [None, -1, "cpu"])
def test_the_cpu_is_no_surprise(device: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline("question-answering", device=device, unknown=3)


class Float32:
    """As torch's own."""

    def __str__(self) -> str:
        return "torch.float32"


@pytest.mark.parametrize(
    ("dtype", "precision"), [("float32", "f32"), (Float32(), "f32"), ("bfloat16", "bf16"), ("auto", None)]
)
@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_a_dtype_is_a_precision(name: str, dtype: Any, precision: str | None) -> None:
    qa = pipeline(model=GOLDEN / "bert", **{name: dtype})
    assert qa.reader.runtime_config.precision == precision


def examples(count: int, read: list[int]) -> Iterator[dict[str, str]]:
    """Examples, each noted when it is read."""
    for index in range(count):
        read.append(index)
        yield {"question": f"Who built it {index}?", "context": CONTEXT}


@pytest.mark.parametrize(("batch_size", "most"), [(None, 1), (1, 1), (3, 6)])
def test_a_generator_is_read_on_demand(
    qa: QuestionAnsweringPipeline, batch_size: int | None, most: int
) -> None:
    read: list[int] = []
    results = qa(examples(20, read), batch_size=batch_size)
    assert read == []
    found = [next(results)]
    assert 1 <= len(read) <= most
    found += results
    assert found == [qa(example) for example in examples(20, [])]


def test_the_constructor_takes_a_batch_size() -> None:
    qa = pipeline("question-answering", batch_size=4, runtime_config=RUNTIME)
    read: list[int] = []
    next(qa(examples(20, read)))
    assert 4 <= len(read) <= 8


def test_an_error_of_a_generator_comes_after_the_answers_before_it(qa: QuestionAnsweringPipeline) -> None:
    results = qa(each for each in [EXAMPLE, {"question": "Who?"}])
    assert next(results)["answer"] == "Clara Hansen"
    with pytest.raises(KeyError, match="no 'context'"):
        next(results)


def test_a_data_set_is_read_by_index(qa: QuestionAnsweringPipeline) -> None:
    class DataSet:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> dict[str, str]:
            return [EXAMPLE, {"question": "How long?", "context": CONTEXT}][index]

    # An object with items by index is an iterable of Python only where it raises IndexError.
    assert [result["answer"] for result in qa(DataSet())] == ["Clara Hansen", "42 metres"]


def test_examples_of_other_kinds(qa: QuestionAnsweringPipeline) -> None:
    squad_example = types.SimpleNamespace(question_text=EXAMPLE["question"], context_text=CONTEXT)
    expected = qa(EXAMPLE)
    assert qa([squad_example]) == qa(squad_example) == expected
    assert qa(types.MappingProxyType(EXAMPLE)) == expected
    assert qa({**EXAMPLE, "id": 3, "title": "Bridge"}) == expected


def test_a_long_list_is_streamed(qa: QuestionAnsweringPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    given = list(examples(12, []))
    expected = qa(given, top_k=2)
    monkeypatch.setattr("spanjet.integrations.transformers.pipeline.AT_ONCE", 5)
    assert qa(given, top_k=2) == expected


def test_special_tokens_typed_in_a_text_are_special_as_in_transformers(
    qa: QuestionAnsweringPipeline, own: QuestionAnsweringPipeline
) -> None:
    assert qa.tokenizer.encode("</s>").ids.tolist() == [2]
    assert len(own.tokenizer.encode("</s>")) > 1


def test_global_mode_gives_the_readers_answers(own: QuestionAnsweringPipeline) -> None:
    reader = Reader(runtime_config=RUNTIME, threshold=None)
    result = own(EXAMPLE, top_k=3)
    answers = reader.ask(EXAMPLE["question"], CONTEXT, top_k=3)
    assert [(a["answer"], a["start"], a["score"]) for a in result] == [
        (answer.text, answer.start, answer.score) for answer in answers
    ]
    unanswerable = {"question": "Who is the president of France?", "context": CONTEXT}
    assert own(unanswerable)["answer"] != ""
    null = own(unanswerable, handle_impossible_answer=True)
    assert null["answer"] == ""
    assert null["score"] == reader.ask(unanswerable["question"], CONTEXT).no_answer
    assert [len(each["answer"].split()) for each in own(EXAMPLE, top_k=4, max_answer_len=1)] == [1] * 4
    assert own(question=" ", context=" ")["answer"] == ""


def test_global_mode_takes_the_options_of_windows(own: QuestionAnsweringPipeline) -> None:
    text = " ".join([CONTEXT] * 10)
    pair = {"question": "Who built it?", "context": text}
    config = WindowConfig(max_length=64, doc_stride=32, convention="overlap")
    reader = Reader(runtime_config=RUNTIME, threshold=None, window_config=config)
    expected = reader.ask(pair["question"], text)
    found = own(pair, max_seq_len=64)
    assert (found["start"], found["score"]) == (expected.start, expected.score)
    with pytest.warns(spanjet.QuestionCut, match="has 4 tokens and is cut to 2"):
        own(EXAMPLE, max_question_len=2)


def test_large_logits_have_probabilities() -> None:
    tokenizer = spanjet.Tokenizer(GOLDEN / "bert" / "tokenizer.json")
    windows = tokenizer.windows(["who?"], [CONTEXT])
    logits = np.random.default_rng(0).normal(0, 1e6, (2, len(windows.ids))).astype(np.float32)
    spans = spanjet.decode_spans(windows, *logits, mode="hf", top_k=3, handle_impossible_answer=True)
    assert np.isfinite(spans.score).all()
    assert ((spans.score >= 0) & (spans.score <= 1)).all()


def test_a_pipeline_is_pickled_as_its_arguments() -> None:
    qa = pipeline(model=str(GOLDEN / "roberta"), top_k=2, runtime_config=RUNTIME, dtype="float32")
    again = pickle.loads(pickle.dumps(qa))  # noqa: S301  (our own)
    assert again(EXAMPLE) == qa(EXAMPLE)
    assert again.reader.runtime_config == qa.reader.runtime_config
    assert copy.copy(qa) is copy.deepcopy(qa) is qa
