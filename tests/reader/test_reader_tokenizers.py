"""From a checkpoint with its own tokenizer to answers; all of them tiny and random."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import checkpoints
import numpy as np
import peer
import pytest
import segments
import texts
import trained_tokenizers
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.model import load_model
from spanjet.runtime.openvino import ov, shared_core

# The architecture, the kind of its tokenizer, the ids of its padding token and the tokens of a sequence.
MODELS = {
    "roberta": ("byte-level", 1, 38),
    "xlm-roberta": ("unigram", 1, 38),
    "deberta-v3": ("unigram-precompiled", 0, 40),
    "mpnet": ("mpnet", 1, 38),
    "modernbert": ("modernbert", 2, 40),
}


class Checkpoint(NamedTuple):
    """A checkpoint and its tokenizer as the ``tokenizers`` package reads it."""

    path: Path
    peer: Any
    model: ov.CompiledModel
    max_length: int


def enlarge(path: Path, rows: int, pad: int) -> None:
    """A vocabulary of so many tokens; embeddings far enough apart that logits differ clearly."""
    rng = np.random.default_rng(61)

    def edit(tensors: checkpoints.Tensors) -> None:
        [name] = [name for name in tensors if re.search(r"(word|tok)_embeddings\.weight$", name)]
        tensors[name] = rng.normal(size=(rows, tensors[name].shape[1])).astype(np.float32)
        [head] = tensors.keys() & {"qa_outputs.weight", "classifier.weight"}
        tensors[head] = rng.normal(size=tensors[head].shape).astype(np.float32)

    checkpoints.edit_tensors(path, edit)
    checkpoints.edit_config(path, vocab_size=rows, pad_token_id=pad)


@pytest.fixture(scope="module", params=MODELS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    kind, pad, max_length = MODELS[request.param]
    path = tmp_path_factory.mktemp(kind) / "checkpoint"
    shutil.copytree(checkpoints.ARCHITECTURES / request.param, path)
    tokenizer = peer.load(trained_tokenizers.write(path, kind), match_special_tokens=False)
    enlarge(path, tokenizer.get_vocab_size(), pad)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    model = shared_core().compile_model(load_model(path).model, "CPU", settings)
    return Checkpoint(path, tokenizer, model, max_length)


def best_answer(checkpoint: Checkpoint, question: str, context: str) -> tuple[int, int, float]:
    """The best span by the peer's windows and offsets and a model that is run window by window."""
    tokenizer, model = checkpoint.peer, checkpoint.model
    names = {name for port in model.inputs for name in port.get_names()}
    tokenizer.enable_truncation(checkpoint.max_length, stride=8, strategy="only_second")
    encoding = tokenizer.encode(question, context)
    spans = []
    for part in (encoding, *encoding.overflowing):
        rows = {"input_ids": part.ids, "attention_mask": part.attention_mask, "token_type_ids": part.type_ids}
        inputs = {name: np.array([row], np.int32) for name, row in rows.items() if name in names}
        logits = model(inputs)
        start, end = (logits[name][0] for name in checkpoints.OUTPUTS)
        inside = [index for index, text in enumerate(part.sequence_ids) if text == 1]
        for first in inside:
            for last in inside[inside.index(first) :][:30]:
                text = context[part.offsets[first][0] : part.offsets[last][1]]
                left = part.offsets[first][0] + len(text) - len(text.lstrip())
                if text.strip():
                    place = segments.graphemes_of(context)(left, left + len(text.strip()))
                    logit, null = float(start[first] + end[last]), float(start[0] + end[0])
                    spans.append((logit - null, *place, logit))
    _, left, right, logit = max(spans)
    return left, right, logit


def test_answers(checkpoint: Checkpoint) -> None:
    windows = WindowConfig(max_length=checkpoint.max_length, doc_stride=8, convention="overlap")
    runtime = RuntimeConfig(precision="f32", cache_dir=None)
    decode = DecodeConfig(align_to_words=False)
    reader = Reader(checkpoint.path, window_config=windows, decode_config=decode, runtime_config=runtime)
    # A special token's text is that token to the peer's Unigram.
    # What str.strip takes beyond Unicode's white space would be another answer here.
    plain = {ord("["): "(", **dict.fromkeys(range(28, 32), " ")}
    contexts = [text.translate(plain)[:400] for text in texts.passages(6, seed=62, most=40)]
    contexts += [text[:300] for text in trained_tokenizers.corpus()[:4]]
    questions = ["the river"] * len(contexts)
    found = reader.ask_many(questions, contexts, top_k=3)
    for question, context, answers in zip(questions, contexts, found, strict=True):
        left, right, logit = best_answer(checkpoint, question, context)
        assert (answers[0].start, answers[0].end) == (left, right)
        assert answers[0].logit == pytest.approx(logit, abs=1e-3)
        for answer in answers:
            assert context[answer.start : answer.end] == answer.text
            assert answer.text == answer.text.strip() != ""
            assert context.encode()[answer.byte_start : answer.byte_end].decode() == answer.text
    document = reader.prepare(contexts[0])
    assert reader.ask(questions[0], document) == reader.ask(questions[0], contexts[0])


def test_special_tokens_of_a_text_are_text(checkpoint: Checkpoint) -> None:
    reader = Reader(
        checkpoint.path, window_config=WindowConfig(max_length=checkpoint.max_length, doc_stride=8)
    )
    tokenizer = reader.tokenizer
    for text in ("a </s> [SEP] b", "<s>", "[CLS]", "x<pad>y[PAD]"):
        special = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id}
        assert not special & set(tokenizer.encode(text).ids.tolist())


def test_padding_token_of_another_id(tmp_path: Path) -> None:
    """RoBERTa's positions count from the padding token's id."""
    path = tmp_path / "checkpoint"
    shutil.copytree(checkpoints.ARCHITECTURES / "roberta", path)
    trained_tokenizers.write(path, "byte-fallback")
    enlarge(path, 2_000, pad=3)
    with pytest.raises(ValueError, match="the padding token has the id 1; expected 3"):
        Reader(path, window_config=WindowConfig(max_length=36, doc_stride=8))
