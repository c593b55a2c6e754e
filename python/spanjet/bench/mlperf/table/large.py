"""Build an INT8 BERT-Large with random weights, as fast as the reference model."""

import json
import tempfile
from pathlib import Path
from typing import Any

from spanjet.compress.card import describe_tools
from spanjet.compress.data import calibration_inputs
from spanjet.compress.quantize.ptq import METHOD, quantize
from spanjet.config import RuntimeConfig
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.questions import built_in
from spanjet.model import Model, load_model, write_model_directory
from spanjet.model.directory import BUNDLED_MODEL, CONFIG
from spanjet.model.random_weights import SHAPES, Shape, write_checkpoint
from spanjet.reader.reader import Reader
from spanjet.runtime.cpu import int8_saturates
from spanjet.validation import SettingError

__all__ = ["RANDOM", "has_random_weights", "random_int8", "shape_named"]

RANDOM = "random"
"""Value of ``weights`` in the card's source for random weights."""

MPNET_TOKENS = frozenset(("<s>", "<pad>", "</s>", "<unk>", "<mask>"))
"""Special tokens that MPNet's vocabulary has besides BERT's."""

SAMPLES = 4
"""Number of calibration windows; the speed does not depend on them, and the answers are meaningless."""


def shape_named(name: str, *, setting: str = "baseline") -> Shape:
    """Look up the sizes of a model by name.

    Args:
        name: one of `SHAPES`.
        setting: name of the setting, for the error.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in SHAPES:
        raise SettingError(setting, name, " or ".join(SHAPES))
    return SHAPES[name]


def random_int8(
    directory: Path,
    *,
    name: str = "bert-large",
    shape: Shape = SHAPES["bert-large"],
    on_step: OnStep = ignore_step,
) -> Model:
    """Build or load the model; building BERT-Large takes minutes and 5 GB of memory.

    The graph is the one that `compress.quantize` makes of a real checkpoint of that shape, and the vocabulary
    is BERT's.

    Args:
        directory: parent directory of the model's own; created if it does not exist.
        name: name of the model.
        shape: sizes of the model.
        on_step: called with the number of finished and of all calibration steps.

    Raises:
        ImportError: NNCF is not installed.
        OSError: the directory cannot be written.
    """
    saturates = int8_saturates()
    # Weights have 7 bits if sums saturate on this CPU, so each kind of CPU has a model of its own.
    path = directory / f"{name}-random-int8-{'any' if saturates else 'vnni'}"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=f".{name}.") as stage:
            checkpoint = Path(stage) / "checkpoint"
            write_checkpoint(checkpoint, shape, vocabulary=_bert_vocabulary())
            _quantize(checkpoint, path, name=f"{name} INT8", half_range=saturates, on_step=on_step)
    return load_model(path)


def _bert_vocabulary() -> list[str]:
    """List BERT's uncased vocabulary: the bundled MPNet's without its own special tokens."""
    entries = (BUNDLED_MODEL / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return [entry for entry in entries if entry not in MPNET_TOKENS]


def has_random_weights(model: Model) -> bool:
    """Return True if a model has random weights, so that its F1 is meaningless."""
    source: Any = (model.card or {}).get("source")
    return isinstance(source, dict) and source.get("weights") == RANDOM


def _quantize(checkpoint: Path, path: Path, *, name: str, half_range: bool, on_step: OnStep) -> None:
    original = load_model(checkpoint)
    reader = Reader(original, runtime_config=RuntimeConfig(cache_dir=None))
    questions = built_in(SAMPLES, seed=0).questions
    inputs = calibration_inputs(reader, questions, count=SAMPLES)
    model = quantize(original.model, inputs, half_range=half_range, on_step=on_step)
    (checkpoint / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}), encoding="utf-8")
    card = {
        "name": name,
        "license": None,
        "source": {
            "name": "random weights, seed 0",
            "architecture": original.architecture,
            "weights": RANDOM,
        },
        "quantization": {"method": METHOD, "overflow_fix": half_range, "calibration": {"count": len(inputs)}},
        "evaluation": None,
        **describe_tools(),
    }
    write_model_directory(
        path,
        model,
        card=card,
        companions={file: checkpoint / file for file in (CONFIG, "vocab.txt", "tokenizer_config.json")},
    )
