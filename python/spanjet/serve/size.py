"""Limit the tokens that one request makes the model compute."""

from collections.abc import Callable, Sequence
from functools import cache

from spanjet._core import Tokenizer
from spanjet.config import MOST_SPECIAL_TOKENS, WindowConfig
from spanjet.reader.answer import Document
from spanjet.serve.errors import RequestError

__all__ = ["check_size"]

MAX_TOKENS = 1 << 21
"""Maximum tokens of a request's windows: more than a body of a mebibyte makes, if its windows share few."""

TOKENS_OF_A_CHARACTER = 4
"""Maximum, in any tokenizer: bytes of UTF-8, or parts of a letter."""


def check_size(
    pairs: Sequence[tuple[str, str | Document]], tokenizer: Tokenizer, config: WindowConfig
) -> None:
    """Check that the windows of a request are not too many, before they are made.

    Args:
        pairs: all pairs of question and context of the request.
        tokenizer: the reader's.
        config: the windows'.

    Raises:
        RequestError: they are; status 413.
    """
    most = _window_tokens(pairs, _most_tokens, config, MOST_SPECIAL_TOKENS)
    if most is not None and most <= MAX_TOKENS:
        return

    @cache
    def count(text: str | Document) -> int:
        return len(text) if isinstance(text, Document) else len(tokenizer.encode(text))

    tokens = _window_tokens(pairs, count, config, _special_tokens(tokenizer))
    if tokens is not None and tokens > MAX_TOKENS:
        error = f"the texts make {tokens} tokens in windows, a request may have {MAX_TOKENS}"
        raise RequestError(413, f"{error}; give less text, or windows that share less")


def _most_tokens(text: str | Document) -> int:
    return len(text) if isinstance(text, Document) else TOKENS_OF_A_CHARACTER * len(text)


def _special_tokens(tokenizer: Tokenizer) -> int:
    """Count the special tokens of a window."""
    return len(tokenizer.windows(["a"], ["a"]).ids) - 2 * len(tokenizer.encode("a"))


def _window_tokens(
    pairs: Sequence[tuple[str, str | Document]],
    count: Callable[[str | Document], int],
    config: WindowConfig,
    special: int,
) -> int | None:
    """Count the tokens of the windows of all pairs, at most.

    Args:
        pairs: questions and contexts.
        count: counts the tokens of a text.
        config: the windows'.
        special: number of special tokens of a window.

    Returns:
        None if a question leaves no room for its context, so that the reader makes no windows.
    """
    windows = 0
    for asked, text in pairs:
        question, context = count(asked), count(text)
        room = config.max_length - special - min(question, config.max_question_length or question)
        step = min(config.doc_stride, room) if config.convention == "advance" else room - config.doc_stride
        windows += 1
        if context > room:
            if step <= 0:
                return None
            windows += -((room - context) // step)
    return windows * config.max_length
