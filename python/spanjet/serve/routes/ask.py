"""Answer questions: one text, one document, or many passages."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from spanjet.reader.answer import Answer, Document
from spanjet.reader.passages import Passage, PassageAnswer
from spanjet.reader.reader import Reader
from spanjet.reader.warnings import question_warning
from spanjet.serve.errors import RequestError, faults_of
from spanjet.serve.routes.documents import kept
from spanjet.serve.schemas import Answer as AnswerBody
from spanjet.serve.schemas import AskRequest, AskResponse, PassageText, SearchRequest, SearchResponse
from spanjet.serve.schemas import PassageAnswer as PassageAnswerBody
from spanjet.serve.service import Service, service_of
from spanjet.serve.size import check_size

__all__ = ["router"]

FIELDS, PASSAGE_FIELDS = tuple(AnswerBody.model_fields), tuple(PassageAnswerBody.model_fields)

router = APIRouter(prefix="/v1", tags=["questions"])


@router.post("/ask", summary="Answer a question about a text or a document", response_model=AskResponse)
async def ask(body: AskRequest, service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """Answer a question about a text or an uploaded document."""
    reader = service.reader
    context = await _context(body, service)
    with faults_of(context="context" if body.document is None else "document"):
        check_size([(body.question, context)], reader.tokenizer, reader.window_config)
        answers = await reader.ask_async(
            body.question, context, top_k=body.top_k, threshold=body.threshold, when_full="raise"
        )
    found = [_answer(answer) for answer in answers]
    return {"answers": found, "no_answer": answers[0].no_answer, **_shared(body, reader)}


@router.post("/search", summary="Find the best answers in many passages", response_model=SearchResponse)
async def search(body: SearchRequest, service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """Find the best answers in passages and uploaded documents."""
    reader = service.reader
    passages = await _passages(body, service)
    texts = [passage[1] if isinstance(passage, tuple) else passage for passage in passages]
    with faults_of(documents_from=len(body.passages)):
        check_size([(body.question, text) for text in texts], reader.tokenizer, reader.window_config)
        result = await reader.search_async(
            body.question, passages, top_k=body.top_k, threshold=body.threshold, when_full="raise"
        )
    return {
        "answers": [_passage_answer(answer) for answer in result],
        "no_answer": result.no_answer,
        "passages": result.passages,
        **_shared(body, reader),
    }


async def _context(body: AskRequest, service: Service) -> str | Document:
    if (body.context is None) == (body.document is None):
        raise RequestError(422, "expected either a context or a document", ("body", "context"))
    if body.document is None:
        return body.context or ""
    return (await kept(service, body.document, ("body", "document"))).document


async def _passages(body: SearchRequest, service: Service) -> list[Passage]:
    count, most = len(body.passages) + len(body.documents), service.config.max_passages
    if not 0 < count <= most:
        error = f"expected 1 to {most} passages and documents, found {count}"
        raise RequestError(422 if not count else 413, error, ("body", "passages"))
    passages: list[Passage] = [
        (passage.id, passage.text) if isinstance(passage, PassageText) else passage
        for passage in body.passages
    ]
    for index, name in enumerate(body.documents):
        document = await kept(service, name, ("body", "documents", index))
        passages.append((name, document.document))
    return passages


def _shared(body: AskRequest | SearchRequest, reader: Reader) -> dict[str, Any]:
    """Return the fields that both responses have."""
    threshold = reader.resolve_threshold(body.threshold)
    warning = question_warning(body.question, reader.tokenizer, reader.window_config)
    return {"threshold": threshold, "warning": warning}


def _answer(answer: Answer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in FIELDS}


def _passage_answer(answer: PassageAnswer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in PASSAGE_FIELDS}
