"""Decoding of a real model's logits, equal to the slow reference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from decoding import MODES, Case, Floats, Mode, assert_equal, case
from spanjet import Reader, RuntimeConfig
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.runtime.openvino import ov, shared_core


@pytest.fixture(scope="module")
def squad(data: Path) -> Case:
    """The excerpt of SQuAD, in short windows so that there are several for each question."""
    articles = json.loads((data / "squad" / "v1.1.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    pairs = [
        (entry["question"], paragraph["context"]) for paragraph in paragraphs for entry in paragraph["qas"]
    ]
    questions, contexts = zip(*pairs, strict=True)
    return case(BUNDLED_MODEL, questions, contexts, max_length=96, doc_stride=32)


@pytest.fixture(scope="module")
def logits(squad: Case) -> tuple[Floats, Floats]:
    model = Reader(runtime_config=RuntimeConfig(cache_dir=None)).model.model
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    windows = squad.windows
    start, end = np.full((2, len(windows.ids)), np.nan, np.float32)
    for rows in np.array_split(np.arange(len(windows)), 5):
        batch = windows.batch(rows)
        names = [each.any_name for each in compiled.inputs]
        outputs = compiled({name: ov.Tensor(getattr(batch, name), shared_memory=True) for name in names})
        windows.scatter(rows, outputs["start_logits"], start)
        windows.scatter(rows, outputs["end_logits"], end)
    return start, end


@pytest.mark.parametrize("threshold", [None, 0.5, 0.999])
@pytest.mark.parametrize("mode", MODES)
def test_equal_to_reference(
    squad: Case, logits: tuple[Floats, Floats], mode: Mode, threshold: float | None
) -> None:
    spans = assert_equal(squad, *logits, mode, top_k=10, threshold=threshold)
    assert len(squad.windows) > 2 * len(squad.contexts)
    assert (np.diff(spans.indptr) >= 1).all()
