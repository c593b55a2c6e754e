"""The contestants, each by its own best interface for many texts.

A contestant has a method for each work that it can do, which is timed, and one that takes the rows out
of its result for the comparison, which is not: ``ids``, ``ids_rows``; ``offsets``, ``offsets_rows`` …
What a contestant returns stays in its own form while the clock runs, Python lists or NumPy arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from importlib import import_module, metadata
from itertools import groupby, pairwise
from typing import Any, ClassVar

import numpy as np
import spanjet
from numpy.typing import NDArray

from benches import example_scripts
from benches.example_scripts import DOC_STRIDE, MAX_LENGTH, Features
from benches.peers.tasks import N_BEST, UNCASED, Logits, Pairs

Row = tuple[Any, Any]
"""What is compared of one text, window or question: ids, and offsets in code points or None."""

METHODS = {
    "ids": "ids",
    "ids + offsets": "offsets",
    "features": "features",
    "decode, 20 of 20": "decode",
    "decode, 1 of 20": "decode_best",
}
"""The method of each work. The last two: all spans of the n-best list, or the best one alone."""

TOKENIZER_JSON = str(UNCASED / "tokenizer.json")
ROWS_OF_A_BATCH = 16


class Contestant(ABC):
    """One package.

    Args:
        work: the work that it is made for, a key of `METHODS`.
        threads: how many it may use; None: all.
    """

    package: ClassVar[str]
    name: ClassVar[str]
    cannot: ClassVar[str] = ""
    reference: ClassVar[bool] = False
    """Whether the others' results are compared with this one's."""
    all_threads: ClassVar[bool] = False
    """Whether it also runs on all CPUs."""

    def __init__(self, work: str, threads: int | None) -> None:
        self.work = work
        self.threads = threads
        self.load()

    @abstractmethod
    def load(self) -> None:
        """Import the package and load its tokenizer."""

    @classmethod
    def can(cls, work: str) -> bool:
        return hasattr(cls, METHODS[work])

    @classmethod
    def version(cls) -> str:
        return metadata.version(cls.package)


class Spanjet(Contestant):
    package = name = "spanjet"
    all_threads = True

    @classmethod
    def version(cls) -> str:
        return spanjet.__version__

    def load(self) -> None:
        self.tokenizer = spanjet.Tokenizer(UNCASED, threads=self.threads, match_special_tokens=True)

    def ids(self, texts: list[str]) -> Any:
        return self.tokenizer.encode_ids(texts)

    def ids_rows(self, found: Any, _: list[str]) -> Iterator[Row]:
        return ragged(*found)

    def offsets(self, texts: list[str]) -> Any:
        encodings = self.tokenizer.encode_batch(texts)
        # Code points are counted when they are first asked for.
        return encodings.ids, encodings.indptr, encodings.offsets

    def offsets_rows(self, found: Any, _: list[str]) -> Iterator[Row]:
        return ragged(*found)

    def features(self, pairs: Pairs) -> list[Features]:
        windows = self.tokenizer.windows(
            pairs.questions,
            pairs.contexts,
            max_length=MAX_LENGTH,
            doc_stride=DOC_STRIDE,
            convention="overlap",
            max_question_length=None,
        )
        rows = np.arange(len(windows))
        parts = (rows[i : i + ROWS_OF_A_BATCH] for i in range(0, len(rows), ROWS_OF_A_BATCH))
        batches = [windows.batch(part, length=MAX_LENGTH) for part in parts]
        return [Features(batch.input_ids, batch.attention_mask, batch.token_type_ids) for batch in batches]

    def features_rows(self, found: list[Features], _: Pairs) -> Iterator[Row]:
        return feature_rows(found)

    def decode(self, logits: Logits) -> spanjet.Spans:
        return self.decoded(logits, top_k=N_BEST)

    def decode_best(self, logits: Logits) -> spanjet.Spans:
        return self.decoded(logits, top_k=1)

    def decoded(self, logits: Logits, *, top_k: int) -> spanjet.Spans:
        """Spans as the scripts have them: of tokens, and those that overlap a better one too."""
        return spanjet.decode_spans(
            logits.windows,
            logits.start,
            logits.end,
            top_k=top_k,
            n_best=N_BEST,
            overlap=True,
            align_to_words=False,
        )

    def decode_rows(self, spans: spanjet.Spans, _: Logits) -> Iterator[Row]:
        """The best spans; the scripts keep further ones twice, where windows overlap."""
        best = spans.indptr[:-1]
        return (
            (row, None) for row in zip(spans.start[best], spans.end[best], spans.logit[best], strict=True)
        )

    decode_best_rows = decode_rows


class Tokenizers(Contestant):
    package = name = "tokenizers"
    reference = True

    def load(self) -> None:
        self.tokenizer: Any = import_module("tokenizers").Tokenizer.from_file(TOKENIZER_JSON)
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        if self.work == "features":
            self.tokenizer.enable_truncation(MAX_LENGTH, stride=DOC_STRIDE, strategy="only_second")
            self.tokenizer.enable_padding(length=MAX_LENGTH)

    def ids(self, texts: list[str]) -> Any:
        return self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)

    def ids_rows(self, found: Any, _: list[str]) -> Iterator[Row]:
        return ((encoding.ids, None) for encoding in found)

    def offsets(self, texts: list[str]) -> Any:
        return self.tokenizer.encode_batch(texts, add_special_tokens=False)

    def offsets_rows(self, found: Any, _: list[str]) -> Iterator[Row]:
        return ((encoding.ids, encoding.offsets) for encoding in found)

    def features(self, pairs: Pairs) -> list[Features]:
        windows = example_scripts.encode_pairs(self.tokenizer, pairs.questions, pairs.contexts)
        parts = range(0, len(windows), ROWS_OF_A_BATCH)
        return [example_scripts.features(windows[i : i + ROWS_OF_A_BATCH]) for i in parts]

    def features_rows(self, found: list[Features], _: Pairs) -> Iterator[Row]:
        return feature_rows(found)


class Nanotoken(Contestant):
    package = name = "nanotoken"
    cannot = "offsets, pairs, windows"

    def load(self) -> None:
        self.tokenizer: Any = import_module("nanotoken").Tokenizer(TOKENIZER_JSON)

    def ids(self, texts: list[str]) -> Any:
        return self.tokenizer.encode_batch(texts, add_special_tokens=False, parallel=False)

    def ids_rows(self, found: Any, _: list[str]) -> Iterator[Row]:
        return ragged(found.ids, found.offsets)


class Tokie(Contestant):
    package = name = "tokie"
    # Its offsets count bytes of the normalised text.
    cannot = "offsets of the text itself, windows"

    def load(self) -> None:
        self.tokenizer: Any = import_module("tokie").Tokenizer.from_json(TOKENIZER_JSON)

    def ids(self, texts: list[str]) -> Any:
        return self.tokenizer.encode_batch(texts, add_special_tokens=False)

    def ids_rows(self, found: Any, _: list[str]) -> Iterator[Row]:
        return ((encoding.ids, None) for encoding in found)

    def offsets(self, texts: list[str]) -> Any:
        return [self.tokenizer.encode_with_offsets(text, add_special_tokens=False) for text in texts]

    def offsets_rows(self, found: Any, texts: list[str]) -> Iterator[Row]:
        for encoding, text in zip(found, texts, strict=True):
            yield encoding.ids, in_code_points(text, encoding.offsets)


class Blingfire(Contestant):
    package = name = "blingfire"
    # Its offsets count bytes.
    cannot = "offsets in characters, pairs, windows"

    def load(self) -> None:
        self.module = import_module("blingfire")
        self.model = self.module.load_model(f"{self.module.path}/bert_base_tok.bin")
        self.unknown = spanjet.Tokenizer(UNCASED, threads=1).unk_token_id

    def ids(self, texts: list[str]) -> Any:
        encode, model, unknown = self.module.text_to_ids, self.model, self.unknown
        return [encode(model, text, len(text), unknown, True) for text in texts]

    def ids_rows(self, found: Any, _: list[str]) -> Iterator[Row]:
        return ((ids, None) for ids in found)

    def offsets(self, texts: list[str]) -> Any:
        encode, model, unknown = self.module.utf8text_to_ids_with_offsets, self.model, self.unknown
        return [encode(model, text.encode(), len(text), unknown, True) for text in texts]

    def offsets_rows(self, found: Any, texts: list[str]) -> Iterator[Row]:
        for (ids, starts, lasts), text in zip(found, texts, strict=True):
            yield ids, in_code_points(text, np.column_stack((starts, lasts + 1)))


class FlashTokenizer(Contestant):
    package = name = "flash-tokenizer"
    cannot = "offsets, pairs, windows"

    def load(self) -> None:
        make = import_module("flash_tokenizer").BertTokenizerFlash
        self.longest = 2**24
        self.tokenizer: Any = make(
            str(UNCASED / "vocab.txt"), do_lower_case=True, model_max_length=self.longest
        )

    def ids(self, texts: list[str]) -> Any:
        return self.tokenizer(
            texts,
            padding="longest",
            max_length=self.longest,
            return_token_type_ids=False,
            return_attention_mask=False,
            do_multiprocess=False,
        ).input_ids

    def ids_rows(self, found: Any, _: list[str]) -> Iterator[Row]:
        return ((ids[1:-1], None) for ids in found)


class ExampleScripts(Contestant):
    """The n-best lists of question-answering scripts, in NumPy and Python."""

    package, name = "numpy", "example scripts"
    reference = True

    def load(self) -> None:
        pass

    def decode(self, logits: Logits) -> Any:
        questions = enumerate(logits.windows.question.tolist())
        groups = ([row for row, _ in group] for _, group in groupby(questions, lambda pair: pair[1]))
        return [
            example_scripts.decode(
                [logits.offsets[row] for row in rows],
                [logits.start[row] for row in rows],
                [logits.end[row] for row in rows],
                n_best=N_BEST,
            )
            for rows in groups
        ]

    def decode_rows(self, found: Any, _: Logits) -> Iterator[Row]:
        return (((best.start, best.end, best.score), None) for best, *_ in found)

    # The best span's probability needs the whole list.
    decode_best, decode_best_rows = decode, decode_rows


ALL: tuple[type[Contestant], ...] = (
    *(Spanjet, Nanotoken, Tokie, Blingfire, FlashTokenizer, Tokenizers),
    ExampleScripts,
)


def ragged(ids: NDArray[Any], indptr: NDArray[Any], offsets: NDArray[Any] | None = None) -> Iterator[Row]:
    """The rows of flat arrays."""
    for start, end in pairwise(indptr.tolist()):
        yield ids[start:end], None if offsets is None else offsets[start:end]


def feature_rows(batches: Iterable[Features]) -> Iterator[Row]:
    """A row for each window: its ids, mask and types."""
    return ((row, None) for batch in batches for row in zip(*batch, strict=True))


def in_code_points(text: str, offsets: Any) -> NDArray[np.int64]:
    """Byte offsets as code points of the text; -1 for what lies in no code point's beginning."""
    starts = np.full(len(text.encode()) + 1, -1, np.int64)
    lengths = [len(character.encode()) for character in text]
    starts[np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))] = np.arange(len(text) + 1)
    flat = np.asarray(offsets, np.int64).reshape(-1, 2)
    outside = (flat < 0) | (flat >= len(starts))
    return np.where(outside, -1, starts[np.where(outside, 0, flat)])
