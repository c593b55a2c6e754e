"""Read the arguments of a pipeline's call, in all the forms that transformers 4.57 takes."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from types import GeneratorType
from typing import Any

__all__ = ["DataSet", "Pair", "read_inputs"]

Pair = tuple[str, str]
"""Question and context."""

LAZY = (("torch.utils.data", "Dataset"), ("datasets", "IterableDataset"))
"""Modules and classes of data sets that are read on demand, if the program has imported them."""


class DataSet:
    """The pairs of a data set, which is read anew in each iteration.

    Args:
        examples: the data set.
    """

    def __init__(self, examples: Any) -> None:
        self._examples = examples

    def __iter__(self) -> Iterator[Pair]:
        return _lazy_pairs(self._examples)

    def __len__(self) -> int:
        return len(self._examples)


def read_inputs(
    arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> Pair | list[Pair] | Iterator[Pair] | DataSet:
    """Return the questions and contexts of a call.

    Returns:
        A pair for a single example; a list of pairs for several, or for an example that holds lists; an
        iterator that reads a generator on demand; a `DataSet`.

    Raises:
        ValueError: the arguments are of no known form, numbers of questions and contexts differ, or a
            question or context is None or empty. Of an example that holds lists, what the longer one has more
            is left out, as by transformers' pipeline.
        KeyError: an example lacks a question or context.
    """
    inputs = _inputs(arguments, keywords)
    if isinstance(inputs, GeneratorType):
        return _lazy_pairs(inputs)
    if _is_data_set(inputs):
        return DataSet(inputs)
    if _is_example(inputs):
        inputs = [inputs]
    elif isinstance(inputs, str) or not isinstance(inputs, Iterable):
        raise ValueError(f"expected examples, each with a question and a context; found {inputs!r:.60}")
    examples = list(inputs)
    if len(examples) != 1:
        return [_checked_pair(example, f"example {index}: ") for index, example in enumerate(examples)]
    [example] = examples
    # A single example may hold lists, as a batch of a data set does.
    if isinstance(example, Mapping) and isinstance(_checked(example, "question"), list):
        return _zipped(example["question"], _checked(example, "context"))
    return _checked_pair(example)


def _lazy_pairs(examples: Any) -> Iterator[Pair]:
    """Yield the questions and contexts of examples on demand, empty ones too, as transformers does.

    Raises:
        KeyError: an example lacks a question or context.
        ValueError: an item is no example.
    """
    by_index = isinstance(examples, Sized) and not isinstance(examples, Iterable)
    items = (examples[index] for index in range(len(examples))) if by_index else examples
    for index, example in enumerate(items):
        where = f"example {index}: "
        if isinstance(example, Mapping):
            yield _field(example, "question", where), _field(example, "context", where)
        else:
            yield _checked_pair(example, where)


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
    """Return True for a data set of torch, a streamed one, or an object of items by index, no iterable."""
    if any(isinstance(inputs, getattr(sys.modules.get(module), name, ())) for module, name in LAZY):
        return True
    kind = type(inputs)
    return not isinstance(inputs, Iterable) and hasattr(kind, "__getitem__") and hasattr(kind, "__len__")


def _is_example(value: Any) -> bool:
    """Return True for a mapping, or for a SquadExample of transformers."""
    return isinstance(value, Mapping) or hasattr(value, "question_text")


def _checked_pair(example: Any, where: str = "") -> Pair:
    if isinstance(example, Mapping):
        return _checked(example, "question", where), _checked(example, "context", where)
    if hasattr(example, "question_text"):
        return example.question_text, example.context_text
    raise ValueError(f"{where}expected an example with a question and a context; found {example!r:.60}")


def _checked(example: Mapping[str, Any], name: str, where: str = "") -> Any:
    value = _field(example, name, where)
    if value is None:
        raise ValueError(f"{where}{name} is None; expected a text")
    if isinstance(value, str) and not value:
        raise ValueError(f"{where}{name} is empty; expected a text")
    return value


def _field(example: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in example:
        found = ", ".join(map(str, example)) or "nothing"
        raise KeyError(f"{where}no {name!r}: expected question and context, found {found}")
    return example[name]


def _zipped(questions: list[Any], contexts: Any) -> list[Pair]:
    if not isinstance(contexts, list):
        raise ValueError(f"context: expected a list, as question is; found {type(contexts).__name__}")
    return list(zip(questions, contexts, strict=False))
