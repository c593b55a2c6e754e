"""Read the arguments of a pipeline's call, in all the forms that transformers 4.57 takes."""

from collections.abc import Iterable, Iterator, Mapping
from types import GeneratorType
from typing import Any

__all__ = ["Pair", "lazy_pairs", "read_inputs"]

Pair = tuple[str, str]
"""Question and context."""


def read_inputs(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> list[Pair] | Iterator[Pair]:
    """Return the questions and contexts of a call.

    Returns:
        A list; or, for a generator or a data set that is read by index, an iterator that reads it on demand.

    Raises:
        ValueError: the arguments are of no known form, numbers of questions and contexts differ, or a
            question or context is None or empty.
        KeyError: an example lacks a question or context.
    """
    inputs = _inputs(arguments, keywords)
    if isinstance(inputs, GeneratorType) or _is_data_set(inputs):
        return lazy_pairs(inputs)
    if _is_example(inputs):
        inputs = [inputs]
    elif not isinstance(inputs, Iterable):
        raise ValueError(f"expected examples, each with a question and a context; found {inputs!r:.60}")
    examples = list(inputs)
    # A single example may hold lists, as a batch of a data set does.
    if len(examples) == 1 and isinstance(examples[0], Mapping):
        question = _checked(examples[0], "question")
        if isinstance(question, list):
            return _zipped(question, _checked(examples[0], "context"))
    return [_checked_pair(example) for example in examples]


def lazy_pairs(examples: Any) -> Iterator[Pair]:
    """Yield the questions and contexts of examples on demand, empty ones too, as transformers does.

    Raises:
        KeyError: an example lacks a question or context.
        ValueError: an item is no example.
    """
    items = examples if isinstance(examples, Iterable) else (examples[i] for i in range(len(examples)))
    for example in items:
        if isinstance(example, Mapping):
            yield _field(example, "question"), _field(example, "context")
        else:
            yield _checked_pair(example)


def _inputs(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """Find the examples among the arguments."""
    if len(arguments) == 2 and all(isinstance(argument, str) for argument in arguments):
        return [{"question": arguments[0], "context": arguments[1]}]
    if arguments:
        return arguments[0] if len(arguments) == 1 else list(arguments)
    for name in ("X", "data"):
        if name in keywords:
            return keywords[name]
    if "question" not in keywords or "context" not in keywords:
        found = ", ".join(keywords) or "nothing"
        raise ValueError(f"expected a question and a context; found {found}")
    return _named(keywords["question"], keywords["context"])


def _named(question: Any, context: Any) -> list[dict[str, Any]]:
    """Pair a question, or a list of them, with a context or as many."""
    if isinstance(question, list) and isinstance(context, str):
        return [{"question": item, "context": context} for item in question]
    if isinstance(question, list) and isinstance(context, list):
        if len(question) != len(context):
            counts = f"{len(question)} questions and {len(context)} contexts"
            raise ValueError(f"{counts}; expected as many of both")
        return [{"question": item, "context": text} for item, text in zip(question, context, strict=True)]
    if isinstance(question, str) and isinstance(context, str):
        return [{"question": question, "context": context}]
    kinds = f"{type(question).__name__} and {type(context).__name__}"
    raise ValueError(
        f"question and context: expected two texts, two lists, or a list and a text; found {kinds}"
    )


def _is_data_set(inputs: Any) -> bool:
    """Return True for a data set of torch, or another object that has items by index and is no iterable."""
    kind = type(inputs)
    return not isinstance(inputs, Iterable) and hasattr(kind, "__getitem__") and hasattr(kind, "__len__")


def _is_example(value: Any) -> bool:
    """Return True for a mapping, or for a SquadExample of transformers."""
    return isinstance(value, Mapping) or hasattr(value, "question_text")


def _checked_pair(example: Any) -> Pair:
    if isinstance(example, Mapping):
        return _checked(example, "question"), _checked(example, "context")
    if hasattr(example, "question_text"):
        return example.question_text, example.context_text
    raise ValueError(f"expected an example with a question and a context; found {example!r:.60}")


def _checked(example: Mapping[str, Any], name: str) -> Any:
    value = _field(example, name)
    if value is None:
        raise ValueError(f"{name} is None; expected a text")
    if isinstance(value, str) and not value:
        raise ValueError(f"{name} is empty; expected a text")
    return value


def _field(example: Mapping[str, Any], name: str) -> Any:
    if name not in example:
        found = ", ".join(map(str, example)) or "nothing"
        raise KeyError(f"an example has no {name!r}: expected question and context, found {found}")
    return example[name]


def _zipped(questions: list[Any], contexts: Any) -> list[Pair]:
    if not isinstance(contexts, list):
        raise ValueError(f"context: expected a list, as question is; found {type(contexts).__name__}")
    return list(zip(questions, contexts, strict=False))
