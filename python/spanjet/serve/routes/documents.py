"""Upload documents, which are tokenized once and asked often."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from spanjet.serve.documents import Kept
from spanjet.serve.errors import RequestError, faults_of
from spanjet.serve.schemas import Document, DocumentRequest
from spanjet.serve.service import Service, service_of

__all__ = ["kept", "router"]

router = APIRouter(prefix="/v1/documents", tags=["documents"])

DocumentId = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{22}$", description="Id of the document.")]


async def kept(service: Service, name: str, location: Sequence[str | int]) -> Kept:
    """Return a document, and keep it for longer.

    Args:
        service: what the routes share.
        name: id of the document.
        location: path to the field of the id.

    Raises:
        RequestError: there is none with this id; status 404.
    """
    found = await asyncio.to_thread(service.documents.get, name)
    if found is None:
        raise RequestError(404, "no document has this id; it may have expired", location)
    return found


@router.post("", summary="Upload a document", status_code=201, response_model=Document)
async def upload(body: DocumentRequest, service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """Upload a text to be asked often; whoever has its id can ask it."""
    with faults_of():
        found = await asyncio.to_thread(service.documents.add, body.text)
    return _described(found)


@router.get("/{document}", summary="Describe a document", response_model=Document)
async def describe(document: DocumentId, service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """Describe a document, and keep it for longer."""
    return _described(await kept(service, document, ("path", "document")))


@router.delete("/{document}", summary="Remove a document", status_code=204)
async def remove(document: DocumentId, service: Annotated[Service, Depends(service_of)]) -> Response:
    """Remove a document."""
    if not await asyncio.to_thread(service.documents.remove, document):
        raise RequestError(404, "no document has this id; it may have expired", ("path", "document"))
    return Response(status_code=204)


def _described(found: Kept) -> dict[str, Any]:
    document = found.document
    return {
        "id": found.id,
        "characters": len(document.text),
        "tokens": len(document),
        "expires_in": found.expires_in,
    }
