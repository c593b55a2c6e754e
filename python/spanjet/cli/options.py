"""Define the options shared by several commands, and convert them to settings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet._core import DECODE_MODES
from spanjet.config import Threshold, check_threshold

__all__ = [
    "CheckpointArgument",
    "ConventionOption",
    "CpuOption",
    "DocStrideOption",
    "EvaluationOption",
    "HeldOutOption",
    "HtmlFileOption",
    "JsonFileOption",
    "JsonOption",
    "KeepBestOption",
    "LicenseOption",
    "MaxAnswerLengthOption",
    "MaxLengthOption",
    "MaxQuestionLengthOption",
    "ModeOption",
    "ModelOption",
    "NBestOption",
    "OutModelOption",
    "OverlapOption",
    "OverwriteOption",
    "SeedOption",
    "ThreadsOption",
    "ThresholdOption",
    "open_reader",
    "threshold_of",
]

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        metavar="DIR",
        help="Model directory or Hugging Face checkpoint. Default: the bundled INT8 MiniLM.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ThreadsOption = Annotated[int | None, typer.Option(help="Number of threads. Default: all CPUs.")]
JsonFileOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write all measurements as JSON.")
]
HtmlFileOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help='Write an HTML page with plots; needs the extra "report".'),
]

MaxLengthOption = Annotated[int, typer.Option(help="Maximum tokens of a window.")]
DocStrideOption = Annotated[
    int, typer.Option(help="Tokens between window starts (advance), or shared by neighbours (overlap).")
]
ConventionOption = Annotated[
    str,
    typer.Option(
        metavar="advance|overlap",
        help="Meaning of --doc-stride: as in run_squad.py (advance) or transformers (overlap).",
    ),
]
MaxQuestionLengthOption = Annotated[
    int, typer.Option(help="Maximum tokens of a question; the rest is cut off.")
]

ModeOption = Annotated[
    str, typer.Option(metavar="|".join(DECODE_MODES), help="Decoding mode; squad: the rules of MLPerf.")
]
NBestOption = Annotated[int, typer.Option(help="Number of candidates to normalise scores over.")]
MaxAnswerLengthOption = Annotated[int, typer.Option(help="Maximum tokens of an answer.")]
OverlapOption = Annotated[
    bool, typer.Option("--overlap", help="Also list answers that overlap a better one.")
]
ThresholdOption = Annotated[
    str,
    typer.Option(
        metavar="model|none|P",
        help="Minimum probability that the text answers the question, 0 to 1; model: the one in the "
        "model's card; none: always answer with a span.",
    ),
]

CheckpointArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Checkpoint directory or Hugging Face hub id.")
]
OutModelOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Model directory to create.")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing output.")]
CpuOption = Annotated[
    str,
    typer.Option(
        metavar="auto|vnni|any",
        help="Target CPUs; vnni: x86 with VNNI or AMX; any: also without (7-bit weights); auto: as this CPU.",
    ),
]
HeldOutOption = Annotated[
    int, typer.Option(min=1, help="Maximum number of held-out questions to measure F1 on.")
]
KeepBestOption = Annotated[
    bool, typer.Option("--keep-best", help="Write the best model even if it is below the floor.")
]
EvaluationOption = Annotated[
    Path | None,
    typer.Option(
        "--eval", metavar="SQUAD.json", help="SQuAD file to measure exact match and F1 on, before and after."
    ),
]
LicenseOption = Annotated[
    str | None, typer.Option("--license", metavar="SPDX", help="Licence of the weights, for the card.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of all random choices.")]


def threshold_of(value: str) -> Threshold:
    """Parse the value of ``--threshold``.

    Raises:
        ValueError: the value is neither ``model`` nor ``none`` nor a probability.
    """
    if value in ("model", "none"):
        return "model" if value == "model" else None
    try:
        number = float(value)
        check_threshold("--threshold", number)
    except ValueError:
        raise ValueError(f"--threshold is {value!r}; expected model, none or a probability, 0 to 1") from None
    return number


def open_reader(
    model: Path | None,
    windows: Mapping[str, Any],
    decode: Mapping[str, Any],
    *,
    threshold: str = "model",
    threads: int | None = None,
    top_k: int = 1,
) -> Reader:
    """Open a reader with the settings of options, which the settings' classes validate.

    Mode ``squad`` gives at most ``n_best`` answers, so ``top_k`` raises ``n_best``.

    Args:
        model: model directory; None: the bundled one.
        windows: fields of `WindowConfig`.
        decode: fields of `DecodeConfig`.
        threshold: the value of ``--threshold``.
        threads: number of threads; None: all CPUs.
        top_k: maximum number of answers to each question.
    """
    decode_config = DecodeConfig(**decode)
    if decode_config.mode == "squad":
        decode_config = replace(decode_config, n_best=max(decode_config.n_best, top_k))
    return Reader(
        model,
        threshold=threshold_of(threshold),
        window_config=WindowConfig(**windows),
        decode_config=decode_config,
        runtime_config=RuntimeConfig(threads=threads),
    )
