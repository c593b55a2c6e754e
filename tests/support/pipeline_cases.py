"""Calls of the question-answering pipeline, for transformers' and ours, and the comparison of results."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import texts

DATA = Path(__file__).parents[1] / "data" / "squad"
TOLERANCE = 1e-4

JAPANESE = (
    "東京スカイツリーは東京都墨田区押上にある電波塔である。高さは634メートルで、2012年5月22日に開業した。"
    "設計は日建設計が行い、建設は大林組が担当した。"
)
ARABIC = (
    "جسر السلطان حسن الأول جسر معلق يربط بين مدينتي الرباط وسلا، ويبلغ طوله 950 مترا. "
    "افتتح الجسر في 7 يوليو 2016، وصممه المهندس مارك ميمرام."
)
BRIDGE = (
    "The bridge was built by Clara Hansen in 1903. It is 42 metres long and 5 metres wide. "
    "Clara hansen also built the mill. Since 1950 the Bridge belongs to the town."
)
OTHERS = [
    ("高さは何メートルですか?", JAPANESE),
    ("誰が設計しましたか?", JAPANESE),
    ("كم يبلغ طول الجسر؟", ARABIC),
    ("متى افتتح الجسر؟", ARABIC),
    ("Who built the bridge?", BRIDGE),
    ("What does [SEP] </s> mean, and [CLS]?", "A [SEP] token [CLS] separates two texts </s>, says <s> BERT."),
    ("Who?", "Berlin"),
    ("Who?", "In Berlin."),
    (" ", "Only white space asks."),
    ("Where?", " \n "),
]

OPTIONS: list[dict[str, Any]] = [
    {},
    {"top_k": 2},
    {"top_k": 3, "handle_impossible_answer": True},
    {"top_k": 5},
    {"handle_impossible_answer": True},
    {"align_to_words": False},
    {"align_to_words": False, "top_k": 4, "handle_impossible_answer": True},
    {"max_seq_len": 64, "doc_stride": 16, "top_k": 3},
    {"max_seq_len": 48, "doc_stride": 0, "handle_impossible_answer": True},
    {"max_seq_len": 64, "top_k": 2, "max_answer_len": 3},
    {"max_answer_len": 1, "top_k": 4},
    {"max_answer_len": 60, "top_k": 20},
]


@dataclass(frozen=True)
class Case:
    """One question and one context with the options of a call."""

    question: str
    context: str
    options: dict[str, Any]


def cases(count: int, seed: int, longest: int | None = None) -> list[Case]:
    """Questions of SQuAD's excerpts, of other languages and of random Unicode, with each option in turn.

    A context is cut to `longest` characters.
    """
    pairs = [*OTHERS, *squad(DATA / "v1.1.json"), *squad(DATA / "v2.0.json")]
    lines = texts.random_texts(60, seed)
    halves = zip(lines[:30], lines[30:], strict=True)
    pairs += [(f"{question} ?", f"{context} .") for question, context in halves]
    rng = random.Random(seed)
    rng.shuffle(pairs)
    chosen = [(pairs[index % len(pairs)], OPTIONS[index % len(OPTIONS)]) for index in range(count)]
    return [Case(question, context[:longest], options) for (question, context), options in chosen]


def squad(path: Path) -> Iterator[tuple[str, str]]:
    """The questions and contexts of a SQuAD file."""
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for entry in paragraph["qas"]:
                yield entry["question"], paragraph["context"]


@dataclass
class Comparison:
    """Counts of results that are equal, that differ where scores are as good as equal, and the others."""

    equal: int = 0
    tied: int = 0
    different: list[str] = field(default_factory=list)
    largest: float = 0.0

    def add(self, name: str, theirs: Any, ours: Any) -> None:
        """Compare the results of one call."""
        if is_error(theirs) or is_error(ours):
            if theirs == ours:
                self.equal += 1
            else:
                self.different.append(f"{name}: {theirs}, ours {ours}")
            return
        if type(theirs) is not type(ours):
            self.different.append(f"{name}: {type(theirs).__name__}, ours {type(ours).__name__}")
            return
        verdict = difference(as_list(theirs), as_list(ours))
        if verdict is None:
            self.equal += 1
            gaps = [abs(a["score"] - b["score"]) for a, b in zip(as_list(theirs), as_list(ours), strict=True)]
            self.largest = max([self.largest, *gaps])
        elif verdict == "tied":
            self.tied += 1
        else:
            self.different.append(f"{name}: {verdict}")


def is_error(result: Any) -> bool:
    """Whether a call raised an error."""
    return isinstance(result, dict) and "raises" in result


def as_list(result: Any) -> list[dict[str, Any]]:
    """The answers of a result, which is one answer or a list of them."""
    return [result] if isinstance(result, dict) else result


def difference(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str | None:
    """None: equal; "tied": they differ in answers whose scores are within the tolerance; else the reason."""
    tied = len(theirs) != len(ours)
    scores = {span(answer): answer["score"] for answer in theirs}
    for rank in range(max(len(theirs), len(ours))):
        expected = theirs[rank] if rank < len(theirs) else None
        found = ours[rank] if rank < len(ours) else None
        if expected is None or found is None:
            # One list may have more answers of no probability at all.
            extra = expected or found or {}
            if extra["score"] > TOLERANCE:
                return f"rank {rank}: {expected}, ours {found}"
        elif abs(expected["score"] - found["score"]) > TOLERANCE:
            return f"rank {rank}: {expected}, ours {found}"
        elif span(expected) != span(found):
            tied = True
            # By transformers' own scores, where its list has ours.
            if abs(scores.get(span(found), found["score"]) - expected["score"]) > TOLERANCE:
                return f"rank {rank}: {expected}, ours {found}"
    return "tied" if tied else None


def span(answer: dict[str, Any]) -> tuple[int, int, str]:
    """What identifies an answer."""
    return answer["start"], answer["end"], answer["answer"]


QUESTION, CONTEXT = "Who built the bridge?", BRIDGE
EXAMPLE = {"question": QUESTION, "context": CONTEXT}
SECOND = {"question": "How long is it?", "context": CONTEXT}

FORMS: dict[str, Callable[[Any], Any]] = {
    "question and context": lambda qa: qa(question=QUESTION, context=CONTEXT),
    "two positional texts": lambda qa: qa(QUESTION, CONTEXT),
    "one example": lambda qa: qa(EXAMPLE),
    "a list of one example": lambda qa: qa([EXAMPLE]),
    "a list of examples": lambda qa: qa([EXAMPLE, SECOND]),
    "a tuple of examples": lambda qa: qa((EXAMPLE, SECOND)),
    "several positional examples": lambda qa: qa(EXAMPLE, SECOND),
    "no example": lambda qa: qa([]),
    "X": lambda qa: qa(X=[EXAMPLE, SECOND]),
    "data": lambda qa: qa(data=EXAMPLE),
    "predict": lambda qa: qa.predict(EXAMPLE),
    "transform": lambda qa: qa.transform([EXAMPLE]),
    "questions and one context": lambda qa: qa(question=[QUESTION, "How long?"], context=CONTEXT),
    "one question in a list": lambda qa: qa(question=[QUESTION], context=CONTEXT),
    "questions and contexts": lambda qa: qa(question=[QUESTION] * 2, context=[CONTEXT, "Ann built it."]),
    "an example of lists": lambda qa: qa({"question": [QUESTION] * 2, "context": [CONTEXT, "Ann did."]}),
    "a generator": lambda qa: list(qa(example for example in [EXAMPLE, SECOND])),
    "a generator in batches": lambda qa: list(qa((each for each in [EXAMPLE, SECOND] * 3), batch_size=2)),
    "a generator of empty texts": lambda qa: list(qa(each for each in [{"question": "", "context": ""}])),
    "top_k": lambda qa: qa(question=QUESTION, context=CONTEXT, top_k=3),
    "topk": lambda qa: qa(question=QUESTION, context=CONTEXT, topk=3),
    "topk and top_k": lambda qa: qa(question=QUESTION, context=CONTEXT, topk=3, top_k=2),
    "exactly one answer": lambda qa: qa(
        question=QUESTION, context="Ann", top_k=5, align_to_words=False, max_answer_len=1
    ),
    "an unknown keyword": lambda qa: qa(question=QUESTION, context=CONTEXT, verbose=True),
    "a maximum question length": lambda qa: qa(question=QUESTION, context=CONTEXT, max_question_len=2),
    "padding": lambda qa: qa(question=QUESTION, context=CONTEXT, padding="longest"),
    "top_k of 0": lambda qa: qa(question=QUESTION, context=CONTEXT, top_k=0),
    "max_answer_len of 0": lambda qa: qa(question=QUESTION, context=CONTEXT, max_answer_len=0),
    "a stride beyond the window": lambda qa: qa(
        question=QUESTION, context=CONTEXT, max_seq_len=32, doc_stride=33
    ),
    "an empty question": lambda qa: qa(question="", context=CONTEXT),
    "an empty context": lambda qa: qa(question=QUESTION, context=""),
    "no context": lambda qa: qa(question=QUESTION),
    "a question of None": lambda qa: qa({"question": None, "context": CONTEXT}),
    "a context of None": lambda qa: qa({"question": QUESTION, "context": None}),
    "None": lambda qa: qa(question=None, context=CONTEXT),
    "unequal lists": lambda qa: qa(question=[QUESTION] * 2, context=[CONTEXT]),
    "a question and a list": lambda qa: qa(question=QUESTION, context=[CONTEXT]),
    "a missing context": lambda qa: qa({"question": QUESTION}),
    "a missing question": lambda qa: qa([{"context": CONTEXT}]),
    "one text": lambda qa: qa(QUESTION),
    "a number": lambda qa: qa(3),
    "numbers": lambda qa: qa([3, 4]),
    "nothing": lambda qa: qa(),
}
"""Forms of a call; each returns a result or raises."""


def ask(qa: Any, case: Case) -> Any:
    """The result of a case, or the kind of its error."""
    return outcome(lambda: qa(question=case.question, context=case.context, **case.options))


def call(qa: Any, form: str) -> Any:
    """The result of a form of a call, or the kind of its error."""
    return outcome(lambda: FORMS[form](qa))


def outcome(call: Callable[[], Any]) -> Any:
    """The result of a call, or the kind of its error."""
    try:
        return call()
    except (ValueError, KeyError, TypeError) as error:
        kind = next(kind for kind in (ValueError, KeyError, TypeError) if isinstance(error, kind))
        return {"raises": kind.__name__}
    except BaseException as error:
        # Errors and panics of the tokenizers package have no kind of their own.
        if type(error).__module__.startswith("spanjet") or isinstance(error, KeyboardInterrupt):
            raise
        is_tokenizers = type(error).__name__ in ("Exception", "PanicException")
        return {"raises": "ValueError" if is_tokenizers else "another"}
