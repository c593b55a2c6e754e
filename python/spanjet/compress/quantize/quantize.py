"""Quantize a checkpoint to an INT8 model directory, with an accuracy floor."""

import os
from errno import ENOENT
from pathlib import Path
from typing import Any

from spanjet.compress.artifacts import ArtifactStore
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.run import QuantizationRun
from spanjet.measure.progress import Progress, no_progress
from spanjet.model import write_model_directory
from spanjet.model.directory import COMPANIONS, GRAPH
from spanjet.storage import beside, check_free

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
    progress: Progress = no_progress,
    verbose: bool = False,
) -> dict[str, Any]:
    """Quantize a checkpoint, write an INT8 model directory and return its card.

    Args:
        checkpoint: a checkpoint or float model, as `load_model` takes it.
        calibration: SQuAD file to take calibration windows from; never use it to evaluate the result.
        out: model directory to create. Intermediate results are kept in ``OUT.partial`` until it is written,
            so that the same call after an interruption resumes where that one stopped.
        config: samples, seed, CPU and floor; default: ``QuantizeConfig()``.
        evaluation: SQuAD file to measure F1 and exact match on, before (in float32) and after; None: not
            measured.
        fitting: SQuAD v2.0 file to calibrate scores on, see `calibrate_reader`; None: not calibrated.
        overwrite: replace an existing model directory at ``out``.
        license_name: SPDX identifier of the weights' licence, for the card.
        license_file: text of the licence, copied as ``LICENSE``; default: the checkpoint's, if it has one.
        progress: progress bars.
        verbose: let NNCF print to standard output.

    Raises:
        ImportError: NNCF is not installed.
        FileExistsError: ``out`` exists and may not be replaced, or ``OUT.partial`` is not such a directory.
        BlockingIOError: another process is writing ``out``.
        OSError: a file is missing or cannot be read or written.
        ValueError: a file is malformed, the model is quantized already, the floor cannot be held, or no
            calibration can be fitted.
    """
    out, config = beside(Path(out), ""), config or QuantizeConfig()  # with a name, also for "."
    check_free(out, mark=GRAPH, overwrite=overwrite)
    data = (calibration, evaluation, fitting)
    run = QuantizationRun.load(checkpoint, *data, config=config, progress=progress, verbose=verbose)
    companions = _companions(run.original.path, license_file)
    store = ArtifactStore(beside(out, ".partial"))
    with store.locked():
        model, made = run.make(store)
        card = {"name": out.name, "license": license_name, **made}
        card = write_model_directory(out, model, card=card, companions=companions, overwrite=overwrite)
        store.remove()
    return card


def _companions(checkpoint: Path, license_file: str | os.PathLike[str] | None) -> dict[str, Path]:
    """List the files to copy into the model directory, by their names there."""
    files = {name: checkpoint / name for name in COMPANIONS if (checkpoint / name).is_file()}
    if license_file is not None:
        files["LICENSE"] = Path(license_file)
        if not files["LICENSE"].is_file():
            raise FileNotFoundError(ENOENT, "no such licence file", str(license_file))
    return files
