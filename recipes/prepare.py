"""Tokenize a SQuAD-layout file into the arrays that training reads.

python -m recipes.prepare train.json --tokenizer START --out train.npz
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spanjet

MAX_QUESTION_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Example:
    """A question about a paragraph.

    Attributes:
        question: its text.
        paragraph: index of its paragraph.
        span: code points of the answer in the paragraph, [start, end); None: the paragraph has no answer.
    """

    question: str
    paragraph: int
    span: tuple[int, int] | None


def read(articles: Iterable[dict[str, Any]]) -> tuple[list[str], list[int], list[Example]]:
    """Collect the paragraphs, the article that each belongs to, and the examples about them."""
    paragraphs: list[str] = []
    article_of: list[int] = []
    examples: list[Example] = []
    for number, article in enumerate(articles):
        for paragraph in article["paragraphs"]:
            for pair in paragraph["qas"]:
                if not pair["question"].strip():
                    continue
                span = None
                if not pair.get("is_impossible", False) and pair["answers"]:
                    answer = pair["answers"][0]
                    span = (answer["answer_start"], answer["answer_start"] + len(answer["text"]))
                examples.append(Example(pair["question"].strip(), len(paragraphs), span))
            paragraphs.append(paragraph["context"])
            article_of.append(number)
    return paragraphs, article_of, examples


def token_span(offsets: np.ndarray, span: tuple[int, int]) -> tuple[int, int] | None:
    """Find the tokens [first, last] that cover a span of characters; None: there are none."""
    first = int(np.searchsorted(offsets[:, 1], span[0], side="right"))
    last = int(np.searchsorted(offsets[:, 0], span[1], side="left")) - 1
    return (first, last) if first <= last and first < len(offsets) else None


def arrays(tokenizer: spanjet.Tokenizer, articles: Iterable[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Tokenize the articles of a training file.

    Returns:
        paragraph_ids: int32, tokens of all paragraphs; paragraph_indptr: int64, where each begins.
        article: int32[paragraphs]. question_ids, question_indptr: as the paragraphs', cut to 64 tokens.
        paragraph, first, last: int32[examples], tokens of the answer in its paragraph, -1: no answer.
    """
    paragraphs, article_of, examples = read(articles)
    contexts = tokenizer.encode_batch(paragraphs)
    questions = tokenizer.encode_batch([example.question for example in examples])
    spans = np.full((len(examples), 2), -1, np.int32)
    keep = np.ones(len(examples), bool)
    indptr, offsets = contexts.indptr, contexts.offsets
    for row, example in enumerate(examples):
        if example.span is None:
            continue
        begin, end = indptr[example.paragraph : example.paragraph + 2]
        found = token_span(offsets[begin:end], example.span)
        keep[row] = found is not None
        if found is not None:
            spans[row] = found
    question_ids = [
        questions.ids[begin : min(end, begin + MAX_QUESTION_TOKENS)]
        for begin, end in zip(questions.indptr[:-1], questions.indptr[1:], strict=True)
    ]
    kept = np.flatnonzero(keep)
    return {
        "paragraph_ids": contexts.ids.astype(np.int32),
        "paragraph_indptr": indptr.astype(np.int64),
        "article": np.asarray(article_of, np.int32),
        "question_ids": np.concatenate([question_ids[row] for row in kept]).astype(np.int32),
        "question_indptr": np.concatenate([[0], np.cumsum([len(question_ids[row]) for row in kept])]),
        "paragraph": np.asarray([examples[row].paragraph for row in kept], np.int32),
        "first": spans[kept, 0],
        "last": spans[kept, 1],
    }


def main() -> None:
    """Write the arrays of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("squad", type=Path, help="SQuAD-layout file")
    parser.add_argument("--tokenizer", type=Path, required=True, help="directory of the start weights")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tokenizer = spanjet.Tokenizer(options.tokenizer, match_special_tokens=False)
    found = arrays(tokenizer, json.loads(options.squad.read_text(encoding="utf-8"))["data"])
    np.savez(options.out, **found)  # type: ignore[arg-type]  # numpy's stub takes the names for its own
    answered = int((found["first"] >= 0).sum())
    print(f"{len(found['first'])} examples, {answered} with an answer, {len(found['article'])} paragraphs")


if __name__ == "__main__":
    main()
