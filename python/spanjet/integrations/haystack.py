"""Read answers in Haystack pipelines, in place of Haystack's own extractive reader."""

import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from spanjet._core import sentence
from spanjet.config import RuntimeConfig
from spanjet.extras import import_extra
from spanjet.integrations._extraction.config import ExtractionConfig, own_names, warn_ignored
from spanjet.integrations._extraction.find import DocumentAnswer, answer_page, find_answers
from spanjet.reader.reader import Reader
from spanjet.validation import check_type

try:
    from haystack import (
        Document,
        ExtractedAnswer,
        component,
        default_from_dict,
        default_to_dict,
        logging,
    )
    from haystack.utils import ComponentDevice, Secret
except ImportError:
    import_extra("haystack", extra="haystack", purpose="spanjet.integrations.haystack needs haystack-ai")
    raise

__all__ = ["SpanjetExtractiveReader"]

logger = logging.getLogger(__name__)

TOKEN = Secret.from_env_var(["HF_API_TOKEN", "HF_TOKEN"], strict=False)
"""Default token of Haystack's readers, which is in every pipeline saved with one."""

CALIBRATION_FACTOR = 0.1
"""Default of Haystack's readers, likewise."""

_SETTINGS = [field.name for field in fields(ExtractionConfig)]

_loading = threading.Lock()


@component
class SpanjetExtractiveReader:
    """Find the answers to a query in documents, on CPUs and without torch.

    It takes the parameters of Haystack's ``TransformersExtractiveReader`` (in Haystack 2:
    ``ExtractiveReader``), so that in a saved pipeline only the type of the component changes.

    Scores are probabilities, as far as the model is calibrated; Haystack's are the logistic function of a
    tenth of a span's logits. Answers are ranked over all documents by margin, as `spanjet.Reader.search`
    ranks them. Models that have token types get them, which Haystack's reader does not pass.

    With ``no_answer``, one more answer has no ``data`` and no ``document``. Its score is the probability that
    no document answers the query: the product of the documents' own, which assumes that they err
    independently. Haystack's is the product of one minus the score over the ``top_k`` answers, in which the
    model's own "no answer" has no part. It stands before the first answer of a smaller score.

    A component may be shared between threads, copied and pickled. As with `spanjet.Reader`, a process that is
    forked after a run cannot run it.

    Args:
        model: a model directory, a checkpoint, or the id of a model on the Hugging Face hub (see
            `spanjet.load_model`); None: the bundled INT8 reader.
        device, token, max_batch_size, calibration_factor, model_kwargs: ignored, with one warning if set.
        top_k: maximum number of answers to a query, not counting the one without data.
        score_threshold: minimum score of an answer, 0 to 1; None: no minimum.
        max_seq_length: maximum number of tokens of a window, question and special tokens included.
        stride: number of tokens that neighbouring windows of a document share.
        answers_per_seq: maximum number of candidates in a document (Haystack: in a window); None: 20.
        no_answer: return the answer without data.
        overlap_threshold: share of the shorter of two spans of a document, 0 to 1, above which their overlap
            removes the worse one. Up to 0.01, any overlap does, and candidates never overlap; otherwise spans
            are removed from among the candidates. None: none is.
        max_answer_length: maximum number of tokens of an answer.
        runtime_config: arguments of `spanjet.RuntimeConfig`, such as ``{"threads": 2}``; None: its defaults.

    Raises:
        TypeError: a parameter is unknown or has the wrong type.
        ValueError: a parameter is out of range.

    Example:
        >>> from haystack import Document
        >>> from spanjet.integrations.haystack import SpanjetExtractiveReader
        >>> reader = SpanjetExtractiveReader(top_k=1, no_answer=False)
        >>> documents = [Document(content=text) for text in ("The park is old.", "Clara Hansen built it.")]
        >>> reader.run("Who built the bridge?", documents)["answers"][0].data
        'Clara Hansen'
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        device: ComponentDevice | None = None,
        token: Secret | None = TOKEN,
        top_k: int = 20,
        score_threshold: float | None = None,
        max_seq_length: int = 384,
        stride: int = 128,
        max_batch_size: int | None = None,
        answers_per_seq: int | None = None,
        no_answer: bool = True,
        calibration_factor: float = CALIBRATION_FACTOR,
        overlap_threshold: float | None = 0.01,
        model_kwargs: dict[str, Any] | None = None,
        *,
        max_answer_length: int = 30,
        runtime_config: dict[str, Any] | None = None,
    ) -> None:
        self.model = None if model is None else os.fspath(model)
        self.top_k = top_k
        self.score_threshold = score_threshold
        self.max_seq_length = max_seq_length
        self.stride = stride
        self.answers_per_seq = 20 if answers_per_seq is None else answers_per_seq
        self.no_answer = no_answer
        self.overlap_threshold = overlap_threshold
        self.max_answer_length = max_answer_length
        self.runtime_config = dict(check_type("runtime_config", runtime_config or {}, dict))
        self._reader: Reader | None = None
        # Errors come when a pipeline is built, not when it runs.
        self._config()
        RuntimeConfig(**self.runtime_config)
        warn_ignored(
            type(self).__name__,
            device=device,
            token=None if token in (TOKEN, TOKEN.to_dict()) else token,
            max_batch_size=max_batch_size,
            calibration_factor=None if calibration_factor == CALIBRATION_FACTOR else calibration_factor,
            model_kwargs=model_kwargs,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the component as a dictionary, without the parameters that it ignores."""
        names = ["model", *_SETTINGS, "runtime_config"]
        data: dict[str, Any] = default_to_dict(self, **{name: getattr(self, name) for name in names})
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "SpanjetExtractiveReader":
        """Make a component from a dictionary, which may have all parameters of Haystack's reader."""
        made: SpanjetExtractiveReader = default_from_dict(cls, data)
        return made

    def warm_up(self) -> None:
        """Read the model, unless that is done. It is compiled at the first run.

        Raises:
            OSError: a file of the model is missing or cannot be read.
            ValueError: the model is malformed, or ``max_seq_length`` exceeds its maximum length.
        """
        self._loaded()

    @component.output_types(answers=list[ExtractedAnswer])  # type: ignore[untyped-decorator]
    def run(
        self,
        query: str | list[str],
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
        max_seq_length: int | None = None,
        stride: int | None = None,
        max_batch_size: int | None = None,
        answers_per_seq: int | None = None,
        no_answer: bool | None = None,
        overlap_threshold: float | None = None,
    ) -> dict[str, list[ExtractedAnswer]]:
        """Find the answers to a query, or to each of several, in documents.

        Settings are those of the component, of which None takes its own value.

        Args:
            query: one query, or several, each of which is asked of all documents.
            documents: the documents. Those without content are left out, with a warning in the log; those of
                equal id and content are read once.
            top_k: maximum number of answers to a query.
            score_threshold: minimum score of an answer.
            max_seq_length: maximum number of tokens of a window.
            stride: number of tokens that neighbouring windows of a document share.
            max_batch_size: ignored, with a warning if set.
            answers_per_seq: number of candidates in a document.
            no_answer: return the answer without data.
            overlap_threshold: share of a span above which an overlap removes the worse answer.

        Returns:
            ``answers``, a list of `ExtractedAnswer`: those to the first query, best first, then those to the
            next one; an answer has its ``query``. ``document_offset`` counts code points of the document's
            content, ``context`` is the sentence of the answer, and ``context_offset`` counts from its start.
            If the document's ``meta`` has the integer ``page_number``, on which it begins, the answer's has
            ``answer_page_number``: that, and the number of form feeds before the answer. The list is empty if
            there are no documents.

        Raises:
            OSError: a file of the model is missing or cannot be read.
            ValueError: a query has no tokens, a text has a lone surrogate, or a setting is out of range.
            TypeError: an argument has the wrong type.
        """
        warn_ignored(type(self).__name__, max_batch_size=max_batch_size)
        config = self._config(
            top_k=top_k,
            score_threshold=score_threshold,
            max_seq_length=max_seq_length,
            stride=stride,
            answers_per_seq=answers_per_seq,
            no_answer=no_answer,
            overlap_threshold=overlap_threshold,
        )
        readable = _readable(documents)
        if not documents:
            return {"answers": []}
        texts = [(document.id, document.content) for document in readable]
        found = find_answers(self._loaded(), query, texts, config)
        return {"answers": [_extracted(answer, readable) for answer in found]}

    @component.output_types(answers=list[ExtractedAnswer])  # type: ignore[untyped-decorator]
    async def run_async(
        self,
        query: str | list[str],
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
        max_seq_length: int | None = None,
        stride: int | None = None,
        max_batch_size: int | None = None,
        answers_per_seq: int | None = None,
        no_answer: bool | None = None,
        overlap_threshold: float | None = None,
    ) -> dict[str, list[ExtractedAnswer]]:
        """Do what `run` does in another thread, so that the event loop is not blocked."""
        found: dict[str, list[ExtractedAnswer]] = await asyncio.to_thread(
            self.run,
            query,
            documents,
            top_k,
            score_threshold,
            max_seq_length,
            stride,
            max_batch_size,
            answers_per_seq,
            no_answer,
            overlap_threshold,
        )
        return found

    def _loaded(self) -> Reader:
        if self._reader is None:
            with _loading, own_names():
                self._reader = self._reader or Reader(
                    self.model,
                    runtime_config=RuntimeConfig(**self.runtime_config),
                    **self._config().reader_settings(),
                )
        return self._reader

    def _config(self, **given: Any) -> ExtractionConfig:
        own = {name: getattr(self, name) for name in _SETTINGS}
        return ExtractionConfig(**own | {name: value for name, value in given.items() if value is not None})


def _readable(documents: list[Document]) -> list[Document]:
    """Return the documents that have content, those of equal id and content once."""
    if not isinstance(documents, Sequence):
        raise TypeError(f"documents: expected a list of Document, found {type(documents).__name__}")
    readable: dict[tuple[str, str], Document] = {}
    for index, document in enumerate(documents):
        if check_type(f"documents[{index}]", document, Document).content is None:
            logger.warning("Document {id} has no content and is left out.", id=document.id)
        else:
            readable.setdefault((document.id, document.content), document)
    return list(readable.values())


def _extracted(found: DocumentAnswer, documents: list[Document]) -> ExtractedAnswer:
    """Convert an answer to Haystack's."""
    answer = found.answer
    if answer is None or found.document is None:
        return ExtractedAnswer(query=found.query, score=found.score)
    document = documents[found.document]
    first, last = sentence(document.content, answer.start, answer.end)
    return ExtractedAnswer(
        query=found.query,
        score=found.score,
        data=answer.text,
        document=document,
        context=document.content[first:last],
        document_offset=ExtractedAnswer.Span(answer.start, answer.end),
        context_offset=ExtractedAnswer.Span(answer.start - first, answer.end - first),
        meta=_page(document, answer.start),
    )


def _page(document: Document, start: int) -> dict[str, int]:
    """Return the metadata of an answer: its page, if it is known."""
    first_page = (document.meta or {}).get("page_number")
    page = answer_page(first_page, document.content, start)
    if page is not None:
        return {"answer_page_number": page}
    if first_page is not None:
        message = "Document {id} has the page_number {page}, expected an integer; its answers have no page."
        logger.warning(message, id=document.id, page=repr(first_page))
    return {}
