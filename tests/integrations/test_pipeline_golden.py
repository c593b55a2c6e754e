"""Mode `hf` and its pipeline against recorded results of transformers 4.57.6 (recipes/golden_pipeline.py)."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pipeline_cases
import pytest
import spanjet
from spanjet import QuestionAnsweringPipeline, RuntimeConfig
from spanjet.integrations.transformers.options import Lengths, transformers_settings

GOLDEN = Path(__file__).parents[1] / "golden" / "pipeline"
FAMILIES = sorted(path.name for path in GOLDEN.iterdir())


def golden(family: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GOLDEN / family / "answers.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module", params=FAMILIES)
def qa(request: pytest.FixtureRequest) -> QuestionAnsweringPipeline:
    runtime = RuntimeConfig(cache_dir=None, threads=1)
    return QuestionAnsweringPipeline(GOLDEN / request.param, torch_dtype="float32", runtime_config=runtime)


def with_texts(rows: Any, context: str) -> Any:
    """Recorded answers as the pipeline gives them."""
    if isinstance(rows, dict):
        return rows
    if rows and not isinstance(rows[0], list):
        return answer(rows, context)
    return [answer(row, context) for row in rows]


def answer(row: list[Any], context: str) -> dict[str, Any]:
    score, start, end = row
    return {"score": score, "start": start, "end": end, "answer": context[start:end]}


def report(comparison: pipeline_cases.Comparison, least_equal: float) -> None:
    """Fail on a difference, or where too few results are equal outright."""
    assert comparison.different == []
    assert comparison.equal >= least_equal * (comparison.equal + comparison.tied)
    assert comparison.largest <= pipeline_cases.TOLERANCE


def test_answers_are_those_of_transformers(qa: QuestionAnsweringPipeline) -> None:
    family = qa.model.path.name
    recorded = golden(family)["answers"]
    comparison = pipeline_cases.Comparison()
    for number, case in enumerate(pipeline_cases.cases(len(recorded), seed=len(family))):
        theirs = with_texts(recorded[number], case.context)
        comparison.add(f"{number} {case.options}", theirs, pipeline_cases.ask(qa, case))
    assert comparison.equal + comparison.tied == len(recorded) > 90
    report(comparison, 0.9)


@pytest.mark.parametrize("form", pipeline_cases.FORMS)
@pytest.mark.parametrize("qa", ["bert", "xlm-roberta"], indirect=True)
def test_calls_are_those_of_transformers(qa: QuestionAnsweringPipeline, form: str) -> None:
    theirs, ours = golden(qa.model.path.name)["forms"][form], pipeline_cases.call(qa, form)
    if isinstance(theirs, list) and any(isinstance(each, list) for each in theirs):
        assert len(theirs) == len(ours)
        pairs = list(zip(theirs, ours, strict=True))
    else:
        pairs = [(theirs, ours)]
    comparison = pipeline_cases.Comparison()
    for each, own in pairs:
        comparison.add(form, each, own)
    report(comparison, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_logits_are_decoded_as_by_transformers(family: str) -> None:
    tokenizer = spanjet.Tokenizer(GOLDEN / family / "tokenizer.json", match_special_tokens=True)
    logits = np.load(GOLDEN / family / "logits.npz")
    recorded = golden(family)["decoded"]
    comparison = pipeline_cases.Comparison()
    for number, case in enumerate(pipeline_cases.cases(len(recorded), seed=1000 + len(family), longest=500)):
        theirs = with_texts(recorded[number], case.context)
        ours = pipeline_cases.outcome(partial(decoded, tokenizer, case, logits[str(number)]))
        comparison.add(f"{number} {case.options}", theirs, ours)
    assert comparison.equal + comparison.tied == len(recorded) > 20
    report(comparison, 0.9)


def decoded(tokenizer: spanjet.Tokenizer, case: pipeline_cases.Case, logits: Any) -> Any:
    """What `spanjet.decode_spans` makes of recorded logits."""
    window_config, decode_config = transformers_settings(case.options, Lengths(400, 384))
    windows = tokenizer.windows([case.question], [case.context], **window_config.arguments())
    start, end = np.ascontiguousarray(logits)
    spans = spanjet.decode_spans(
        windows,
        start,
        end,
        mode="hf",
        top_k=case.options.get("top_k", 1),
        max_answer_length=decode_config.max_answer_length,
        align_to_words=decode_config.align_to_words,
        handle_impossible_answer=decode_config.handle_impossible_answer,
    )
    rows = zip(spans.score.tolist(), spans.start.tolist(), spans.end.tolist(), strict=True)
    found = [answer([*row], case.context) for row in rows]
    return found[0] if len(found) == 1 else found


def test_first_tokens_of_windows_have_the_texts_of_transformers() -> None:
    """There a token of a blank alone has no text, also where a window begins with it."""
    tokenizer = spanjet.Tokenizer(GOLDEN / "roberta-of-words" / "tokenizer.json")
    context = "It is 1,024.50 metres long, and  1,024.50 metres wide."
    windows = tokenizer.windows(["Who?"], [context], max_length=14, doc_stride=2, convention="overlap")
    logits = np.full(len(windows.ids), -50, np.float32)
    logits[windows.indptr[:-1] + windows.context_start] = 50
    spans = spanjet.decode_spans(windows, logits, logits, mode="hf", top_k=20, align_to_words=False)
    rows = zip(spans.score, spans.start, spans.end, strict=True)
    found = {context[start:end] for score, start, end in rows if score > 0.5}
    assert found == {"I", "1", "", "4", "5", "e", "l", "w"}
