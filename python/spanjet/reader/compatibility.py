"""Check that a model, its tokenizer and the window settings are compatible."""

from spanjet._core import Tokenizer
from spanjet.config import WindowConfig
from spanjet.model.load import Model
from spanjet.validation import SettingError

__all__ = ["check_compatible"]


def check_compatible(model: Model, tokenizer: Tokenizer, window_config: WindowConfig) -> None:
    """Check that every token id and position of a window has a row in the model's embedding tables.

    Raises:
        ValueError: an id or position has no row, so that OpenVINO would read past the table or fail in the
            middle of a batch.
    """
    if window_config.max_length > model.max_length:
        expected = f"at most {model.max_length}, the positions of the model {model.path}"
        raise SettingError("max_length", window_config.max_length, expected, "WindowConfig")
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            f"{model.tokenizer}: {tokenizer.vocab_size} ids; expected at most {model.vocab_size}, the "
            f"vocabulary of the model {model.path}"
        )
    # The number of special tokens is the tokenizer's: some RoBERTas were trained with BERT's, and some BERTs
    # with XLM-RoBERTa's. Positions that start after the padding token's id tie model and tokenizer together.
    layout = model.layout
    if layout.first_position and tokenizer.pad_token_id != layout.pad_token_id:
        raise ValueError(
            f"{model.tokenizer}: the padding token has the id {tokenizer.pad_token_id}; expected "
            f"{layout.pad_token_id}, after which the positions of the model {model.path} begin"
        )
