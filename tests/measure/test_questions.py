"""Questions that come with the package, and samples of a data set."""

from pathlib import Path

import numpy as np
import pytest
from spanjet import Reader
from spanjet.files.datasets.squad import load_squad
from spanjet.measure.questions import _read_sentences, built_in, sample


def test_sentences_hold_their_answers() -> None:
    sentences = _read_sentences()
    assert len(set(sentences)) == len(sentences) > 70
    for sentence, question, answer in sentences:
        assert sentence.count(answer) == 1
        assert sentence.endswith((".", '"'))
        assert question.endswith("?")


def test_built_in_questions_are_as_long_as_squad() -> None:
    dataset = built_in(2000, 0)
    assert len(dataset) == 2000
    assert len({question.id for question in dataset.questions}) == 2000
    assert all(question.answers[0] in question.context for question in dataset.questions)
    tokenizer = Reader().tokenizer
    windows = tokenizer.windows(
        [each.question for each in dataset.questions], [each.context for each in dataset.questions]
    )
    lengths = np.diff(windows.indptr)
    # SQuAD v1.1 dev: mean 178, median 164, 2.4 % of the windows full.
    assert lengths.mean() == pytest.approx(178, rel=0.05)
    assert np.median(lengths) == pytest.approx(164, rel=0.05)
    assert 0.01 < (lengths == 384).mean() < 0.05


def test_questions_are_seeded(data: Path) -> None:
    assert built_in(50, 1) == built_in(50, 1)
    assert built_in(50, 1) != built_in(50, 2)
    dataset = load_squad(data / "squad" / "v1.1.json")
    assert sample(dataset, 7, 1) == sample(dataset, 7, 1)
    assert sample(dataset, 7, 1) != sample(dataset, 7, 2)
    assert len(sample(dataset, 7, 1)) == 7
    everything = sample(dataset, None, 1)
    assert set(everything.questions) == set(sample(dataset, 10**6, 2).questions) == set(dataset.questions)
    for make in (built_in, lambda limit, seed: sample(dataset, limit, seed)):
        with pytest.raises(ValueError, match=r"^limit is 0; expected at least 1$"):
            make(0, 0)
