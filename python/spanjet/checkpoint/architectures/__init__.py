"""The architectures that are read, by the ``model_type`` of their ``config.json``."""

from pathlib import Path

from spanjet.checkpoint.architecture import Architecture
from spanjet.checkpoint.architectures.bert import Bert
from spanjet.checkpoint.architectures.deberta import Deberta
from spanjet.checkpoint.architectures.distilbert import DistilBert
from spanjet.checkpoint.architectures.electra import Electra
from spanjet.checkpoint.architectures.mobilebert import MobileBert
from spanjet.checkpoint.architectures.roberta import Roberta
from spanjet.checkpoint.config import Fields

__all__ = ["ARCHITECTURES", "read_architecture"]

ARCHITECTURES: dict[str, type[Architecture]] = {
    "bert": Bert,
    "camembert": Roberta,
    "deberta-v2": Deberta,
    "distilbert": DistilBert,
    "electra": Electra,
    "mobilebert": MobileBert,
    "roberta": Roberta,
    "xlm-roberta": Roberta,
}


def read_architecture(path: Path) -> Architecture:
    """Read and check a ``config.json``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON, its ``model_type`` is none of `ARCHITECTURES`, or a value is missing or
            cannot be used; the message names the file, the key, what was found and what was expected.
    """
    fields = Fields.read(path)
    return ARCHITECTURES[fields.choice("model_type", list(ARCHITECTURES))].read(fields)
