"""Tell the state of the server: health, metadata and metrics."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from spanjet import __version__
from spanjet.serve.errors import RequestError
from spanjet.serve.metrics import CONTENT_TYPE_LATEST
from spanjet.serve.schemas import Health, ModelMetadata, ServerMetadata
from spanjet.serve.service import Service, service_of

__all__ = ["router"]

router = APIRouter(tags=["operation"])

INPUTS = ("question", "context")
OUTPUTS = (
    ("text", "BYTES"),
    ("start", "INT64"),
    ("end", "INT64"),
    ("score", "FP64"),
    ("no_answer", "FP64"),
)


@router.head("/v2/health/live", include_in_schema=False)
@router.get("/v2/health/live", summary="Tell whether the process answers", response_model=Health)
async def live() -> dict[str, str]:
    """Answer while the process does."""
    return {"status": "live"}


@router.head("/v2/health/ready", include_in_schema=False)
@router.get("/v2/health/ready", summary="Tell whether questions are answered", response_model=Health)
async def ready() -> dict[str, str]:
    """Answer as soon as the model is warmed up, before which the server does not listen."""
    return {"status": "ready"}


@router.get("/v2", summary="Describe the server", response_model=ServerMetadata)
async def server() -> dict[str, Any]:
    """Describe the server."""
    return {"name": "spanjet", "version": __version__, "extensions": []}


@router.get("/v2/models/{name}", summary="Describe the model", response_model=ModelMetadata)
async def model(name: str, service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """Describe the model."""
    _check_model(name, service)
    return {
        "name": name,
        "versions": ["1"],
        "platform": "spanjet_openvino",
        "inputs": [{"name": each, "datatype": "BYTES", "shape": [1]} for each in INPUTS],
        "outputs": [{"name": each, "datatype": datatype, "shape": [-1]} for each, datatype in OUTPUTS],
    }


@router.get(
    "/v2/models/{name}/ready", summary="Tell whether the model answers questions", response_model=Health
)
async def model_ready(name: str, service: Annotated[Service, Depends(service_of)]) -> dict[str, str]:
    """Answer if there is a model with this name."""
    _check_model(name, service)
    return {"status": "ready"}


@router.get("/metrics", summary="Return metrics for Prometheus", response_class=Response)
async def metrics(service: Annotated[Service, Depends(service_of)]) -> Response:
    """Return the metrics of all workers in Prometheus' text format."""
    return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)


def _check_model(name: str, service: Service) -> None:
    own = service.reader.model.path.name
    if name != own:
        raise RequestError(404, f"no such model; expected {own!r}", ("path", "name"))
