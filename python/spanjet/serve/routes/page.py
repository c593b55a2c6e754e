"""Serve the page on which the reader can be tried."""

import os
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

__all__ = ["CONTENT_SECURITY_POLICY", "STATIC", "add_page", "is_of_page"]

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Policy of the page: only files and requests of this server, no inline scripts or styles, no frames."""

STATIC: Final = Path(__file__).parents[1] / "static"
"""Directory of the page's files."""

_PREFIX: Final = "/static"

_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # Browsers keep a file, and ask whether it is still the same: an update is seen at once.
    "Cache-Control": "no-cache",
}


def add_page(app: FastAPI) -> None:
    """Add the page to an application: ``GET /``, and its files under ``/static``."""
    app.add_route("/", _page, include_in_schema=False)
    app.mount(_PREFIX, _Files(directory=STATIC))


def is_of_page(method: str, path: str) -> bool:
    """Tell whether a request is for the page or its files, which hold nothing that a token guards."""
    return method in ("GET", "HEAD") and (path == "/" or path.startswith(f"{_PREFIX}/"))


async def _page(_: Request) -> Response:
    return FileResponse(STATIC / "index.html", headers=_HEADERS)


class _Files(StaticFiles):
    """Directory of files, sent with the page's headers."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        return response
