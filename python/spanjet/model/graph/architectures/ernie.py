"""Build ERNIE (Sun et al. 2019, arXiv 1904.09223; Sun et al. 2020, arXiv 1907.12412)."""

from dataclasses import dataclass

from spanjet.model.config_json import Fields
from spanjet.model.graph.architectures.bert import Bert
from spanjet.model.graph.blocks import Blocks
from spanjet.model.graph.qa_model import Inputs
from spanjet.runtime.openvino import ops, ov

__all__ = ["Ernie"]

# The pretraining task that fine-tuned models read their inputs as; transformers feeds no other by itself.
_TASK = 0


@dataclass(frozen=True, kw_only=True)
class Ernie(Bert):
    """BERT, whose embeddings may also have a row for the task, the same one for all tokens.

    Attributes:
        tasks: number of rows of the table of tasks; 0: no table.
    """

    prefix = "ernie."

    tasks: int

    @classmethod
    def read(cls, fields: Fields) -> "Ernie":
        used = fields.flag("use_task_id", default=False)
        tasks = fields.count("task_type_vocab_size", default=3) if used else 0
        return cls(**cls._read_bert(fields), tasks=tasks)

    def embed(self, blocks: Blocks, inputs: Inputs, *, width: int) -> ov.Node:
        vectors = super().embed(blocks, inputs, width=width)
        if not self.tasks:
            return vectors
        tensor = "embeddings.task_type_embeddings"
        task = blocks.row(_TASK, rows=self.tasks, width=width, name="embeddings.task", tensor=tensor)
        return ops.add(vectors, task, name="embeddings.tasked")
