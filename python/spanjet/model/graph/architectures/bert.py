"""Build BERT (Devlin et al. 2019, arXiv 1810.04805)."""

from dataclasses import dataclass

from spanjet.model.config_json import Fields
from spanjet.model.graph.blocks import Blocks
from spanjet.model.graph.embeddings import embed
from spanjet.model.graph.encoder import Encoder, encode
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.qa_model import Inputs, question_answering
from spanjet.model.graph.tensors import TensorSource
from spanjet.runtime.openvino import ov

__all__ = ["Bert"]


@dataclass(frozen=True, kw_only=True)
class Bert(Encoder):
    """BERT, and models of the same architecture, such as MiniLM."""

    prefix = "bert."
    # Heads of other tasks, and a buffer that old versions of transformers saved.
    ignored = r"pooler\..*|cls\..*|classifier\..*|embeddings\.position_ids"

    @property
    def layout(self) -> InputLayout:
        return InputLayout(pad_token_id=self.pad_token_id)

    @classmethod
    def read(cls, fields: Fields) -> "Bert":
        return cls(**cls._read_common(fields))

    def build(self, weights: TensorSource) -> ov.Model:
        blocks = Blocks(weights, layer_norm_eps=self.layer_norm_eps)
        inputs, width = Inputs(token_types=self.layout.token_types), self.hidden_size
        vectors = encode(blocks, self, inputs, embed(blocks, self, inputs, width=width))
        return question_answering(blocks, inputs, vectors, width=width, name=self.name)
