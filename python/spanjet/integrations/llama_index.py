"""Keep and mark the nodes that answer a LlamaIndex query: a node postprocessor."""

from typing import Any

from spanjet.extras import import_extra
from spanjet.integrations._answering import find_passages, find_passages_async
from spanjet.integrations._citations import answer_metadata
from spanjet.reader.passages import PassageAnswer

try:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle
    from pydantic import ConfigDict, PositiveInt
except ImportError:
    import_extra(
        "llama_index.core",
        extra="llama-index",
        purpose="spanjet.integrations.llama_index needs llama-index-core",
    )
    raise

from spanjet.integrations._fields import ReaderField, ThresholdField

__all__ = ["SpanjetNodePostprocessor"]


class SpanjetNodePostprocessor(BaseNodePostprocessor):  # type: ignore[misc]
    """Keep the nodes that answer the query, and mark the answer in their metadata.

    Nodes come best first, by the margin of their best answer (docs/scores.md). Their score becomes the
    probability that the node answers the query; that of the retriever goes to the metadata. The nodes are
    copies, so that those of an index stay as they are. The new metadata are hidden from the language model
    and the embedding model. The model is loaded when it is first used.

    Args:
        model: model directory, hub id, `spanjet.Reader`, or None: the bundled model.
        top_k: maximum number of nodes; None: all that answer the query.
        threshold: minimum probability that a node answers the query, 0 to 1; ``"reader"``: the reader's own,
            which is the model's for a path or an id; ``"model"``: the one in the model's card; None: keep all
            nodes that have any text.
        metadata_prefix: beginning of the new metadata keys, which replace those of the same name.

    The new metadata, of which all offsets are in code points, end exclusive:

    - ``answer_text``, and ``answer_start`` and ``answer_end``, its offsets in the text of the node
    - ``answer_score``: probability that this is the answer
    - ``answer_no_answer``: probability that the node does not answer the query
    - ``answer_sentence_start``, ``answer_sentence_end``: offsets of the answer's sentence
    - ``answer_source_start``, ``answer_source_end``: offsets of the answer in the source document, if the
      node has a ``start_char_idx`` and its text is still that part of it
    - ``answer_retrieval_score``: score of the node before, if it had one

    Raises:
        ValueError: an argument is out of range or of the wrong type (pydantic's ValidationError).

    Example:
        >>> from llama_index.core.schema import NodeWithScore, TextNode
        >>> from spanjet.integrations.llama_index import SpanjetNodePostprocessor
        >>> texts = ["The park is old.", "Clara Hansen built the bridge."]
        >>> nodes = [NodeWithScore(node=TextNode(text=text)) for text in texts]
        >>> (kept,) = SpanjetNodePostprocessor().postprocess_nodes(nodes, query_str="Who built the bridge?")
        >>> kept.metadata["answer_text"], kept.metadata["answer_start"]
        ('Clara Hansen', 0)
    """

    model: ReaderField = None  # type: ignore[assignment]
    top_k: PositiveInt | None = None
    threshold: ThresholdField = "reader"
    metadata_prefix: str = "answer_"

    model_config = ConfigDict(extra="forbid", validate_default=True)

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the class in serialised form."""
        return "SpanjetNodePostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        answers = find_passages(self.model, _question(query_bundle), _texts(nodes), **self._options())
        return [self._marked(nodes[answer.passage], answer) for answer in answers]

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        question = _question(query_bundle)
        answers = await find_passages_async(self.model, question, _texts(nodes), **self._options())
        return [self._marked(nodes[answer.passage], answer) for answer in answers]

    def _options(self) -> dict[str, Any]:
        return {"top_k": self.top_k, "threshold": self.threshold, "name": "nodes"}

    def _marked(self, scored: NodeWithScore, answer: PassageAnswer) -> NodeWithScore:
        node = scored.node
        found = answer_metadata(answer, prefix=self.metadata_prefix, source_start=_source_start(node, answer))
        if scored.score is not None:
            found[f"{self.metadata_prefix}retrieval_score"] = float(scored.score)
        hidden = {
            name: [*getattr(node, name), *(key for key in found if key not in getattr(node, name))]
            for name in ("excluded_llm_metadata_keys", "excluded_embed_metadata_keys")
        }
        marked = node.model_copy(update={"metadata": {**node.metadata, **found}, **hidden})
        return NodeWithScore(node=marked, score=1 - answer.no_answer)


def _question(query_bundle: QueryBundle | None) -> str:
    if query_bundle is None:
        raise ValueError("the nodes come without a query; expected query_bundle or query_str")
    return str(query_bundle.query_str)


def _texts(nodes: list[NodeWithScore]) -> list[str]:
    return [scored.node.get_content(metadata_mode=MetadataMode.NONE) for scored in nodes]


def _source_start(node: BaseNode, answer: PassageAnswer) -> int | None:
    """Return where a node begins in its source document, if its text is still that part of it."""
    start, end = (getattr(node, name, None) for name in ("start_char_idx", "end_char_idx"))
    if start is None or (end is not None and end - start != len(answer.passage_text)):
        return None
    return int(start)
