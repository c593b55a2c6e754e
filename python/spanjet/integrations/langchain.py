"""Cite the documents that LangChain retrieves: a document compressor and a runnable.

Both load their model when they are first used, read in a thread when they are awaited, and can be pickled. To
load one model for both, give them one `spanjet.Reader`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from spanjet.extras import import_extra
from spanjet.integrations._answering import find_passages, find_passages_async
from spanjet.integrations._citations import answer_metadata, title_of
from spanjet.reader.errors import reworded
from spanjet.reader.passages import PassageAnswer

try:
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.runnables import RunnableConfig, RunnableSerializable
    from pydantic import BaseModel, ConfigDict, PositiveInt
    from typing_extensions import TypedDict
except ImportError:
    import_extra(
        "langchain_core.documents",
        extra="langchain",
        purpose="spanjet.integrations.langchain needs langchain-core",
    )
    raise

from spanjet.integrations._fields import ReaderField, ThresholdField

__all__ = ["CitedAnswer", "CitedAnswers", "ReaderInput", "SpanjetCompressor", "SpanjetReader"]


class SpanjetCompressor(BaseDocumentCompressor):  # type: ignore[misc]
    """Keep the retrieved documents that answer the query, and of these the sentence with the answer.

    Documents come best first, by the margin of their best answer (docs/scores.md). They keep their id and
    metadata, which are extended by the answer, so that it can be cited.

    Args:
        model: model directory, hub id, `spanjet.Reader`, or None: the bundled model.
        top_k: maximum number of documents; None: all that answer the query.
        threshold: minimum probability that a document answers the query, 0 to 1; ``"reader"``: the reader's
            own, which is the model's for a path or an id; ``"model"``: the one in the model's card; None:
            keep all documents that have any text.
        content: new ``page_content``: ``"sentence"``: the answer's sentence, or all its sentences if it
            crosses several; ``"span"``: the answer; ``"document"``: the text as it was.
        keep_context: keep the text as it was in the metadata, unless it is the ``page_content``.
        metadata_prefix: beginning of the new metadata keys, which replace those of the same name.

    The new metadata, of which all offsets are in code points, end exclusive:

    - ``answer_text``, and ``answer_start`` and ``answer_end``, its offsets in the text of the document
    - ``answer_score``: probability that this is the answer
    - ``answer_no_answer``: probability that the document does not answer the query
    - ``answer_sentence_start``, ``answer_sentence_end``: offsets of the sentence
    - ``answer_context``: the text of the document, with ``keep_context``
    - ``answer_source_start``, ``answer_source_end``: offsets in the source that the document was split from,
      if its metadata have ``start_index`` (``add_start_index`` of LangChain's text splitters)

    Raises:
        ValueError: an argument is out of range or of the wrong type (pydantic's ValidationError).

    Example:
        >>> from langchain_core.documents import Document
        >>> from spanjet.integrations.langchain import SpanjetCompressor
        >>> documents = [Document("The park is old."), Document("It is long. Clara Hansen built the bridge.")]
        >>> (kept,) = SpanjetCompressor().compress_documents(documents, "Who built the bridge?")
        >>> kept.page_content, kept.metadata["answer_text"]
        ('Clara Hansen built the bridge.', 'Clara Hansen')
    """

    model: ReaderField = None  # type: ignore[assignment]
    top_k: PositiveInt | None = None
    threshold: ThresholdField = "reader"
    content: Literal["sentence", "span", "document"] = "sentence"
    keep_context: bool = True
    metadata_prefix: str = "answer_"

    model_config = ConfigDict(extra="forbid", validate_default=True)

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002  (of the interface; no run is started)
    ) -> list[Document]:
        """Return the documents that answer the query, best first.

        Args:
            documents: retrieved documents; blank ones have no answer.
            query: the question.
            callbacks: not used.

        Returns:
            New documents; none if none answers the query.

        Raises:
            OSError: the model cannot be read.
            ValueError: the query has no tokens, or a text has a lone surrogate; the message has the
                document's index.
            TypeError: the query is not a text.
        """
        answers = find_passages(self.model, query, _texts(documents), **self._options())
        return [self._compressed(documents[answer.passage], answer) for answer in answers]

    async def acompress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002  (of the interface; no run is started)
    ) -> list[Document]:
        """Return what `compress_documents` does, without blocking the event loop.

        Concurrent calls are answered in batches, see `spanjet.Reader.ask_async`.
        """
        answers = await find_passages_async(self.model, query, _texts(documents), **self._options())
        return [self._compressed(documents[answer.passage], answer) for answer in answers]

    def _options(self) -> dict[str, Any]:
        return {"top_k": self.top_k, "threshold": self.threshold, "name": "documents"}

    def _compressed(self, document: Document, answer: PassageAnswer) -> Document:
        contents = {"sentence": answer.sentence, "span": answer.text, "document": document.page_content}
        source_start = document.metadata.get("start_index")
        if not isinstance(source_start, int) or source_start < 0:  # the splitters' mark of an unknown place
            source_start = None
        found = answer_metadata(answer, prefix=self.metadata_prefix, source_start=source_start)
        if self.keep_context and self.content != "document":
            found[f"{self.metadata_prefix}context"] = document.page_content
        update = {"page_content": contents[self.content], "metadata": {**document.metadata, **found}}
        return document.model_copy(update=update)


def _texts(documents: Sequence[Document]) -> list[str]:
    return [document.page_content for document in documents]


class ReaderInput(TypedDict):
    """Input of `SpanjetReader`.

    Attributes:
        question: the question.
        documents: documents or texts to find the answers in.
    """

    question: str
    documents: Sequence[Document | str]


class CitedAnswer(BaseModel):
    """Answer with the document that it is cited from.

    Attributes:
        text: text of the answer.
        start, end: its offsets in the document's ``page_content`` in code points, end exclusive.
        score: probability that this is the answer, 0 to 1.
        no_answer: probability that this document does not answer the question.
        sentence: the answer's sentence, or all its sentences if it crosses several.
        sentence_start, sentence_end: offsets of the sentence.
        citation: the answer in the layout of citation APIs, as of `spanjet.PassageAnswer.to_citation`; the
            document's title is its metadata's ``title``, ``source`` or ``file_name``, or else its id.
        document: the document.
    """

    text: str
    start: int
    end: int
    score: float
    no_answer: float
    sentence: str
    sentence_start: int
    sentence_end: int
    citation: dict[str, Any]
    document: Document


class CitedAnswers(BaseModel):
    """Answers to a question, best first, with their citations.

    Attributes:
        answers: answers, best first; empty if no document reaches the threshold.
        no_answer: probability that no document answers the question, 0 to 1, if their errors are independent.
    """

    answers: list[CitedAnswer]
    no_answer: float


class SpanjetReader(RunnableSerializable[ReaderInput, CitedAnswers]):  # type: ignore[misc]
    """Read the best answers to a question out of documents, as a runnable.

    The input is a dictionary with a ``question`` and the ``documents``, the output a `CitedAnswers`. Keyword
    arguments of a call (`bind`) override ``top_k`` and ``threshold``.

    Args:
        model: model directory, hub id, `spanjet.Reader`, or None: the bundled model.
        top_k: maximum number of answers, of which several may be from one document.
        threshold: minimum probability of an answer, 0 to 1; ``"reader"``: the reader's own, which is the
            model's for a path or an id; ``"model"``: the one in the model's card; None: always answer.

    Raises:
        ValueError: an argument is out of range or of the wrong type (pydantic's ValidationError).

    Example:
        >>> from spanjet.integrations.langchain import SpanjetReader
        >>> documents = ["The park is old.", "Clara Hansen built the bridge."]
        >>> found = SpanjetReader().invoke({"question": "Who built the bridge?", "documents": documents})
        >>> found.answers[0].text, found.answers[0].citation["document_index"]
        ('Clara Hansen', 1)
    """

    model: ReaderField = None  # type: ignore[assignment]
    top_k: PositiveInt = 5
    threshold: ThresholdField = "reader"

    model_config = ConfigDict(extra="forbid", validate_default=True)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return True: `langchain_core.load` writes and reads the settings."""
        return True

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """The model as it was given."""
        return {"model": self.model.model}

    def invoke(
        self,
        input: ReaderInput,  # noqa: A002  (as the interface calls it)
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> CitedAnswers:
        """Return the best answers in the documents.

        Args:
            input: question and documents.
            config: settings of the run, such as callbacks.
            kwargs: ``top_k`` and ``threshold`` of this call.

        Raises:
            OSError: the model cannot be read.
            ValueError: a key is missing, the question has no tokens, or a text has a lone surrogate; the
                message has the document's index.
            TypeError: the input, the question or a document has the wrong type.
        """
        return self._call_with_config(self._read, input, config, **kwargs)  # type: ignore[no-any-return]

    def _read(self, given: ReaderInput, **options: Any) -> CitedAnswers:
        question, documents = _checked(given)
        passages = [(title_of(each.metadata, each.id), each.page_content) for each in documents]
        options = {"top_k": self.top_k, "threshold": self.threshold, **options}
        try:
            found = self.model.reader.search(question, passages, **options)
        except (ValueError, TypeError) as error:
            raise reworded(error, str(error).replace("passages[", "documents[", 1)) from None
        answers = [_cited(answer, documents[answer.passage]) for answer in found]
        return CitedAnswers(answers=answers, no_answer=found.no_answer)


def _checked(given: Any) -> tuple[str, list[Document]]:
    """Check the types of an input; a text becomes a document."""
    expected = "input: expected a dictionary with 'question' and 'documents'"
    if not isinstance(given, Mapping):
        raise TypeError(f"{expected}, found {type(given).__name__}")
    missing = [key for key in ReaderInput.__annotations__ if key not in given]
    if missing:
        raise ValueError(f"{expected}; {' and '.join(map(repr, missing))} missing")
    question, documents = given["question"], given["documents"]
    if not isinstance(question, str):
        raise TypeError(f"question: expected a text, found {type(question).__name__}")
    if isinstance(documents, str | Document) or not isinstance(documents, Sequence):
        found = type(documents).__name__
        raise TypeError(f"documents: expected a sequence of documents or texts, found {found}")
    for index, each in enumerate(documents):
        if not isinstance(each, str | Document):
            found = type(each).__name__
            raise TypeError(f"documents[{index}]: expected a document or a text, found {found}")
    return question, [Document(page_content=each) if isinstance(each, str) else each for each in documents]


def _cited(answer: PassageAnswer, document: Document) -> CitedAnswer:
    return CitedAnswer(
        text=answer.text,
        start=answer.start,
        end=answer.end,
        score=answer.score,
        no_answer=answer.no_answer,
        sentence=answer.sentence,
        sentence_start=answer.sentence_start,
        sentence_end=answer.sentence_end,
        citation=answer.to_citation(),
        document=document,
    )
