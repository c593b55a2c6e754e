"""Define the bodies of requests and responses."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "Answer",
    "AskRequest",
    "AskResponse",
    "Document",
    "DocumentRequest",
    "Element",
    "Health",
    "ModelMetadata",
    "PassageAnswer",
    "PassageText",
    "PipelineRequest",
    "Problem",
    "SearchRequest",
    "SearchResponse",
    "ServerMetadata",
]

MAX_TOP_K = 100


def _encodable(text: str) -> str:
    """Check that a text which comes back can be written in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"lone surrogate at {error.start}") from None
    return text


Text = Annotated[str, Field(min_length=1)]
TopK = Annotated[int, Field(ge=1, le=MAX_TOP_K)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
DocumentId = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{22}$")]


class _Request(BaseModel):
    """Body in which a wrong name is an error, and a number no text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Question(_Request):
    question: Text = Field(description="The question.", examples=["Who built the bridge?"])
    threshold: Literal["model"] | Probability | None = Field(
        default="model",
        description="Probability that the text answers the question below which it counts as not answered; "
        '"model": that of the model; null: none.',
    )


class AskRequest(_Question):
    """Question about one text or document."""

    context: Text | None = Field(
        default=None,
        description="The text; or give a document.",
        examples=["The bridge was built by Clara Hansen in 1903."],
    )
    document: DocumentId | None = Field(default=None, description="Id of an uploaded document.")
    top_k: TopK = Field(default=1, description="Maximum number of answers.")


class PassageText(_Request):
    """Passage with the caller's id."""

    id: Annotated[str, AfterValidator(_encodable)] | int = Field(
        description="Any id, which comes back with the answers."
    )
    text: str = Field(description="Text of the passage.")


class SearchRequest(_Question):
    """Question about many passages."""

    passages: list[str | PassageText] = Field(
        default=[],
        description="Texts, with or without ids.",
        examples=[["The bridge is old.", "It is long."]],
    )
    documents: list[DocumentId] = Field(default=[], description="Ids of uploaded documents.")
    top_k: TopK = Field(default=5, description="Maximum number of answers.")


class DocumentRequest(_Request):
    """Text to be asked often."""

    text: Text = Field(description="The text.")


class Answer(BaseModel):
    """Span of the text; offsets count Unicode code points, byte offsets the bytes of its UTF-8."""

    text: str = Field(description='Text of the span; "" for the null answer.')
    start: int
    end: int
    byte_start: int
    byte_end: int
    score: float = Field(description="Probability that this is the answer.")
    logit: float
    null_logit: float
    no_answer: float = Field(description="Probability that the text does not answer the question.")
    is_null: bool = Field(description="True for the null answer: the text does not answer the question.")


class PassageAnswer(Answer):
    """Span of one of the passages."""

    passage: int = Field(description="Index among the passages, followed by the documents.")
    passage_id: str | int | None = Field(description="Id of the passage or document, if it has one.")
    sentence: str = Field(description="Sentence of the answer.")
    sentence_start: int
    sentence_end: int


class _Answers(BaseModel):
    no_answer: float = Field(description="Probability that the question is not answered.")
    threshold: float | None = Field(description="The threshold that was applied; null: none.")
    warning: str | None = Field(
        default=None, description="Set if the question was too long and lost its end."
    )


class AskResponse(_Answers):
    """Answers, best first; the null answer is the first below the threshold."""

    answers: list[Answer]


class SearchResponse(_Answers):
    """Answers that reach the threshold, best first."""

    answers: list[PassageAnswer]
    passages: int = Field(description="Number of passages and documents that were searched.")


class Document(BaseModel):
    """Uploaded document."""

    id: str
    characters: int
    tokens: int
    expires_in: float = Field(description="Seconds until it is removed, unless it is used before.")


class Input(_Request):
    """Question and context."""

    model_config = ConfigDict(extra="ignore")

    question: Text
    context: Text


class Parameters(_Request):
    """Options of transformers' question-answering pipeline."""

    model_config = ConfigDict(extra="ignore")

    top_k: TopK | None = None
    doc_stride: int | None = Field(default=None, ge=0, description="Tokens that two windows share.")
    max_answer_len: int | None = Field(default=None, ge=1, description="Maximum tokens of an answer.")
    max_seq_len: int | None = Field(default=None, ge=1, description="Maximum tokens of a window.")
    max_question_len: int | None = Field(default=None, ge=1, description="Without effect.")
    handle_impossible_answer: bool | None = None
    align_to_words: bool | None = None


class PipelineRequest(_Request):
    """Body of Hugging Face's question-answering task."""

    model_config = ConfigDict(extra="ignore")

    inputs: Input | Annotated[list[Input], Field(min_length=1)] = Field(
        examples=[{"question": "Who built it?", "context": "The bridge was built by Clara Hansen in 1903."}]
    )
    parameters: Parameters | None = None


class Element(BaseModel):
    """Answer of Hugging Face's question-answering task."""

    answer: str
    score: float
    start: int
    end: int


class Health(BaseModel):
    """State of the server."""

    status: str


class ServerMetadata(BaseModel):
    """Metadata of the server, as the Open Inference Protocol has them."""

    name: str
    version: str
    extensions: list[str]


class Tensor(BaseModel):
    """Input or output of a model."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """Metadata of a model, as the Open Inference Protocol has them."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


class Detail(BaseModel):
    """Fault of one field."""

    loc: list[str | int] = Field(description="Path to the field.")
    msg: str


class Problem(BaseModel):
    """Body of all errors."""

    error: str = Field(description="What is wrong, in one line.")
    detail: list[Detail] | None = Field(default=None, description="Faults of the fields.")
