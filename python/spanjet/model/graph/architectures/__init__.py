"""Register the supported architectures by the ``model_type`` of their ``config.json``."""

from pathlib import Path

from spanjet.model.config_json import Fields
from spanjet.model.graph.architecture import Architecture
from spanjet.model.graph.architectures.albert import Albert
from spanjet.model.graph.architectures.bert import Bert
from spanjet.model.graph.architectures.deberta import Deberta
from spanjet.model.graph.architectures.distilbert import DistilBert
from spanjet.model.graph.architectures.electra import Electra
from spanjet.model.graph.architectures.ernie import Ernie
from spanjet.model.graph.architectures.mobilebert import MobileBert
from spanjet.model.graph.architectures.modernbert import ModernBert
from spanjet.model.graph.architectures.mpnet import MpNet
from spanjet.model.graph.architectures.roberta import Roberta

__all__ = ["ARCHITECTURES", "find_model_type", "read_architecture"]

ARCHITECTURES: dict[str, type[Architecture]] = {
    "albert": Albert,
    "bert": Bert,
    "camembert": Roberta,
    "deberta-v2": Deberta,
    "distilbert": DistilBert,
    "electra": Electra,
    "ernie": Ernie,
    "mobilebert": MobileBert,
    "modernbert": ModernBert,
    "mpnet": MpNet,
    "roberta": Roberta,
    "xlm-roberta": Roberta,
}


def read_architecture(path: Path) -> Architecture:
    """Read and check a ``config.json``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not JSON, its ``model_type``, or without one the class in
            ``architectures``, is not in `ARCHITECTURES`, or a value is missing
            or cannot be used; the message names the file, the key, what was found and what was expected.
    """
    fields = find_model_type(Fields.read(path))
    return ARCHITECTURES[fields.choice("model_type", list(ARCHITECTURES))].read(fields)


def find_model_type(fields: Fields) -> Fields:
    """Complete the ``model_type`` that configurations before 2020 lack by the class in ``architectures``."""
    classes = fields.get("architectures")
    if fields.get("model_type") is not None or not (isinstance(classes, list) and classes):
        return fields
    names = {name.replace("-", ""): name for name in ARCHITECTURES}
    family = str(classes[0]).partition("For")[0].lower()
    return fields.completed({"model_type": names[family]}) if family in names else fields
