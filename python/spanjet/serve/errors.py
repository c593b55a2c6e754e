"""Answer errors with a status, one line, and the field that is wrong."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from spanjet.reader.dynamic_batching.config import Overloaded
from spanjet.validation import SettingError

__all__ = ["FAILED", "RequestError", "add_handlers", "faults_of", "overloaded", "problem"]

FAILED = "the server failed; its log says where"

Location = Sequence[str | int]

_PLACE = re.compile(r"(?:the )?(question|context|passages|text)(?: (\d+)|\[(\d+)\])?\b")


class RequestError(Exception):
    """Error of a request.

    Args:
        status: HTTP status.
        error: what is wrong, in one line.
        location: path to the field that is wrong, if it is one.
    """

    def __init__(self, status: int, error: str, location: Location = ()) -> None:
        super().__init__(error)
        self.status, self.error, self.location = status, error, location


def problem(
    status: int, error: str, detail: list[dict[str, Any]] | None = None, **headers: str
) -> JSONResponse:
    """Make the response of an error.

    Args:
        status: HTTP status.
        error: what is wrong, in one line.
        detail: faults of the fields.
        headers: further headers, with underscores for hyphens.
    """
    content = {"error": error, **({} if detail is None else {"detail": detail})}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(content, status, named)


def overloaded(error: Overloaded) -> JSONResponse:
    """Make the response to a call that the queue refuses."""
    return problem(429, str(error), retry_after=str(max(1, math.ceil(error.retry_after))))


@contextmanager
def faults_of(
    place: Location = ("body",), *, many: Location = (), documents_from: int = 0, context: str = "context"
) -> Iterator[None]:
    """Turn the reader's errors about texts and settings into those of a request's fields.

    Args:
        place: path to the fields ``question``, ``context`` and ``passages``.
        many: path to the list whose items have these fields, where an error has the index of one.
        documents_from: index of the first document among the passages of a search.
        context: field that the context comes from.
    """
    try:
        yield
    except SettingError as error:
        location = (*place, "parameters", error.name)
        raise RequestError(
            422, f"{error.name} is {error.value}; expected {error.expected}", location
        ) from None
    except (ValueError, TypeError) as error:
        raise RequestError(
            422, str(error), _located(str(error), place, many, documents_from, context)
        ) from None


def _located(message: str, place: Location, many: Location, documents_from: int, context: str) -> Location:
    found = _PLACE.match(message)
    if found is None:
        option = re.match(r"(doc_stride|max_\w+|top_k) ", message)
        return (*place, "parameters", option[1]) if option else place
    name, index = context if found[1] == "context" else found[1], found[2] or found[3]
    if name == "passages" and index is not None:
        number = int(index) - documents_from
        return (*place, "documents", number) if number >= 0 else (*place, "passages", int(index))
    return (*place, name) if index is None or not many else (*many, int(index), name)


def add_handlers(app: FastAPI) -> None:
    """Let an application answer all errors in the same way.

    The handlers are coroutines, since others run in threads, which costs more than to refuse a request.
    """
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Overloaded, _overloaded)
    app.add_exception_handler(Exception, _failed)


async def _request_error(_: Request, error: Exception) -> JSONResponse:
    known = cast(RequestError, error)
    detail = [{"loc": list(known.location), "msg": known.error}] if known.location else None
    return problem(known.status, known.error, detail)


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    # Without the input, which may be long, private, or no Unicode text.
    faults = cast(RequestValidationError, error).errors()
    detail = [{"loc": list(fault["loc"]), "msg": fault["msg"]} for fault in faults]
    first = detail[0]
    name = ".".join(map(str, first["loc"][1:])) or "body"
    return problem(422, f"{name}: {first['msg']}", detail)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    known = cast(HTTPException, error)
    return JSONResponse({"error": known.detail}, known.status_code, known.headers)


async def _failed(_: Request, _error: Exception) -> JSONResponse:
    return problem(500, FAILED)


async def _overloaded(_: Request, error: Exception) -> JSONResponse:
    return overloaded(cast(Overloaded, error))
