"""Describe the inputs of an encoder."""

from dataclasses import dataclass

__all__ = ["InputLayout"]


@dataclass(frozen=True, kw_only=True)
class InputLayout:
    """Layout of an encoder's inputs.

    BERT reads ``[CLS] question [SEP] context [SEP]`` with token types 0 and 1 (Devlin et al. 2019, arXiv
    1810.04805), RoBERTa ``<s> question </s></s> context </s>`` without types (Liu et al. 2019, arXiv
    1907.11692). The special tokens and their number are the tokenizer's: some RoBERTas were trained with
    BERT's tokenizer, and some BERTs with XLM-RoBERTa's.

    Attributes:
        token_types: True if the model has the input ``token_type_ids``: 0 up to the first separator, 1 for
            the context and the last separator.
        pad_token_id: id of the padding token.
        first_position: row of the position table for the first token; 0 without such a table.
    """

    token_types: bool = True
    pad_token_id: int = 0
    first_position: int = 0
