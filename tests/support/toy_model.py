"""A model whose answers are known without running it: a token's logits are a table's rows for its id.

The null score is small, unless the question holds the word `UNANSWERABLE`.
"""

import random
import string
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from spanjet.model import Model
from spanjet.runtime.openvino import ops, ov

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = tuple(string.ascii_lowercase + string.digits + string.punctuation)
WORDS = ("who", "when", "paris", "river", "tower", "engineer", "built", "city", "king", "queen", "bridge")
UNANSWERABLE = "nobody"
VOCABULARY = (*SPECIAL_TOKENS, *WORDS, UNANSWERABLE, *LETTERS, *(f"##{letter}" for letter in LETTERS))
MAX_LENGTH = 80
CLS = VOCABULARY.index("[CLS]")


def table(seed: int) -> NDArray[np.float32]:
    """float32[vocabulary]: logits of all ids, all different, between 0 and 10; special tokens -5."""
    values = np.linspace(0, 10, len(VOCABULARY), dtype=np.float32)
    np.random.default_rng(seed).shuffle(values)
    values[: len(SPECIAL_TOKENS)] = -5
    return values


START, END = table(1), table(2)


def build(
    *,
    element_type: str = "i32",
    output_type: str = "f32",
    inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids"),
    outputs: tuple[str, ...] = ("start_logits", "end_logits"),
    shape: tuple[int, ...] = (-1, -1),
    positions: int | None = None,
    tables: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> ov.Model:
    """The model; with ``positions``, inference fails where the length is greater."""
    parameters = [ops.parameter(list(shape), getattr(ov.Type, element_type), name=name) for name in inputs]
    for name, parameter in zip(inputs, parameters, strict=True):
        parameter.output(0).set_names({name})
    ids, mask = parameters[0], ops.convert(parameters[1], "f32")
    is_cls = ops.convert(ops.equal(ids, ops.constant(CLS, getattr(ov.Type, element_type))), "f32")
    null = np.zeros(len(VOCABULARY), np.float32)
    null[VOCABULARY.index(UNANSWERABLE)] = 50
    results = []
    for name, values in zip(outputs, tables or (START, END), strict=True):
        found = ops.reduce_sum(_look_up(null, ids), ops.constant([1]), keep_dims=True)
        logits = ops.add(ops.multiply(_look_up(values, ids), mask), ops.multiply(found, is_cls))
        if positions is not None:
            length = ops.gather(ops.shape_of(ids), ops.constant([1]), ops.constant(0))
            zeros = ops.constant(np.zeros(positions, np.float32))
            part = ops.slice(zeros, ops.constant([0]), length, ops.constant([1]))
            logits = ops.add(logits, part)
        output = ops.convert(logits, output_type)
        output.output(0).set_names({name})
        results.append(ops.result(output))
    return ov.Model(results, parameters, "toy")


def _look_up(values: NDArray[np.float32], ids: ov.Node) -> ov.Node:
    return ops.gather(ops.constant(values), ids, ops.constant(0))


def load(directory: Path, model: ov.Model | None = None) -> Model:
    """The toy model as `spanjet.model.load_model` would give it; its vocabulary is written."""
    vocabulary = directory / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return Model(
        model=build() if model is None else model,
        tokenizer=vocabulary,
        max_length=MAX_LENGTH,
        vocab_size=len(VOCABULARY),
        card=None,
        path=directory,
    )


def random_text(generator: random.Random, words: int) -> str:
    """Known and unknown words with punctuation; some words fall into many tokens."""
    unknown = ["".join(generator.choices(string.ascii_lowercase, k=5)) for _ in range(4)]
    return " ".join(generator.choice((*WORDS, *unknown, "Paris,", "river.")) for _ in range(words))
