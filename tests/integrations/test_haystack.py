"""Answers in documents by the rules of Haystack's readers, as far as they need no Haystack."""

import itertools
import random
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from spanjet import Answer, QuestionCut, Reader, RuntimeConfig, Uncalibrated
from spanjet.integrations._extraction.config import ExtractionConfig, warn_ignored
from spanjet.integrations._extraction.find import DocumentAnswer, answer_page, find_answers, without_overlaps
from spanjet.model import Model
from tokenizers import BertWordPieceTokenizer

SHORT: dict[str, Any] = {"max_seq_length": 48, "stride": 16}
TEXT = "I want to go to the river in Maine."


@pytest.fixture(scope="module")
def calibrated(toy: Model, exact: RuntimeConfig) -> Reader:
    """A reader of the toy model whose probabilities are neither all near 0 nor all near 1."""
    calibration = {"slope": 0.4, "intercept": -8.0, "temperature": 2.0, "sentence_margin": 4.0}
    card = {"calibration": {**calibration, "threshold": 0.9}}
    settings = ExtractionConfig(**SHORT).reader_settings()
    return Reader(replace(toy, card=card), runtime_config=exact, **settings)


def random_documents(count: int, seed: int) -> list[tuple[str, str]]:
    """Ids and texts of no word to several windows; some texts occur twice."""
    generator = random.Random(seed)
    texts = [toy_model.random_text(generator, generator.choice([1, 2, 5, 20, 90])) for _ in range(count)]
    texts += generator.choices([*texts, "", " \n", "\u200b"], k=count // 2)
    generator.shuffle(texts)
    return [(f"document-{number}", text) for number, text in enumerate(texts)]


def spans(found: Sequence[DocumentAnswer]) -> list[tuple[str, int | None, int, int]]:
    return [(each.query, each.document, each.answer.start, each.answer.end) for each in found if each.answer]


def span(text: str, part: str) -> Answer:
    """A part of a text, as an answer."""
    start = text.index(part)
    end = start + len(part)
    return Answer(part, start, end, start, end, 0.5, 1.0, 0.0, 0.1)


@pytest.mark.parametrize("top_k", [1, 4, 20, 200])
@pytest.mark.parametrize("overlap_threshold", [0, 0.01])
def test_equals_a_search(calibrated: Reader, top_k: int, overlap_threshold: float) -> None:
    """By default, answers, order and probabilities are those of `Reader.search`."""
    generator = random.Random(top_k)
    documents = random_documents(30, seed=generator.randrange(100))
    queries = [toy_model.random_text(generator, 3) for _ in range(3)]
    queries[1] = f"{toy_model.UNANSWERABLE} {queries[1]}"
    config = ExtractionConfig(
        **SHORT, top_k=top_k, answers_per_seq=200, no_answer=False, overlap_threshold=overlap_threshold
    )
    found = find_answers(calibrated, queries, documents, config)
    assert found == [each for query in queries for each in find_answers(calibrated, query, documents, config)]
    results = calibrated.search(queries, [text for _, text in documents], top_k=top_k, threshold=None)
    expected = [
        (query, answer.passage, answer.start, answer.end, answer.score)
        for query, result in zip(queries, results, strict=True)
        for answer in result
    ]
    assert [(*place, each.score) for place, each in zip(spans(found), found, strict=True)] == expected

    with_null = find_answers(calibrated, queries, documents, replace(config, no_answer=True))
    assert [each for each in with_null if each.answer] == found
    nulls = [each for each in with_null if each.answer is None]
    assert nulls == [
        DocumentAnswer(query, result.no_answer, None, None)
        for query, result in zip(queries, results, strict=True)
    ]
    assert len({each.score for each in nulls}) > 1


def test_the_answer_that_there_is_none_stands_before_less_probable_ones(calibrated: Reader) -> None:
    places = set()
    for seed in range(40):
        documents = random_documents(2, seed)
        query = f"{toy_model.UNANSWERABLE} who?" if seed % 2 else "who?"
        found = find_answers(calibrated, query, documents, ExtractionConfig(**SHORT, top_k=3))
        scores = [each.score for each in found]
        place = next(index for index, each in enumerate(found) if each.answer is None)
        assert all(score >= scores[place] for score in scores[:place])
        assert scores[place + 1 :] == [] or scores[place + 1] < scores[place]
        places.add(place)
    assert {0, 3} <= places


@pytest.mark.parametrize("overlap_threshold", [None, 0.02, 0.3, 0.9, 1])
def test_overlaps_are_removed_document_by_document(
    calibrated: Reader, overlap_threshold: float | None
) -> None:
    documents = random_documents(12, seed=5)
    config = ExtractionConfig(
        **SHORT, top_k=1000, answers_per_seq=9, no_answer=False, overlap_threshold=overlap_threshold
    )
    found = find_answers(calibrated, "who built it?", documents, config)
    reader = calibrated.with_config(decode_config=replace(calibrated.decode_config, overlap=True))
    for index, (_, text) in enumerate(documents):
        own = [each.answer for each in found if each.document == index]
        if not len(reader.prepare(text)):
            assert own == []
            continue
        candidates = reader.ask("who built it?", text, top_k=9, threshold=None)
        assert own == without_overlaps(candidates, overlap_threshold)
    margins = [each.answer.margin for each in found if each.answer]
    assert margins == sorted(margins, reverse=True)
    assert find_answers(calibrated, "who built it?", documents, replace(config, top_k=7)) == found[:7]


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ("the river in Maine", "the river", 1.0),
        ("the river", "the river in Maine", 1.0),
        ("the river", "the river", 1.0),
        ("the river", "river in Maine", 5 / 9),
        ("the river in", "in Maine", 2 / 8),
        ("the river", "Maine", 0.0),
        ("the", "river", 0.0),
        ("the ", "river", 0.0),
    ],
)
def test_overlap(first: str, second: str, share: float) -> None:
    """The share of either that is common to both must not be greater than the threshold."""
    better, worse = span(TEXT, first), span(TEXT, second)
    for threshold in (0, 0.01, share - 1e-9, share, share + 1e-9, 1):
        kept = [better, worse] if share <= threshold else [better]
        assert without_overlaps([better, worse], threshold) == kept
    assert without_overlaps([better, worse], None) == [better, worse]


def test_overlap_is_with_what_is_kept() -> None:
    """What a removed answer overlaps is not removed by it."""
    first, second, third = span(TEXT, "the river"), span(TEXT, "river in"), span(TEXT, "in Maine")
    assert without_overlaps([first, second, third], 0.01) == [first, third]
    assert without_overlaps([second, first, third], 0.01) == [second]
    assert without_overlaps([], 0.01) == []


def test_any_overlap_is_one_of_spans_of_up_to_a_hundred_characters() -> None:
    """Which is why thresholds up to Haystack's default remove every overlap."""
    generator = random.Random(3)
    for _ in range(300):
        text = "x" * 200
        pair = []
        for _ in range(2):
            start = generator.randrange(150)
            end = start + generator.randint(1, 99)
            pair.append(replace(span(text, "x"), start=start, end=min(end, 200)))
        assert without_overlaps(pair, 0.01) == without_overlaps(pair, 0)


def test_score_threshold_also_holds_for_no_answer(calibrated: Reader) -> None:
    documents = random_documents(8, seed=11)
    config = ExtractionConfig(**SHORT)
    every = find_answers(calibrated, "when?", documents, config)
    scores = sorted({each.score for each in every})
    assert len(every) == 21
    assert len(scores) > 5
    for least in (0, scores[3], scores[-1], 1.0):
        some = find_answers(calibrated, "when?", documents, replace(config, score_threshold=least))
        assert some == [each for each in every if each.score >= least]


def test_top_k_does_not_count_the_answer_that_there_is_none(calibrated: Reader) -> None:
    documents = random_documents(8, seed=1)
    for top_k, no_answer in itertools.product((1, 3), (True, False)):
        config = ExtractionConfig(**SHORT, top_k=top_k, no_answer=no_answer)
        assert len(find_answers(calibrated, "who?", documents, config)) == top_k + no_answer


@pytest.mark.parametrize("answers_per_seq", [1, 2])
def test_candidates_are_counted_by_document(calibrated: Reader, answers_per_seq: int) -> None:
    documents = [document for document in random_documents(8, seed=1) if len(document[1]) > 30]
    config = ExtractionConfig(**SHORT, answers_per_seq=answers_per_seq, no_answer=False)
    found = find_answers(calibrated, "who?", documents, config)
    assert [sum(each.document == index for each in found) for index in range(len(documents))] == (
        [answers_per_seq] * len(documents)
    )


def test_documents_without_an_answer(calibrated: Reader) -> None:
    blank = [("a", ""), ("b", " \n\t"), ("c", "\u200b")]
    assert find_answers(calibrated, "who?", blank, ExtractionConfig(**SHORT)) == [
        DocumentAnswer("who?", 1.0, None, None)
    ]
    assert find_answers(calibrated, [], blank, ExtractionConfig(**SHORT)) == []


def test_windows_are_those_of_the_settings(calibrated: Reader) -> None:
    """A reader with other windows is not asked with them."""
    text = toy_model.random_text(random.Random(2), 300)
    windows = {}
    for length, stride in ((48, 16), (48, 2), (24, 4)):
        config = ExtractionConfig(max_seq_length=length, stride=stride)
        settings = config.reader_settings()
        windows[length, stride] = len(calibrated.with_config(**settings).windows(["who built it?"], [text]))
        own = Reader(calibrated.model, runtime_config=calibrated.runtime_config, **settings)
        for reader in (calibrated, own):
            found = find_answers(reader, "who built it?", [("a", text)], config)
            assert spans(found) == spans(find_answers(own, "who built it?", [("a", text)], config))
    assert windows[48, 2] < windows[48, 16] < windows[24, 4]


@pytest.mark.filterwarnings("ignore:the question .* is cut")
@pytest.mark.parametrize(("words", "length"), [(200, 64), (200, 48), (5, 48)])
def test_a_long_question_is_cut_as_tokenizers_do(calibrated: Reader, words: int, length: int) -> None:
    vocabulary = calibrated.model.path / "vocab.txt"
    peer = BertWordPieceTokenizer(str(vocabulary))
    peer.enable_truncation(length, stride=8)
    query, text = " ".join(["who"] * words), " ".join(["king"] * 300)
    settings = ExtractionConfig(max_seq_length=length, stride=8).reader_settings()
    windows = calibrated.with_config(**settings).windows([query], [text])
    expected = peer.encode(query, text)
    most = settings["window_config"].max_question_length
    assert most is not None
    assert min(int(windows.question_length[0]), most) == expected.sequence_ids.count(0)
    if words <= most:  # otherwise the peer makes windows of the rest of the question too
        assert len(windows) == 1 + len(expected.overflowing)


def test_a_question_that_is_cut_is_answered_with_a_warning(calibrated: Reader) -> None:
    config = ExtractionConfig(**SHORT, top_k=1, no_answer=False)
    with pytest.warns(QuestionCut, match="is cut to 22"):
        (found,) = find_answers(calibrated, "who " * 60, [("a", "The tower was built by the king.")], config)
    assert found.answer is not None


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        ("", ValueError, "query is empty: it has no tokens, expected some text"),
        (" \n", ValueError, "query is empty: it has no tokens, expected some text"),
        (["who?", ""], ValueError, r"query\[1\] is empty: it has no tokens, expected some text"),
        (["who?", None], TypeError, r"query\[1\]: expected a text, found NoneType"),
        (None, TypeError, "query: expected a sequence of texts, found NoneType"),
        ("who\ud800?", ValueError, "^query: .*surrogate"),
    ],
)
def test_bad_queries(calibrated: Reader, query: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        find_answers(calibrated, query, [("a", TEXT)], ExtractionConfig(**SHORT))


def test_a_window_that_is_longer_than_the_model(calibrated: Reader) -> None:
    config = ExtractionConfig(max_seq_length=384)
    with pytest.raises(ValueError, match=r"^max_seq_length is 384; expected at most 80, the positions of"):
        find_answers(calibrated, "who?", [("a", TEXT)], config)


def test_bad_texts_are_named_by_id(calibrated: Reader) -> None:
    documents = [("good", TEXT), ("bad", "king \ud800")]
    with pytest.raises(ValueError, match=r"^document bad: .*surrogate"):
        find_answers(calibrated, "who?", documents, ExtractionConfig(**SHORT))


def test_logits_that_are_no_numbers(
    exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = toy_model.START.copy()
    table[toy_model.VOCABULARY.index("king")] = np.nan
    monkeypatch.setattr(toy_model, "START", table)
    reader = Reader(
        toy_model.load(tmp_path), runtime_config=exact, **ExtractionConfig(**SHORT).reader_settings()
    )
    documents = [("good", "a river"), ("bad", "a king"), ("other", "a city")]
    with pytest.raises(ValueError, match=r"^document bad: "):
        find_answers(reader, "who?", documents, ExtractionConfig(**SHORT))


def test_uncalibrated_models_give_one_warning(toy: Model, exact: RuntimeConfig) -> None:
    config = ExtractionConfig(**SHORT)
    fresh = Reader(toy, runtime_config=exact, **config.reader_settings())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            find_answers(fresh, ["who?", "when?"], [("a", TEXT)], config)
    assert [each.category for each in caught] == [Uncalibrated]


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"top_k": 0}, ValueError, "^top_k is 0; expected an integer from 1"),
        ({"top_k": 2.5}, TypeError, "^top_k is 2.5; expected an integer"),
        ({"top_k": "5"}, TypeError, "^top_k is '5'; expected an integer"),
        ({"score_threshold": 1.5}, ValueError, "^score_threshold is 1.5; expected a probability, 0 to 1, or"),
        ({"score_threshold": "high"}, TypeError, "^score_threshold is 'high'; expected"),
        ({"max_seq_length": 3}, ValueError, "^max_seq_length is 3; expected an integer of at least"),
        ({"max_seq_length": None}, TypeError, "^max_seq_length is None; expected an integer"),
        ({"stride": -1}, ValueError, "^stride is -1; expected an integer of at least 0"),
        ({"stride": 380}, ValueError, "^stride is 380; expected less than 380, .*384 tokens"),
        ({"answers_per_seq": 0}, ValueError, "^answers_per_seq is 0; expected"),
        ({"no_answer": 1}, TypeError, "^no_answer: expected bool, found int"),
        ({"overlap_threshold": -0.1}, ValueError, "^overlap_threshold is -0.1; expected a share of a span"),
        ({"overlap_threshold": float("nan")}, ValueError, "^overlap_threshold is nan; expected a share"),
        ({"overlap_threshold": True}, TypeError, "^overlap_threshold is True; expected a share"),
        ({"max_answer_length": 0}, ValueError, "^max_answer_length is 0; expected"),
    ],
)
def test_bad_settings(settings: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        ExtractionConfig(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("first_page", "part", "page"),
    [(5, "42", 7), (5, "lot", 5), (5, "long", 6), (0, "42", 2), ("5", "42", None), (None, "42", None)],
)
def test_pages_end_with_form_feeds(first_page: object, part: str, page: int | None) -> None:
    text = "I thought a lot about this. \f And this text is long. \f The answer is 42."
    assert answer_page(first_page, text, text.index(part)) == page
    assert answer_page(True, text, text.index(part)) is None


def test_ignored_parameters_give_one_warning() -> None:
    with pytest.warns(UserWarning, match="ignores") as caught:
        warn_ignored("Their reader", device="cuda:0", token=None, max_batch_size=8, model_kwargs={})
    (warning,) = caught
    assert str(warning.message) == (
        "Their reader ignores device (the model runs on the CPU); "
        "max_batch_size (batches are planned by tokens, see runtime_config)"
    )
    assert warning.filename == __file__
    warn_ignored("Their reader", device=None, model_kwargs={}, calibration_factor=None)  # none
