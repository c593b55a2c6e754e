"""A checkpoint to an INT8 model directory, with its accuracy before and after, and a floor under it."""

import os
from errno import ENOENT
from pathlib import Path
from typing import Any

from spanjet.compress.artifacts import WorkDirectory
from spanjet.compress.card import describe_source
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.ptq import import_nncf
from spanjet.compress.quantize.run import Run, SquadFile
from spanjet.compress.quantize.trials import Bars, no_bars
from spanjet.model import Model, load_model, write_model_directory
from spanjet.model.directory import COMPANIONS, GRAPH
from spanjet.storage import check_free

__all__ = ["quantize_checkpoint"]


def quantize_checkpoint(
    checkpoint: str | os.PathLike[str],
    calibration: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: QuantizeConfig | None = None,
    evaluation: str | os.PathLike[str] | None = None,
    fitting: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    license_name: str | None = None,
    license_file: str | os.PathLike[str] | None = None,
    bars: Bars = no_bars,
    verbose: bool = False,
) -> dict[str, Any]:
    """Make an INT8 model directory of a checkpoint.

    With a floor, F1 is measured on questions of ``calibration`` whose contexts are not calibrated with. Where
    the INT8 model falls below, the most sensitive layers are left in floating point, as few as hold the
    floor; most sensitive is the layer without whose quantization the logits' error is least.

    A model does better on what it was trained on: a floor held on such data says less than one held on other
    questions.

    Finished parts are kept in ``OUT.partial`` until the model directory is there: the same call after an
    interruption goes on where that one stopped.

    Args:
        checkpoint: a checkpoint or float model, as `load_model` takes it.
        calibration: SQuAD file to take calibration windows from; never one to measure on.
        out: the directory to make.
        config: samples, seed, CPU and floor; default: ``QuantizeConfig()``.
        evaluation: SQuAD file to measure F1 and EM on at last, before (float32 arithmetic) and after; None:
            not measured.
        fitting: SQuAD v2.0 file to calibrate the INT8 model's scores on, see `calibrate_reader`; None: they
            are not calibrated.
        overwrite: whether a model directory at ``out`` is replaced.
        license_name: the weights' licence, an SPDX identifier, for the card.
        license_file: its text, copied as ``LICENSE``; default: the checkpoint's own, if it has one.
        bars: shows progress, one bar for each part.
        verbose: whether NNCF may print.

    Returns:
        The card that was written.

    Raises:
        ImportError: NNCF is not installed.
        FileExistsError: ``out`` exists and may not be replaced, or there is another unfinished run.
        OSError: a file is missing or cannot be read or written.
        ValueError: a file is malformed, the model is quantized already, the floor cannot be held, or no
            calibration can be fitted.
    """
    out = Path(out)
    check_free(out, mark=GRAPH, overwrite=overwrite)
    import_nncf()
    original = _load_float(checkpoint)
    companions = _companions(original.path, license_file)
    run = Run(
        source=describe_source(original),
        original=original,
        config=QuantizeConfig() if config is None else config,
        calibration=SquadFile.load(calibration),
        evaluation=None if evaluation is None else SquadFile.load(evaluation),
        fitting=None if fitting is None else SquadFile.load(fitting),
        bars=bars,
        verbose=verbose,
    )
    work = WorkDirectory(out.with_name(f"{out.name}.partial"), run.task())
    model, card = run.make(work)
    card = {"name": out.name, "license": license_name, **card}
    card = write_model_directory(out, model, card=card, companions=companions, overwrite=overwrite)
    work.remove()
    return card


def _load_float(checkpoint: str | os.PathLike[str]) -> Model:
    loaded = load_model(checkpoint)
    if any(node.get_type_name() == "FakeQuantize" for node in loaded.model.get_ordered_ops()):
        raise ValueError(f"{loaded.path}: the model is quantized already; expected one in floating point")
    return loaded


def _companions(checkpoint: Path, license_file: str | os.PathLike[str] | None) -> dict[str, Path]:
    """The files that go into the model directory as they are, by their names there."""
    files = {name: checkpoint / name for name in COMPANIONS if (checkpoint / name).is_file()}
    if license_file is not None:
        files["LICENSE"] = Path(license_file)
        if not files["LICENSE"].is_file():
            raise FileNotFoundError(ENOENT, "no such licence file", str(license_file))
    return files
