"""Sample questions of a data set, or generate some from bundled sentences."""

import math
import random
from functools import cache
from importlib.resources import files
from itertools import count, islice

from spanjet.files.datasets.dataset import Question, SquadDataset

__all__ = ["built_in", "sample"]

# Contexts have a log-normal number of words, with roughly the median and spread of SQuAD's paragraphs.
MEDIAN_WORDS, SPREAD, FEWEST_WORDS, MOST_WORDS = 122, 0.45, 25, 600
QUESTIONS_OF_A_CONTEXT = 5

# Fictional places and people, written for spanjet: sentence, question, and the answer as in the sentence.
SENTENCES = "sentences.tsv"


def sample(dataset: SquadDataset, limit: int | None, seed: int) -> SquadDataset:
    """Sample questions of a data set without replacement, in random order.

    Args:
        dataset: all questions.
        limit: number of questions; all if None or larger than the data set.
        seed: seed of the sample and its order.

    Raises:
        ValueError: ``limit`` is less than 1.
    """
    _check_limit(limit)
    chosen = list(dataset.questions)
    random.Random(seed).shuffle(chosen)
    return SquadDataset(version=dataset.version, questions=tuple(chosen[:limit]))


def built_in(limit: int, seed: int) -> SquadDataset:
    """Generate questions on contexts of shuffled sentences, with the lengths of SQuAD's paragraphs.

    There are few sentences, so words repeat more often than in real texts of the same size; the work of the
    model is the same.

    Args:
        limit: number of questions.
        seed: seed of the choice of sentences.

    Raises:
        ValueError: ``limit`` is less than 1.
    """
    _check_limit(limit)
    generator = random.Random(seed)
    contexts = (_sentences(generator) for _ in count())
    asked = (
        (" ".join(sentence for sentence, _, _ in chosen), question, answer)
        for chosen in contexts
        for _, question, answer in generator.sample(chosen, min(QUESTIONS_OF_A_CONTEXT, len(chosen)))
    )
    questions = [
        Question(id=f"built-in-{seed}-{index}", question=question, context=context, answers=(answer,))
        for index, (context, question, answer) in enumerate(islice(asked, limit))
    ]
    generator.shuffle(questions)
    return SquadDataset(version="1.1", questions=tuple(questions))


def _sentences(generator: random.Random) -> list[tuple[str, str, str]]:
    """Choose the sentences of one context."""
    words = min(generator.lognormvariate(math.log(MEDIAN_WORDS), SPREAD), MOST_WORDS)
    chosen: list[tuple[str, str, str]] = []
    found = 0
    sentences = _read_sentences()
    for entry in generator.sample(sentences, len(sentences)):
        chosen.append(entry)
        found += len(entry[0].split())
        if found >= max(words - 11, FEWEST_WORDS):  # 11: half a sentence, so that the median is met
            break
    return chosen


@cache
def _read_sentences() -> tuple[tuple[str, str, str], ...]:
    lines = files(__package__).joinpath(SENTENCES).read_text(encoding="utf-8").splitlines()
    return tuple(
        (sentence, question, answer) for sentence, question, answer in (line.split("\t") for line in lines)
    )


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; expected at least 1")
