"""Compare the pipeline of transformers 4.57 and ours on one checkpoint: make parity-pipeline.

Ours computes in float32, as transformers does. Prints a table by options and one of the forms of a call, and
fails on a difference: another span or score where transformers' own scores are not within 1e-4. Questions in
which the opening token is typed are counted apart: there transformers returns unrelated words
(docs/coming-from.md).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pipeline_cases
import spanjet
import transformers
from pipeline_cases import Case, Comparison

LONG = 6000
"""Characters of a long context, about ten windows."""


def sampled(path: Path, count: int, seed: int) -> Iterator[Case]:
    """Questions of a SQuAD file with each option in turn; every fifth has more of its article as context."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    found = [
        (entry["question"], article, index)
        for article in articles
        for index, paragraph in enumerate(article["paragraphs"])
        for entry in paragraph["qas"]
    ]
    rng = random.Random(seed)
    for number, (question, article, index) in enumerate(rng.sample(found, min(count, len(found)))):
        paragraphs = [paragraph["context"] for paragraph in article["paragraphs"]]
        context = paragraphs[index]
        if number % 5 == 4:
            context = "\n".join(paragraphs[max(0, index - 4) : index + 8])[:LONG]
        yield Case(question, context, pipeline_cases.OPTIONS[number % len(pipeline_cases.OPTIONS)])


def compare_forms(theirs: Any, ours: Any) -> Comparison:
    """Compare all forms of a call, and print their outcomes."""
    total = Comparison()
    for form in pipeline_cases.FORMS:
        expected, found = pipeline_cases.call(theirs, form), pipeline_cases.call(ours, form)
        several = isinstance(expected, list) and any(isinstance(each, list) for each in expected)
        for one, other in zip(expected, found, strict=True) if several else [(expected, found)]:
            total.add(form, one, other)
        kind = type(expected).__name__
        print(f"| {form} | {expected['raises'] if pipeline_cases.is_error(expected) else kind} |")
    return total


def main() -> None:
    """Compare, print, and exit with 1 on a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(Path(__file__).parents[1] / "golden" / "pipeline" / "bert"))
    parser.add_argument("--squad", type=Path, default=pipeline_cases.DATA / "v2.0.json")
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--others", type=int, default=240, help="of other languages and random Unicode")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    # Otherwise a file of half-precision weights is computed in half precision.
    theirs = transformers.pipeline("question-answering", arguments.model, device=-1, torch_dtype="float32")
    ours = spanjet.pipeline("question-answering", arguments.model, torch_dtype="float32")
    print(f"transformers {transformers.__version__}, {arguments.model}\n\n| call | outcome |\n|---|---|")
    forms = compare_forms(theirs, ours)
    tables: dict[str, Comparison] = defaultdict(Comparison)
    cases = [*sampled(arguments.squad, arguments.questions, 0), *pipeline_cases.cases(arguments.others, 1)]
    opening = Comparison()
    for case in cases:
        expected, found = pipeline_cases.ask(theirs, case), pipeline_cases.ask(ours, case)
        is_typed = theirs.tokenizer.cls_token in case.question
        table = opening if is_typed else tables[json.dumps(case.options)]
        table.add(f"{case.question!r:.80} {case.options}", expected, found)
    print("\n| options | equal | tied | different | largest difference of scores |\n|---|---|---|---|---|")
    rows = [("forms of a call", forms), *tables.items(), ("the opening token in the question", opening)]
    for options, table in rows:
        print(f"| {options} | {table.equal} | {table.tied} | {len(table.different)} | {table.largest:.1e} |")
    different = [line for table in (forms, *tables.values()) for line in table.different]
    print(f"\n{len(cases)} questions, {len(forms.different)} forms and {len(different)} results differ")
    print(*different[:40], sep="\n")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
