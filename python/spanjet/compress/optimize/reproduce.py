"""Reproduce the measurements in the card of an optimised model."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from spanjet.compress.data import QuestionFile, calibration_inputs
from spanjet.compress.optimize.candidates import quantize_network
from spanjet.compress.optimize.card import read_card
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.splits import Splits
from spanjet.compress.optimize.verify import compare_speed, measure_scores
from spanjet.compress.prune.network import Network
from spanjet.config import WindowConfig
from spanjet.evaluate import best_f1
from spanjet.measure.progress import Progress, no_progress
from spanjet.model import Model, load_model
from spanjet.reader.reader import Reader
from spanjet.runtime.cpu import int8_unless_saturating
from spanjet.storage import file_digest

__all__ = ["repeat_measurements"]

# Difference in F1, in percentage points, that another processor's rounding may cause.
_TOLERANCE = 0.2


def repeat_measurements(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    held_out_data: str | os.PathLike[str] | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Repeat the measurements in the card: F1 on its held-out questions, and the speed.

    Args:
        model: model directory that `optimize_checkpoint` wrote.
        data: SQuAD file that it was optimised with.
        checkpoint: the original checkpoint, quantized again as the baseline of the speed; None: speed is not
            measured.
        held_out_data: SQuAD file whose questions were held out; None: ``data``.
        progress: progress bars.

    Returns:
        F1 and, with a checkpoint, the speed-up over the unpruned INT8 model, each as ``card`` and ``now``;
        ``least``, the F1 of the floor, None if the card has a budget instead or the floor was not held; and
        ``repeated``, True if F1 is within 0.2 of the card's and not below the floor.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: the card is not of an optimised model, or names another data file or checkpoint.
        ImportError: a checkpoint is given and NNCF is not installed.
    """
    card = read_card(Path(model))
    found, windows = card["optimization"], WindowConfig(**card["quantization"]["windows"])
    file = QuestionFile.load(data)
    _check_same(file.path, found["data"]["sha256"], file_digest(file.path), "data file")
    held_out = file if held_out_data is None else QuestionFile.load(held_out_data)
    _check_same(
        held_out.path, found["held_out"]["sha256"], file_digest(held_out.path), "file of held-out questions"
    )
    splits = Splits.choose(
        file.dataset,
        _config(found["settings"]),
        None if held_out_data is None else held_out.dataset,
    )
    half_range = bool(card["quantization"]["overflow_fix"])
    result = load_model(model)
    int8 = int8_unless_saturating(half_range=half_range)
    scores = measure_scores(result, splits.held_out, windows, name="F1", progress=progress, int8=int8)
    before, now = best_f1(found["held_out"]["optimized"]), best_f1(scores)
    # With a budget there is no floor.
    least = found["least_f1"] if found["settings"]["budget"] is None and found["held"] else None
    held = least is None or now >= least - _TOLERANCE
    speed = None
    if checkpoint is not None:
        plain = _plain(checkpoint, card, splits, windows, half_range=half_range, progress=progress)
        timed = compare_speed(plain, result, splits.held_out.questions, windows)
        speed = {"card": card["speed"]["optimized_over_plain"], "now": timed["optimized_over_plain"], **timed}
    return {
        "f1": {"card": before, "now": round(now, 2), "least": least},
        "speed": speed,
        "repeated": abs(now - before) <= _TOLERANCE and held,
    }


def _plain(
    checkpoint: str | os.PathLike[str],
    card: dict[str, Any],
    splits: Splits,
    windows: WindowConfig,
    *,
    half_range: bool,
    progress: Progress,
) -> Model:
    """Quantize the original network as for the card."""
    network = Network.load(checkpoint)
    for file in network.files:
        expected = card["source"]["weights"].get(file.name, {}).get("sha256")
        _check_same(file, expected, file_digest(file), "checkpoint")
    loaded = network.loaded()
    count = card["optimization"]["settings"]["calibration"]
    inputs = calibration_inputs(Reader(loaded, window_config=windows), splits.samples[:count], count=count)
    settings = _config(card["optimization"]["settings"])
    model = quantize_network(
        network,
        inputs,
        half_range=half_range,
        embeddings=settings.quantization().first_precision,
        progress=progress,
    )
    return replace(loaded, model=model)


def _config(settings: dict[str, Any]) -> OptimizeConfig:
    try:
        return OptimizeConfig(**{**settings, "budgets": tuple(settings["budgets"])})
    except TypeError as error:  # of another version, or damaged
        raise ValueError(f"the card's settings cannot be used: {error}") from None


def _check_same(path: Path, expected: str | None, found: str, what: str) -> None:
    if found != expected:
        raise ValueError(
            f"{path}: not the {what} that the card names: SHA-256 {found:.12}…, expected "
            f"{expected or 'another file':.12}…"
        )
