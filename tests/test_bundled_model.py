"""The bundled INT8 model is what its card says, and close to the float32 checkpoint it was made of."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from spanjet.checkpoint import LoadedModel, load_model
from spanjet.reader import BUNDLED_MODEL

GOLDEN = Path(__file__).parent / "golden" / "minilm-squad-logits.npz"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@pytest.fixture(scope="module")
def bundled() -> LoadedModel:
    return load_model(BUNDLED_MODEL)


def test_card(bundled: LoadedModel) -> None:
    card = bundled.card
    assert card is not None
    assert card["name"] == BUNDLED_MODEL.name
    assert card["license"] == "Apache-2.0"
    assert card["quantization"]["calibration"]["data"] != card["evaluation"]["data"]
    assert card["evaluation"]["questions"] == 10_570
    assert card["evaluation"]["int8"]["f1"] > card["evaluation"]["float32"]["f1"] - 0.6
    assert card["bytes"] == {
        file.name: file.stat().st_size for file in BUNDLED_MODEL.iterdir() if file.name != "card.json"
    }
    assert sum(card["bytes"].values()) < 25e6
    assert {"LICENSE", "tokenizer.json"} <= set(card["bytes"])


def test_weights_are_int8(bundled: LoadedModel) -> None:
    sizes: dict[bool, int] = {True: 0, False: 0}
    for node in bundled.model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            sizes[node.get_element_type() in (ov.Type.i8, ov.Type.u8)] += node.data.nbytes
    assert sizes[True] > 22e6 > 15 * sizes[False]


def test_logits_are_close_to_the_checkpoint(bundled: LoadedModel) -> None:
    compiled = ov.Core().compile_model(bundled.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    with np.load(GOLDEN) as arrays:
        for batch in ("0", "1"):
            inputs = {name: arrays[f"{batch}/{name}"].astype(np.int32) for name in INPUTS}
            tokens = inputs["attention_mask"] == 1
            logits = compiled(inputs)
            for name in ("start_logits", "end_logits"):
                expected = arrays[f"{batch}/{name}"][tokens]
                difference = np.abs(logits[name][tokens] - expected)
                assert 0 < difference.mean() < 0.1 * expected.std()
                assert np.corrcoef(logits[name][tokens], expected)[0, 1] > 0.995
