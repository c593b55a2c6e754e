"""Build the inputs and outputs of question-answering graphs."""

import numpy as np

from spanjet.model.graph.blocks import Blocks
from spanjet.runtime.openvino import ops, ov

__all__ = ["Inputs", "question_answering"]


class Inputs:
    """Input nodes of a graph, int32[batch, length] each, both dimensions dynamic.

    Args:
        token_types: add the input ``token_type_ids``.

    Attributes:
        input_ids: token ids.
        attention_mask: 1 for tokens, 0 for padding.
        token_type_ids: 0 for the question, 1 for the context; None: the model has no such input.
    """

    def __init__(self, *, token_types: bool) -> None:
        self.input_ids = _parameter("input_ids")
        self.attention_mask = _parameter("attention_mask")
        self.token_type_ids = _parameter("token_type_ids") if token_types else None

    @property
    def nodes(self) -> list[ov.Node]:
        """Input nodes in the order of the model's inputs."""
        nodes = (self.input_ids, self.attention_mask, self.token_type_ids)
        return [node for node in nodes if node is not None]


def question_answering(
    blocks: Blocks, inputs: Inputs, vectors: ov.Node, *, width: int, name: str, tensor: str = "qa_outputs"
) -> ov.Model:
    """Build the model with a linear layer from hidden states to ``start_logits`` and ``end_logits``.

    Args:
        blocks: builder with the linear layer's tensors, ``.weight`` [2, width] and ``.bias`` [2].
        inputs: input nodes of the graph.
        vectors: the encoder's output, [batch, length, width].
        width: width of the hidden states.
        name: name of the model.
        tensor: what the checkpoint calls the linear layer.
    """
    logits = blocks.linear(vectors, inputs=width, outputs=2, name="qa_outputs", tensor=tensor)
    columns = ops.split(logits, np.int64(-1), 2, name="qa_outputs.columns")
    results = []
    for index, output in enumerate(("start_logits", "end_logits")):
        column = ops.squeeze(columns.output(index), np.array([-1], np.int64), name=output)
        column.output(0).set_names({output})
        results.append(ops.result(column, name=f"{output}.result"))
    return ov.Model(results, inputs.nodes, name)


def _parameter(name: str) -> ov.Node:
    parameter = ops.parameter([-1, -1], np.int32, name=name)
    parameter.output(0).set_names({name})
    return parameter
