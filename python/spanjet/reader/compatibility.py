"""Check that a model, its tokenizer and the windows fit together."""

from spanjet._core import Tokenizer
from spanjet.config import SettingError, WindowConfig
from spanjet.model.load import Model

__all__ = ["check_compatible"]


def check_compatible(model: Model, tokenizer: Tokenizer, window_config: WindowConfig) -> None:
    """Check that every id and position of a window has its row in the model's tables.

    Raises:
        ValueError: it has none; OpenVINO would read past the table or stop in the middle of a batch.
    """
    if window_config.max_length > model.max_length:
        expected = f"at most {model.max_length}, the positions of the model {model.path}"
        raise SettingError("max_length", window_config.max_length, expected, "WindowConfig")
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            f"{model.tokenizer}: {tokenizer.vocab_size} ids; expected at most {model.vocab_size}, the "
            f"vocabulary of the model {model.path}"
        )
    # How many tokens open and separate is for the tokenizer to say: some RoBERTas were trained with BERT's,
    # and some BERTs with XLM-RoBERTa's. Positions that count from the padding token's id bind the two.
    layout = model.layout
    if layout.first_position and tokenizer.pad_token_id != layout.pad_token_id:
        raise ValueError(
            f"{model.tokenizer}: the padding token has the id {tokenizer.pad_token_id}; expected "
            f"{layout.pad_token_id}, behind which the positions of the model {model.path} begin"
        )
