"""Build ELECTRA (Clark et al. 2020, arXiv 2003.10555)."""

from dataclasses import dataclass

from spanjet.model.config_json import Fields
from spanjet.model.graph.architectures.bert import Bert
from spanjet.model.graph.blocks import Blocks
from spanjet.model.graph.embeddings import normalise
from spanjet.model.graph.encoder import encode
from spanjet.model.graph.qa_model import Inputs, question_answering
from spanjet.model.graph.tensors import TensorSource
from spanjet.runtime.openvino import ov

__all__ = ["Electra"]


@dataclass(frozen=True, kw_only=True)
class Electra(Bert):
    """BERT with embeddings that may be narrower than the layers.

    Attributes:
        embedding_size: width of the embeddings; unless it is ``hidden_size``, a linear layer follows.
    """

    prefix = "electra."
    ignored = (
        r"discriminator_predictions\..*|generator_.*|classifier\..*"
        r"|embeddings\.position_(ids|embeddings\.weight)"
    )

    embedding_size: int

    @classmethod
    def read(cls, fields: Fields) -> "Electra":
        return cls(**cls._read_bert(fields), embedding_size=fields.count("embedding_size", default=128))

    def build(self, weights: TensorSource) -> ov.Model:
        blocks = Blocks(weights, layer_norm_eps=self.layer_norm_eps)
        inputs, width, narrow = (
            Inputs(token_types=self.layout.token_types),
            self.hidden_size,
            self.embedding_size,
        )
        vectors = normalise(blocks, self.embed(blocks, inputs, width=narrow), width=narrow)
        if narrow != width:
            vectors = blocks.linear(
                vectors,
                inputs=narrow,
                outputs=width,
                name="embeddings.projection",
                tensor="embeddings_project",
            )
        vectors = encode(blocks, self, inputs, vectors)
        return question_answering(blocks, inputs, vectors, width=width, name=self.name)
