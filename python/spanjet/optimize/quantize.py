"""A checkpoint to an INT8 model directory, with its accuracy before and after."""

import os
from collections.abc import Callable
from dataclasses import replace
from errno import ENOENT
from pathlib import Path
from typing import Any

from spanjet import Reader, RuntimeConfig, Tokenizer, WindowConfig
from spanjet.checkpoint import LoadedModel, write_model_directory
from spanjet.checkpoint.directory import COMPANIONS, GRAPH
from spanjet.checkpoint.load import load_checkpoint
from spanjet.checkpoint.staging import check_free
from spanjet.evaluate.squad import Scores, SquadDataset, evaluate, load_squad
from spanjet.optimize.calibration import calibration_inputs, choose_questions
from spanjet.optimize.card import describe_quantization, describe_scores, describe_source, describe_tools
from spanjet.optimize.int8 import CALIBRATION_PASSES, import_nncf, quantize

__all__ = ["Progress", "quantize_checkpoint"]

#: Called with the numbers of finished and of all steps.
Progress = Callable[[int, int], None]


def quantize_checkpoint(
    checkpoint: str | os.PathLike[str],
    calibration: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    evaluation: str | os.PathLike[str] | None = None,
    samples: int = 300,
    seed: int = 0,
    overwrite: bool = False,
    license_name: str | None = None,
    license_file: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    verbose: bool = False,
) -> dict[str, Any]:
    """Make an INT8 model directory of a checkpoint directory.

    Args:
        checkpoint: directory with ``config.json``, ``model.safetensors`` and a tokenizer.
        calibration: SQuAD file to take calibration windows from; never one to measure on.
        out: the directory to make.
        evaluation: SQuAD file to measure F1 and EM on, before (float32 arithmetic) and after; None:
            not measured.
        samples: calibration windows at most.
        seed: chooses the calibration questions.
        overwrite: whether a model directory at ``out`` is replaced.
        license_name: the weights' licence, an SPDX identifier, for the card.
        license_file: its text, copied as ``LICENSE``; default: the checkpoint's own, if it has one.
        progress: called with the numbers of finished and of all steps, calibration and evaluation
            together.
        verbose: whether NNCF may print.

    Returns:
        The card that was written.

    Raises:
        ImportError: NNCF is not installed.
        FileExistsError: ``out`` exists and may not be replaced.
        OSError: a file is missing or cannot be read or written.
        ValueError: a file is malformed, or ``samples`` is less than 1.
    """
    if samples < 1:
        raise ValueError(f"samples is {samples}; expected at least 1")
    out = Path(out)
    check_free(out, mark=GRAPH, overwrite=overwrite)
    import_nncf()
    original = load_checkpoint(Path(checkpoint))
    windows = WindowConfig(max_length=min(WindowConfig().max_length, original.max_length))
    companions = _companions(original.path, license_file)
    measured = None if evaluation is None else load_squad(evaluation)
    questions = choose_questions(load_squad(calibration), count=samples, seed=seed)
    inputs = calibration_inputs(Tokenizer(original.tokenizer), questions, count=samples, config=windows)

    total = CALIBRATION_PASSES * len(inputs) + (0 if measured is None else 2 * len(measured))
    steps = _Steps(progress, total)
    int8 = quantize(original.model, inputs, on_sample=steps.advance, verbose=verbose)
    result = None
    if evaluation is not None and measured is not None:
        models = {"float32": original, "int8": replace(original, model=int8)}
        scores = {name: _scores(model, name, measured, windows, steps) for name, model in models.items()}
        result = describe_scores(evaluation, windows, scores, questions=len(measured))
    card = {
        "name": out.name,
        "license": license_name,
        "source": describe_source(original),
        "quantization": describe_quantization(calibration, windows, count=len(inputs), seed=seed),
        "evaluation": result,
        **describe_tools(),
    }
    return write_model_directory(out, int8, card=card, companions=companions, overwrite=overwrite)


class _Steps:
    """Counts steps and reports them."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def advance(self) -> None:
        if self._progress is not None and self._done < self._total:
            self._done += 1
            self._progress(self._done, self._total)


def _companions(checkpoint: Path, license_file: str | os.PathLike[str] | None) -> dict[str, Path]:
    """The files that go into the model directory as they are, by their names there."""
    files = {name: checkpoint / name for name in COMPANIONS if (checkpoint / name).is_file()}
    if license_file is not None:
        files["LICENSE"] = Path(license_file)
        if not files["LICENSE"].is_file():
            raise FileNotFoundError(ENOENT, "no such licence file", str(license_file))
    return files


def _scores(
    model: LoadedModel, name: str, dataset: SquadDataset, windows: WindowConfig, steps: _Steps
) -> Scores:
    """Scores in float32 arithmetic, or as an INT8 model runs."""
    runtime = RuntimeConfig(precision="f32" if name == "float32" else None, cache_dir=None)
    reader = Reader(model, windows=windows, runtime=runtime)
    return evaluate(reader, dataset, progress=lambda _done, _total: steps.advance()).scores
