"""Make the ASGI application of the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp, Scope

from spanjet import __version__
from spanjet.reader.reader import Reader
from spanjet.serve.admission import admit
from spanjet.serve.config import ServeConfig
from spanjet.serve.errors import add_handlers
from spanjet.serve.guard import Guard, Served
from spanjet.serve.log import log_served
from spanjet.serve.reference import reference_page
from spanjet.serve.routes import ask, documents, operation, pipeline
from spanjet.serve.routes.page import add_page, is_of_page
from spanjet.serve.schemas import Problem
from spanjet.serve.service import serving

__all__ = ["create_app"]

DESCRIPTION = """Answers questions with spans of a text.

`score` is a probability as far as the model is calibrated. A request that would wait too long is refused with
status 429 and the header Retry-After."""

PROBLEMS = {
    400: "The body cannot be read",
    401: "The token is missing or wrong",
    404: "There is none with this name",
    408: "The body came too slowly",
    413: "The request is too large",
    422: "A field is wrong",
    429: "Too much waits",
    504: "The answer took too long",
}

PUBLIC = ("/docs", "/openapi.json")
"""Paths that a browser may get without a token, beside the page."""


def create_app(config: ServeConfig, reader: Reader | None = None) -> ASGIApp:
    """Make the application of one process.

    Args:
        config: settings; without address, port and workers, which are those of the process.
        reader: reader to answer with; None: that of the settings.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with serving(config, reader) as service:
            app.state.service = service
            yield

    app = FastAPI(
        title="spanjet",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # Where OpenTelemetry is set up, its records of refused bodies quote them; older versions ignore this.
        telemetry={"logs": False},
        responses={status: {"model": Problem, "description": text} for status, text in PROBLEMS.items()},
    )
    add_handlers(app)
    for module in (ask, documents, pipeline, operation):
        app.include_router(module.router)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        """Show the routes."""
        return reference_page(app.openapi())

    add_page(app)

    def on_served(served: Served) -> None:
        log_served(served)
        app.state.service.metrics.served(served)

    def is_public(method: str, path: str) -> bool:
        return is_of_page(method, path) or (method == "GET" and path in PUBLIC)

    def admit_to_queue(scope: Scope, body: bytes) -> None:
        reader = app.state.service.reader
        if reader.first is None:  # else two queues decide, by the length in tokens
            admit(reader.batcher, scope, body)

    return Guard(app, config, on_served, is_public, admit_to_queue)
