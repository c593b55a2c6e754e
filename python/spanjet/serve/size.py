"""Limit the tokens that one request makes the model compute."""

from collections.abc import Sequence

from spanjet._core import Tokenizer
from spanjet.config import WindowConfig
from spanjet.reader.answer import Document
from spanjet.serve.errors import RequestError

__all__ = ["check_size"]

MAX_TOKENS = 1 << 21
"""Maximum tokens of a request's windows: more than a body of a mebibyte makes, if its windows share few."""

TOKENS_OF_A_CHARACTER = 4
"""Maximum, in any tokenizer: bytes of UTF-8, or parts of a letter."""

SPECIAL_TOKENS = 4
"""Maximum of a window, in any tokenizer."""


def check_size(
    question: str, contexts: Sequence[str | Document], tokenizer: Tokenizer, config: WindowConfig
) -> None:
    """Check that the windows of a question and its contexts are not too many, before they are made.

    Raises:
        RequestError: they are; status 413.
    """
    most = _window_tokens(_most_tokens(question), list(map(_most_tokens, contexts)), config, SPECIAL_TOKENS)
    if most is not None and most <= MAX_TOKENS:
        return
    lengths = [
        len(context) if isinstance(context, Document) else len(tokenizer.encode(context))
        for context in contexts
    ]
    tokens = _window_tokens(len(tokenizer.encode(question)), lengths, config, _special_tokens(tokenizer))
    if tokens is not None and tokens > MAX_TOKENS:
        error = f"the texts make {tokens} tokens in windows, a request may have {MAX_TOKENS}"
        raise RequestError(413, f"{error}; give less text, or windows that share less")


def _most_tokens(text: str | Document) -> int:
    return len(text) if isinstance(text, Document) else TOKENS_OF_A_CHARACTER * len(text)


def _special_tokens(tokenizer: Tokenizer) -> int:
    """Count the special tokens of a window."""
    return len(tokenizer.windows(["a"], ["a"]).ids) - 2 * len(tokenizer.encode("a"))


def _window_tokens(question: int, contexts: list[int], config: WindowConfig, special: int) -> int | None:
    """Count the tokens of the windows of contexts of so many tokens, at most.

    Returns:
        None if the question leaves no room for a context, so that the reader makes no windows.
    """
    room = config.max_length - special - min(question, config.max_question_length or question)
    step = min(config.doc_stride, room) if config.convention == "advance" else room - config.doc_stride
    windows = 0
    for context in contexts:
        windows += 1
        if context > room:
            if step <= 0:
                return None
            windows += -((room - context) // step)
    return windows * config.max_length
