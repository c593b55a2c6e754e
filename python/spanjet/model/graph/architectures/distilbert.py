"""Build DistilBERT (Sanh et al. 2019, arXiv 1910.01108)."""

from dataclasses import dataclass

from spanjet.model.config_json import Fields
from spanjet.model.graph.blocks import Blocks, LayerTensors
from spanjet.model.graph.embeddings import embed
from spanjet.model.graph.encoder import Encoder, encode
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.qa_model import Inputs, question_answering
from spanjet.model.graph.tensors import TensorSource
from spanjet.runtime.openvino import ov

__all__ = ["DistilBert"]

_LAYER = LayerTensors(
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attention_output="attention.out_lin",
    attention_norm="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    ffn_norm="output_layer_norm",
)
# DistilBERT's names of the configuration values.
_NAMES = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
}
# Values missing from its configuration: there are no token types, and epsilon is constant.
_FIXED = {"type_vocab_size": 0, "layer_norm_eps": 1e-12}


@dataclass(frozen=True, kw_only=True)
class DistilBert(Encoder):
    """BERT's encoder without token types and with different tensor names."""

    tensors = _LAYER
    layers = "transformer.layer"
    prefix = "distilbert."
    ignored = r"vocab_(transform|layer_norm|projector)\..*|(pre_)?classifier\..*|embeddings\.position_ids"

    @property
    def layout(self) -> InputLayout:
        return InputLayout(token_types=False, pad_token_id=self.pad_token_id)

    @classmethod
    def read(cls, fields: Fields) -> "DistilBert":
        return cls(**{**cls._read_common(fields.renamed(_NAMES)), **_FIXED})

    def build(self, weights: TensorSource) -> ov.Model:
        blocks = Blocks(weights, layer_norm_eps=self.layer_norm_eps)
        inputs, width = Inputs(token_types=False), self.hidden_size
        vectors = embed(blocks, self, inputs, width=width)
        vectors = encode(blocks, self, inputs, vectors)
        return question_answering(blocks, inputs, vectors, width=width, name=self.name)
