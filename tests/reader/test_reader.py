"""The reader: answers equal to a table's, whatever the batches, threads and processes."""

import asyncio
import random
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from spanjet import (
    Answer,
    DecodeConfig,
    Document,
    Reader,
    RuntimeConfig,
    Spans,
    Tokenizer,
    WindowConfig,
    decode_spans,
)
from spanjet.model import Model
from spanjet.reader.warnings import QuestionCut, Uncalibrated

WINDOWS = WindowConfig(max_length=48, doc_stride=16)
TEXT = "The engineer built a tower in Paris, near the river."


def random_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Questions and contexts of a few words to several windows; some contexts occur twice."""
    generator = random.Random(seed)
    pairs = []
    for _ in range(count):
        context = toy_model.random_text(generator, generator.choice([1, 5, 20, 60, 150]))
        pairs += [(toy_model.random_text(generator, 4), context)] * generator.choice([1, 1, 2])
    return pairs


def expected_spans(toy: Model, pairs: list[tuple[str, str]], top_k: int) -> Spans:
    """The spans without batches and without a model: logits straight from the tables."""
    windows = Tokenizer(toy.tokenizer, match_special_tokens=False).windows(
        [question for question, _ in pairs],
        [context for _, context in pairs],
        **WINDOWS.arguments(),
    )
    return decode_spans(windows, toy_model.START[windows.ids], toy_model.END[windows.ids], top_k=top_k)


@pytest.mark.parametrize("top_k", [1, 4])
def test_answers_are_those_of_the_tables(reader: Reader, toy: Model, top_k: int) -> None:
    pairs = random_pairs(60, seed=top_k)
    questions, contexts = zip(*pairs, strict=True)
    found = reader.ask_many(questions, contexts, top_k=top_k)
    spans = expected_spans(toy, pairs, top_k)
    assert [len(answers) for answers in found] == np.diff(spans.indptr).tolist()
    rows = [answer for answers in found for answer in answers]
    for name in ("start", "end", "byte_start", "byte_end", "score", "logit", "null_logit"):
        assert [getattr(answer, name) for answer in rows] == getattr(spans, name).tolist()
    assert [answers[0].no_answer for answers in found] == spans.no_answer.tolist()


def test_the_span_is_the_text(reader: Reader) -> None:
    contexts = [f"😀 {toy_model.random_text(random.Random(seed), 30)} é한 {seed} 東京" for seed in range(20)]
    for context, answers in zip(contexts, reader.ask_many(["who?"] * 20, contexts, top_k=5), strict=True):
        assert len(answers) == 5
        for answer in answers:
            assert context[answer.start : answer.end] == answer.text != ""
            assert context.encode()[answer.byte_start : answer.byte_end].decode() == answer.text
            assert 0 <= answer.score <= 1 - answer.no_answer + 1e-6
        assert [answer.score for answer in answers] == sorted((a.score for a in answers), reverse=True)


def test_ask_is_the_best_of_many(reader: Reader) -> None:
    answer = reader.ask("who built it?", TEXT)
    assert answer == reader.ask_many(["who built it?"], [TEXT], top_k=3)[0][0]
    assert not answer.is_null


@pytest.mark.parametrize(
    "runtime",
    [
        RuntimeConfig(precision="f32", cache_dir=None, batch_tokens=1),
        RuntimeConfig(precision="f32", cache_dir=None, batch_tokens=100_000),
        RuntimeConfig(precision="f32", cache_dir=None, static_lengths=True),
        RuntimeConfig(precision="f32", cache_dir=None, pinning=False, hyper_threading=True),
        RuntimeConfig(precision="f32", cache_dir=None, threads=1, streams=1),
        RuntimeConfig(precision="f32", cache_dir=None, threads=2, streams=2),
    ],
)
def test_the_runtime_does_not_change_answers(reader: Reader, toy: Model, runtime: RuntimeConfig) -> None:
    questions, contexts = zip(*random_pairs(40, seed=5), strict=True)
    other = Reader(toy, window_config=WINDOWS, runtime_config=runtime)
    assert other.ask_many(questions, contexts, top_k=2) == reader.ask_many(questions, contexts, top_k=2)


def test_a_reader_s_own_batches(reader: Reader) -> None:
    """What `engine` makes of the batches of `plan` are the logits that become the answers."""
    questions, contexts = zip(*random_pairs(30, seed=8), strict=True)
    windows = reader.windows(questions, contexts)
    planned = reader.batches(windows)
    start, end = np.empty((2, len(windows.ids)), np.float32)
    batches = (windows.batch(rows, length=length) for rows, length in planned)
    for (rows, _), logits in zip(planned, reader.engine.run(batches), strict=True):
        windows.scatter(rows, logits.start, start)
        windows.scatter(rows, logits.end, end)
    spans = decode_spans(windows, start, end)
    found = reader.ask_many(questions, contexts)
    assert [answer.score for (answer,) in found] == spans.score.tolist()


def test_the_model_s_last_position_is_used(toy: Model, exact: RuntimeConfig) -> None:
    """77 positions are not a multiple of 16; rounding up must stop there."""
    model = replace(toy, model=toy_model.build(positions=77), max_length=77)
    reader = Reader(model, window_config=WindowConfig(max_length=77, doc_stride=16), runtime_config=exact)
    context = toy_model.random_text(random.Random(0), 200)
    assert reader.ask("who", context).text in context


def test_one_context_for_all_questions(reader: Reader) -> None:
    questions = ["who?", "when?", "who?"]
    expected = reader.ask_many(questions, [TEXT] * 3)
    assert reader.ask_many(questions, TEXT) == expected
    assert reader.ask_many(questions, reader.prepare(TEXT)) == expected
    assert reader.ask_many(iter(questions), (TEXT for _ in questions)) == expected  # type: ignore[arg-type]


def test_documents(reader: Reader) -> None:
    document = reader.prepare(TEXT)
    assert isinstance(document, Document)
    assert document.text == TEXT
    assert len(document) == len(reader.tokenizer.encode(TEXT))
    assert repr(document) == f"Document('The engineer built a tower in Paris, ne…', {len(document)} tokens)"
    assert reader.ask("who?", document) == reader.ask("who?", TEXT)
    mixed = reader.ask_many(["who?", "when?"], [document, "paris"])
    assert mixed == [[reader.ask("who?", TEXT)], [reader.ask("when?", "paris")]]


def test_documents_are_sealed(reader: Reader) -> None:
    with pytest.raises(TypeError, match="encoding: expected Encoding, found str"):
        Document(TEXT)  # type: ignore[arg-type]
    document = reader.prepare(TEXT)
    assert Document(document.encoding).text == TEXT
    for name in ("text", "encoding", "more"):
        with pytest.raises(AttributeError):
            setattr(document, name, "paris")


def test_ask_lists_answers(reader: Reader) -> None:
    found = reader.ask("who built it?", TEXT, top_k=3)
    assert found == reader.ask_many(["who built it?"], [TEXT], top_k=3)[0]
    assert len(found) == 3
    assert reader.ask("who built it?", TEXT, top_k=1) == found[:1] == [reader.ask("who built it?", TEXT)]
    assert reader.ask("who built it?", TEXT, top_k=2, threshold=1.0)[0].is_null
    with pytest.raises(ValueError, match="top_k is 0; expected an integer from 1"):
        reader.ask("who built it?", TEXT, top_k=0)


def test_warnings_name_the_line_of_the_caller(toy: Model, exact: RuntimeConfig) -> None:
    cutting = replace(WINDOWS, max_question_length=5)
    reader = Reader(toy, window_config=cutting, runtime_config=exact)
    for call in (
        lambda: reader.ask("who? who? who?", TEXT),
        lambda: reader.search("who? who? who?", [TEXT]),
        lambda: [*reader.stream([("who? who? who?", TEXT)])],
    ):
        with pytest.warns(QuestionCut) as caught:
            call()
        assert {each.filename for each in caught} == {__file__}


def test_readers_print_what_they_are(reader: Reader) -> None:
    assert repr(reader) == f"Reader({str(reader.model.path)!r}, threshold=None)"


def test_no_questions(reader: Reader) -> None:
    assert reader.ask_many([], []) == []
    assert list(reader.stream([])) == []


def test_special_tokens_are_text_unless_asked_for(toy: Model, exact: RuntimeConfig, reader: Reader) -> None:
    assert len(reader.prepare("[SEP]")) == 5
    matching = Reader(toy, window_config=WINDOWS, runtime_config=exact, match_special_tokens=True)
    assert len(matching.prepare("[SEP]")) == 1


def test_null_answer(toy: Model, exact: RuntimeConfig) -> None:
    with Reader(toy, window_config=WINDOWS, runtime_config=exact, threshold=0.5) as reader:
        check_null_answer(reader)


def check_null_answer(reader: Reader) -> None:
    question = f"{toy_model.UNANSWERABLE} who?"
    null, best = reader.ask_many([question], TEXT, top_k=2)[0]
    assert null.is_null
    assert (null.text, null.start, null.end, null.byte_start, null.byte_end) == ("", 0, 0, 0, 0)
    assert null.score == null.no_answer == best.no_answer > 0.99
    assert null.logit == null.null_logit == best.null_logit == 90
    assert not best.is_null
    assert not reader.ask("who?", TEXT).is_null
    # Each call may have its own threshold.
    assert reader.ask(question, TEXT, threshold=None) == best
    assert reader.ask("who?", TEXT, threshold=1.0).is_null
    assert next(reader.stream([(question, TEXT)], threshold=None)) == [best]
    assert asyncio.run(reader.ask_async(question, TEXT, threshold=None)) == best
    assert asyncio.run(reader.ask_async(question, TEXT)) == null


@pytest.mark.parametrize(
    ("card", "given", "expected"),
    [
        (None, "model", None),
        ({}, "model", None),
        ({"calibration": {"slope": 0.5}}, "model", None),
        ({"calibration": {"threshold": 0.25}}, "model", 0.25),
        ({"calibration": {"threshold": 0.25}}, 0.75, 0.75),
        ({"calibration": {"threshold": 0.25}}, None, None),
    ],
)
def test_thresholds(
    toy: Model, exact: RuntimeConfig, card: dict[str, Any] | None, given: Any, expected: float | None
) -> None:
    reader = Reader(replace(toy, card=card), window_config=WINDOWS, runtime_config=exact, threshold=given)
    assert reader.threshold == expected
    assert reader.calibration.slope == ((card or {}).get("calibration") or {}).get("slope", 1.0)


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.int64(1), 1])
def test_numbers_of_numpy_are_numbers(reader: Reader, number: Any) -> None:
    expected = reader.ask_many(["who?"], TEXT, top_k=2, threshold=float(number))
    assert reader.ask_many(["who?"], TEXT, top_k=np.int64(2), threshold=number) == expected


@pytest.mark.parametrize(
    ("top_k", "error"),
    [(0, ValueError), (2**70, ValueError), (True, TypeError), (1.0, TypeError), ("2", TypeError)],
)
def test_refused_top_k(reader: Reader, top_k: Any, error: type[Exception]) -> None:
    for call in (
        lambda: reader.ask_many(["who?"], TEXT, top_k=top_k),
        lambda: reader.stream([], top_k=top_k),
        lambda: reader.search("who?", [TEXT], top_k=top_k),
        lambda: asyncio.run(reader.ask_async("who?", TEXT, top_k=top_k)),
    ):
        with pytest.raises(error, match=r"top_k is .*; expected an integer from 1 to 2147483647"):
            call()
    with pytest.raises(ValueError, match=r"n_best is .*; expected an integer of at most"):
        DecodeConfig(n_best=2**70)


def test_a_reader_has_no_reader_to_take_the_threshold_of(toy: Model) -> None:
    with pytest.raises(ValueError, match="threshold is 'reader'; expected 'model', a probability"):
        Reader(toy, window_config=WINDOWS, threshold="reader")


def test_calibration_changes_scores(toy: Model, exact: RuntimeConfig, reader: Reader) -> None:
    values = {"slope": 0.01, "intercept": -1.0, "temperature": 50.0, "sentence_margin": 3.0, "ece": 0.02}
    card = {"calibration": values}
    other = Reader(replace(toy, card=card), window_config=WINDOWS, runtime_config=exact)
    answer, plain = (each.ask("who built it?", TEXT) for each in (other, reader))
    assert answer.score < plain.score
    assert answer.no_answer > plain.no_answer


@pytest.mark.parametrize(
    ("calibration", "message"),
    [(3, "expected|iterable|subscriptable"), ({"slope": "x"}, "slope"), ({"threshold": 7}, "threshold is 7")],
)
def test_damaged_calibrations(toy: Model, exact: RuntimeConfig, calibration: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf'card\.json: "calibration"( is|:) .*{message}'):
        Reader(replace(toy, card={"calibration": calibration}), window_config=WINDOWS, runtime_config=exact)


@pytest.mark.parametrize(
    ("threshold", "error"), [("card", ValueError), (1.5, ValueError), (True, TypeError), ([0.5], TypeError)]
)
def test_refused_thresholds(reader: Reader, toy: Model, threshold: Any, error: type[Exception]) -> None:
    for call in (
        lambda: Reader(toy, window_config=WINDOWS, threshold=threshold),
        lambda: reader.ask("who?", TEXT, threshold=threshold),
        lambda: reader.ask_many(["who?"], TEXT, threshold=threshold),
        lambda: reader.stream([], threshold=threshold),
        lambda: asyncio.run(reader.ask_async("who?", TEXT, threshold=threshold)),
    ):
        with pytest.raises(error, match=r"threshold is .*expected"):
            call()


@pytest.mark.filterwarnings("default:the model .* is not calibrated")
def test_a_model_without_calibration_says_so_once(toy: Model, exact: RuntimeConfig) -> None:
    def uses(reader: Reader) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            reader.ask("who?", TEXT)
            reader.ask("who?", TEXT, threshold=None)
            plain = len(caught)
            reader.ask("who?", TEXT, threshold=0.5)
            reader.search("who?", [TEXT])
            reader.ask("who?", TEXT, threshold=0.25)
        assert not plain
        return [str(each.message) for each in caught]

    (message,) = uses(Reader(toy, window_config=WINDOWS, runtime_config=exact))
    assert "is not calibrated" in message
    assert "a threshold of 0.5 is compared with one" in message
    card = {"calibration": {"slope": 1.0}}
    assert uses(Reader(replace(toy, card=card), window_config=WINDOWS, runtime_config=exact)) == []
    with pytest.warns(Uncalibrated, match="search compares passages by them"):
        Reader(toy, window_config=WINDOWS, runtime_config=exact).search("who?", [TEXT])


def test_a_question_that_is_cut_gives_a_warning(toy: Model, exact: RuntimeConfig) -> None:
    windows = WindowConfig(max_length=48, doc_stride=16, max_question_length=4)
    reader = Reader(toy, window_config=windows, runtime_config=exact)
    question = " ".join(toy_model.WORDS[:6])
    with pytest.warns(QuestionCut, match="has 6 tokens and is cut to 4, the max_question_length"):
        cut = reader.ask(question, TEXT)
    assert cut == reader.ask(" ".join(toy_model.WORDS[:4]), TEXT)
    whole = replace(windows, max_question_length=None)
    Reader(toy, window_config=whole, runtime_config=exact).ask(question, TEXT)  # warnings are errors


def test_squad_mode_may_find_no_span(toy: Model, exact: RuntimeConfig) -> None:
    """The best start comes after the best end, and there is no second of either."""
    reader = Reader(
        toy, window_config=WINDOWS, runtime_config=exact, decode_config=DecodeConfig(mode="squad", n_best=1)
    )
    start, end = toy_model.START, toy_model.END
    first, second, question = next(
        words
        for words in permutations(toy_model.WORDS, 3)
        for a, b, q in [map(toy_model.VOCABULARY.index, words)]
        if start[b] > max(start[a], start[q]) and end[a] > max(end[b], end[q])
    )
    answer = reader.ask(question, f"{first} {second}")
    assert answer.is_null
    assert answer.text == ""
    assert answer.score == answer.no_answer == 1
    assert answer.logit == answer.null_logit == -10


def test_decode_settings(toy: Model, exact: RuntimeConfig) -> None:
    single = DecodeConfig(max_answer_length=1, align_to_words=False)
    reader = Reader(toy, window_config=WINDOWS, runtime_config=exact, decode_config=single)
    assert all(
        len(reader.prepare(answer.text)) == 1 for answer in reader.ask_many(["who?"], TEXT, top_k=5)[0]
    )
    squad = Reader(
        toy, window_config=WINDOWS, runtime_config=exact, decode_config=DecodeConfig(mode="squad", n_best=2)
    )
    assert squad.ask("who?", TEXT).text in TEXT
    with pytest.raises(ValueError, match="n_best is 2, expected at least the top_k of 3"):
        squad.ask_many(["who?"], TEXT, top_k=3)


def test_configs_are_shown(toy: Model, exact: RuntimeConfig) -> None:
    reader = Reader(toy, window_config=WINDOWS, decode_config=DecodeConfig(n_best=3), runtime_config=exact)
    assert (reader.window_config, reader.decode_config) == (WINDOWS, DecodeConfig(n_best=3))
    assert reader.runtime_config == exact.completed()
    assert reader.model is toy


def test_answers_are_values(reader: Reader) -> None:
    answer = reader.ask("who?", TEXT)
    with pytest.raises(FrozenInstanceError):
        answer.text = ""  # type: ignore[misc]
    assert Answer(**answer.as_dict()) == answer


@pytest.mark.parametrize(
    ("questions", "contexts", "error", "message"),
    [
        (["a", ""], [TEXT, TEXT], ValueError, "question 1 is empty"),
        (["a", "\u200b"], [TEXT, TEXT], ValueError, "question 1 is empty"),
        (["a", "b"], [TEXT, " "], ValueError, "context 1 is empty"),
        (["a", "b\ud800"], [TEXT, TEXT], ValueError, r"questions\[1\] holds a lone surrogate"),
        (["a", "b"], [TEXT, "\udfff"], ValueError, r"contexts\[1\] holds a lone surrogate"),
        (["a"], [TEXT, TEXT], ValueError, "1 questions but 2 contexts"),
        (["a", 3], [TEXT, TEXT], TypeError, r"questions\[1\] is of type int"),
        (["a", "b"], [TEXT, None], TypeError, r"contexts\[1\] is of type NoneType"),
        ("abc", TEXT, TypeError, "questions: expected a sequence of texts, found str"),
        (None, TEXT, TypeError, "questions: expected a sequence of texts, found NoneType"),
        (["a"], b"abc", TypeError, "contexts: expected a sequence of texts, found bytes"),
        (["a"], 3, TypeError, "contexts: expected a sequence of texts, found int"),
    ],
)
def test_bad_texts(
    reader: Reader, questions: Any, contexts: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        reader.ask_many(questions, contexts)


@pytest.mark.parametrize(("top_k", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError)])
def test_bad_top_k(reader: Reader, top_k: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="top_k"):
        reader.ask_many(["who?"], TEXT, top_k=top_k)
    with pytest.raises(error, match="top_k"):
        list(reader.stream([("who?", TEXT)], top_k=top_k))


def test_bad_single_texts(reader: Reader) -> None:
    with pytest.raises(TypeError, match="question: expected str, found int"):
        reader.ask(3, TEXT)  # type: ignore[call-overload]
    for context in (None, 3, b"abc", [TEXT]):
        with pytest.raises(TypeError, match=r"^context is of type "):
            reader.ask("who?", context)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="text: expected str, found bytes"):
        reader.prepare(b"abc")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="question is empty"):
        reader.ask("", TEXT)
    with pytest.raises(ValueError, match="context is empty"):
        reader.ask("who?", reader.prepare(""))


def test_a_document_of_another_tokenizer(reader: Reader, toy: Model, exact: RuntimeConfig) -> None:
    other = Reader(toy, window_config=WINDOWS, runtime_config=exact, match_special_tokens=True)
    with pytest.raises(ValueError, match="context was encoded by another tokenizer"):
        reader.ask("who?", other.prepare(TEXT))


def test_no_room_for_the_context(toy: Model, exact: RuntimeConfig) -> None:
    reader = Reader(
        toy, window_config=WindowConfig(max_length=20, max_question_length=None), runtime_config=exact
    )
    with pytest.raises(ValueError, match="question leaves no room: max_length 20"):
        reader.ask("who " * 17, TEXT)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers(
    toy: Model, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    table = toy_model.END.copy()
    table[toy_model.VOCABULARY.index("paris")] = value
    monkeypatch.setattr(toy_model, "END", table)
    reader = Reader(replace(toy, model=toy_model.build()), window_config=WINDOWS, runtime_config=exact)
    assert reader.ask("who?", "the tower")
    with pytest.raises(ValueError, match=r"end.logits of window 0 at position \d+ is (NaN|inf)"):
        reader.ask("who?", TEXT)


def test_windows_longer_than_the_model(toy: Model) -> None:
    with pytest.raises(
        ValueError, match=r"max_length is 384; expected at most 80, the positions of the model"
    ):
        Reader(toy, window_config=WindowConfig())


def test_default_windows_fit_the_model(toy: Model, exact: RuntimeConfig) -> None:
    reader = Reader(toy, runtime_config=exact)
    assert reader.window_config == WindowConfig(max_length=80)
    assert reader.ask("who?", "the tower " * 60).text


def test_more_ids_than_the_model(toy: Model) -> None:
    with pytest.raises(
        ValueError, match=rf"vocab.txt: {len(toy_model.VOCABULARY)} ids; expected at most 100"
    ):
        Reader(replace(toy, vocab_size=100), window_config=WINDOWS)


@pytest.mark.parametrize("name", ["window_config", "decode_config", "runtime_config"])
def test_bad_settings(toy: Model, name: str) -> None:
    settings: dict[str, Any] = {name: {"max_length": 48}}
    with pytest.raises(TypeError, match=f"{name}: expected .*Config, found dict"):
        Reader(toy, **settings)


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Reader(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (("who?", ""), ValueError, "pair 5: context is empty"),
        (("who?", 3), TypeError, "pair 5: context is of type int"),
        (("who?", "\ud800"), ValueError, "pair 5: context holds a lone surrogate"),
        (("who?",), TypeError, r"pair 5: expected \(question, context\), found \('who\?',\)"),
        ("ab", TypeError, r"pair 5: expected \(question, context\), found 'ab'"),
        (None, TypeError, r"pair 5: expected \(question, context\), found None"),
    ],
)
@pytest.mark.parametrize("look_ahead", [1, 3, 4, 100])
def test_stream_names_the_bad_pair(
    reader: Reader, look_ahead: int, bad: Any, error: type[Exception], message: str
) -> None:
    stream = reader.stream([("who?", TEXT)] * 5 + [bad] + [("who?", TEXT)], look_ahead=look_ahead)
    assert [next(stream) for _ in range(5)] == [[reader.ask("who?", TEXT)]] * 5
    with pytest.raises(error, match=message):
        next(stream)


def test_stream_checks_at_once(reader: Reader) -> None:
    with pytest.raises(ValueError, match="look_ahead is 0"):
        reader.stream([], look_ahead=0)
    with pytest.raises(TypeError, match=r"look_ahead is 1\.5; expected an integer"):
        reader.stream([], look_ahead=1.5)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="pairs: expected an iterable of pairs, found int"):
        reader.stream(3)  # type: ignore[call-overload]


def test_threads_share_a_reader(reader: Reader) -> None:
    jobs = [random_pairs(20, seed) for seed in range(8)]

    def run(pairs: list[tuple[str, str]]) -> list[list[Answer]]:
        questions, contexts = zip(*pairs, strict=True)
        return reader.ask_many(questions, contexts)

    serial = [run(pairs) for pairs in jobs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, jobs)) == serial
