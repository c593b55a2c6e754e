"""The limit of a request's windows."""

import pytest
from spanjet import Reader, WindowConfig
from spanjet.serve import size
from spanjet.serve.errors import RequestError

QUESTION = "who built it?"


def windows(reader: Reader, text: str, config: WindowConfig) -> int:
    """Tokens of the windows that a text really makes, each as long as it may be."""
    return len(reader.tokenizer.windows([QUESTION], [text], **config.arguments())) * config.max_length


@pytest.mark.parametrize(
    "config",
    [
        WindowConfig(max_length=48, doc_stride=16),
        WindowConfig(max_length=48, doc_stride=48),
        WindowConfig(max_length=64, doc_stride=16, convention="overlap", max_question_length=None),
        WindowConfig(max_length=64, doc_stride=40, convention="overlap", max_question_length=None),
    ],
)
@pytest.mark.parametrize("words", [1, 30, 60, 500])
def test_as_many_tokens_as_there_are(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, config: WindowConfig, words: int
) -> None:
    text = "tower " * words
    real = windows(reader, text, config)
    monkeypatch.setattr(size, "MAX_TOKENS", 0)
    for context in (text, reader.prepare(text)):
        with pytest.raises(RequestError) as caught:
            size.check_size([(QUESTION, context)] * 2, reader.tokenizer, config)
        assert caught.value.status == 413
        counted = int(caught.value.error.split()[3])
        assert 2 * real <= counted <= 2 * real * 1.2 + 2 * config.max_length


def test_a_stride_that_makes_a_window_of_each_token(reader: Reader) -> None:
    config = WindowConfig(max_length=384, doc_stride=374, convention="overlap", max_question_length=None)
    with pytest.raises(RequestError, match=r"the texts make \d+ tokens in windows"):
        size.check_size([(QUESTION, "tower " * 100_000)], reader.tokenizer, config)
    size.check_size([(QUESTION, "tower " * 100_000)], reader.tokenizer, WindowConfig())


@pytest.mark.parametrize("left", [1, 2, 3])
def test_strides_that_leave_a_step_of_few_tokens(reader: Reader, left: int) -> None:
    room = 384 - 3 - len(reader.tokenizer.encode(QUESTION))
    config = WindowConfig(
        max_length=384, doc_stride=room - left, convention="overlap", max_question_length=None
    )
    text = "tower " * 600
    assert windows(reader, text, config) > 384 * (600 - room) / left
    with pytest.raises(RequestError, match=r"the texts make \d+ tokens in windows"):
        size.check_size([(QUESTION, "tower " * 30_000)], reader.tokenizer, config)


def test_windows_without_room_are_left_to_the_reader(reader: Reader) -> None:
    config = WindowConfig(max_length=384, doc_stride=128, convention="overlap", max_question_length=None)
    size.check_size([("who " * 400, "tower " * 1_000_000)], reader.tokenizer, config)
