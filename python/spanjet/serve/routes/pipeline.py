"""Answer in the shape of Hugging Face's question-answering task, as transformers' pipeline does."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from spanjet.serve.errors import RequestError, faults_of
from spanjet.serve.schemas import Element, Input, PipelineRequest
from spanjet.serve.service import Service, service_of
from spanjet.serve.size import check_size

__all__ = ["router"]

router = APIRouter(tags=["Hugging Face"])

Elements = Element | list[Element | list[Element]]


@router.post("/", summary="Answer as transformers' pipeline does", response_model=Elements)
@router.post("/predict", summary="Answer as transformers' pipeline does", response_model=Elements)
async def predict(body: PipelineRequest, service: Annotated[Service, Depends(service_of)]) -> Any:
    """Answer one question, or several, as the question-answering pipeline of transformers does.

    One answer is an object, several of one question are a list; several questions have a list of these.
    """
    inputs = body.inputs if isinstance(body.inputs, list) else [body.inputs]
    most = service.config.max_passages
    if len(inputs) > most:
        raise RequestError(413, f"expected at most {most} inputs, found {len(inputs)}", ("body", "inputs"))
    options = {} if body.parameters is None else body.parameters.model_dump(exclude_none=True)
    with faults_of():
        reader = service.pipeline.reader_for(**options)
    is_single = len(inputs) == 1
    place = ("body", "inputs") if isinstance(body.inputs, Input) else ("body", "inputs", 0)
    with faults_of(place, many=() if is_single else ("body", "inputs")):
        pairs = [(each.question, each.context) for each in inputs]
        check_size(pairs, reader.tokenizer, reader.window_config)
        examples = [{"question": each.question, "context": each.context} for each in inputs]
        return await service.pipeline.call_async(examples, when_full="raise", **options)
