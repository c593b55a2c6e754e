"""Build RoBERTa (Liu et al. 2019, arXiv 1907.11692) and XLM-R (Conneau et al. 2020, arXiv 1911.02116)."""

from dataclasses import dataclass

from spanjet.model.config_json import Fields
from spanjet.model.graph.architectures.bert import Bert
from spanjet.model.graph.input_layout import InputLayout

__all__ = ["Roberta"]


@dataclass(frozen=True, kw_only=True)
class Roberta(Bert):
    """BERT without token types, with positions that start after the padding id.

    Padding is on the right, so that a token's position depends only on its index. CamemBERT (Martin et al.
    2020, arXiv 1911.03894) has the same architecture.
    """

    prefix = "roberta."
    position_types = ("absolute",)
    ignored = r"pooler\..*|lm_head\..*|classifier\..*|embeddings\.position_ids"

    @property
    def layout(self) -> InputLayout:
        padding = self.pad_token_id
        return InputLayout(token_types=False, pad_token_id=padding, first_position=padding + 1)

    @classmethod
    def read(cls, fields: Fields) -> "Roberta":
        config = cls(**cls._read_common(fields, types=1, padding=1))
        if config.max_length < 1:
            least = config.layout.first_position + 1
            raise fields.error("max_position_embeddings", f'at least "pad_token_id" + 2 ({least})')
        return config
