"""`Reader.with_config`, and readers in mode `hf`."""

import copy
import pickle

import pytest
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model

QUESTION = "who built it?"
CONTEXT = "the king built the bridge. " * 6


def test_another_reader_shares_the_loaded_model(reader: Reader, toy: Model, exact: RuntimeConfig) -> None:
    window_config, decode_config = (
        WindowConfig(max_length=40, doc_stride=8),
        DecodeConfig(max_answer_length=2),
    )
    other = reader.with_config(window_config=window_config, decode_config=decode_config)
    assert (other.window_config, other.decode_config) == (window_config, decode_config)
    assert (other.engine, other.tokenizer, other.model) == (reader.engine, reader.tokenizer, reader.model)
    alone = Reader(toy, window_config=window_config, decode_config=decode_config, runtime_config=exact)
    assert other.ask(QUESTION, CONTEXT, top_k=5) == alone.ask(QUESTION, CONTEXT, top_k=5)
    assert other.ask(QUESTION, CONTEXT, top_k=5) != reader.ask(QUESTION, CONTEXT, top_k=5)
    assert reader.window_config.max_length == 48


def test_what_is_not_given_stays(reader: Reader) -> None:
    decode_config = DecodeConfig(max_answer_length=2)
    other = reader.with_config(decode_config=decode_config).with_config()
    assert (other.window_config, other.decode_config) == (reader.window_config, decode_config)
    assert other.threshold == reader.threshold
    assert copy.copy(other) is other


def test_settings_are_checked(reader: Reader) -> None:
    with pytest.raises(ValueError, match="max_length is 81; expected at most 80"):
        reader.with_config(window_config=WindowConfig(max_length=81))
    with pytest.raises(TypeError, match="decode_config: expected DecodeConfig, found WindowConfig"):
        reader.with_config(decode_config=WindowConfig())  # type: ignore[arg-type]


def test_it_is_pickled_with_its_settings() -> None:
    other = Reader().with_config(decode_config=DecodeConfig(max_answer_length=1))
    again = pickle.loads(pickle.dumps(other))  # noqa: S301  (our own)
    assert again.ask(QUESTION, CONTEXT) == other.ask(QUESTION, CONTEXT)
    assert again.decode_config == other.decode_config


def test_mode_hf_has_no_threshold() -> None:
    reader = Reader(decode_config=DecodeConfig(mode="hf"))
    assert reader.model.calibration is not None
    assert reader.model.calibration.threshold is not None
    assert reader.threshold is None
    assert reader.ask("Who is the king?", "It is 42 metres long.") == reader.ask(
        "Who is the king?", "It is 42 metres long.", threshold=None
    )
    assert not reader.ask("Who is the king?", "It is 42 metres long.", threshold="model").is_null
    for call in (
        lambda: reader.ask(QUESTION, CONTEXT, threshold=0.5),
        lambda: Reader(reader.model, threshold=0.5, decode_config=DecodeConfig(mode="hf")),
    ):
        with pytest.raises(ValueError, match=r"threshold is 0\.5; expected 'model' or None in mode 'hf'"):
            call()
    with pytest.raises(ValueError, match="search compares the margins of passages"):
        reader.search(QUESTION, [CONTEXT])


def test_mode_hf_ranks_the_null_answer() -> None:
    config = DecodeConfig(mode="hf", handle_impossible_answer=True)
    answers = Reader(decode_config=config).ask("Who is the king?", "It is 42 metres long.", top_k=3)
    assert answers[0].is_null
    assert answers[0].score == answers[0].no_answer == answers[1].no_answer
    assert not answers[1].is_null
    without = Reader(decode_config=DecodeConfig(mode="hf")).ask(
        "Who is the king?", "It is 42 metres long.", top_k=2
    )
    assert [(a.text, a.score) for a in without] == [(a.text, a.score) for a in answers[1:]]


def test_texts_without_tokens_are_allowed_where_it_is_said(reader: Reader) -> None:
    allowing = reader.with_config(window_config=WindowConfig(max_length=48, doc_stride=16, allow_empty=True))
    with pytest.raises(ValueError, match="question is empty"):
        reader.ask(" ", CONTEXT)
    assert allowing.ask(" ", CONTEXT).text in CONTEXT
    null = allowing.ask(QUESTION, " \n")
    assert null.is_null
    assert null.no_answer == 1
    found = allowing.ask_many([QUESTION, " ", QUESTION], ["", CONTEXT, CONTEXT])
    assert [answers[0].is_null for answers in found] == [True, False, False]
    assert found[2] == reader.ask_many([QUESTION], [CONTEXT])[0]
    with pytest.raises(TypeError, match="allow_empty is 1; expected True or False"):
        WindowConfig(allow_empty=1)  # type: ignore[arg-type]
