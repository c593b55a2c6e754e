"""Define the options that several commands share, and the settings they stand for."""

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
ThreadsOption = Annotated[int | None, typer.Option(help="Threads. Default: all CPUs.")]
JsonFileOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write all measurements.")
]
HtmlFileOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help='Write a page with plots; needs the extra "report".'),
]

MaxLengthOption = Annotated[int, typer.Option(help="Tokens of a window.")]
DocStrideOption = Annotated[
    int, typer.Option(help="Tokens from window to window (advance), or shared by two (overlap).")
]
ConventionOption = Annotated[
    str, typer.Option(metavar="advance|overlap", help="Which of the two doc-stride means.")
]
MaxQuestionLengthOption = Annotated[int, typer.Option(help="Tokens of a question; the rest is cut off.")]

ModeOption = Annotated[
    str, typer.Option(metavar="|".join(DECODE_MODES), help="How logits become answers; squad: as MLPerf.")
]
NBestOption = Annotated[int, typer.Option(help="Candidates that share the score.")]
MaxAnswerLengthOption = Annotated[int, typer.Option(help="Tokens of an answer.")]
OverlapOption = Annotated[bool, typer.Option("--overlap", help="List answers that overlap a better one too.")]
ThresholdOption = Annotated[
    str,
    typer.Option(
        metavar="model|none|P",
        help="Probability of an answer below which a question counts as not answered; model: the one in the "
        "model's card; none: always give a span.",
    ),
]

CheckpointArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Checkpoint directory, or an id of the Hugging Face hub.")
]
OutModelOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Directory of the INT8 model.")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
CpuOption = Annotated[
    str,
    typer.Option(
        metavar="auto|vnni|any",
        help="CPUs to run on; any: also those without VNNI, with 7-bit weights. auto: as this one.",
    ),
]
HeldOutOption = Annotated[
    int, typer.Option(min=1, help="Questions for F1 and the floor, which are used for nothing else.")
]
KeepBestOption = Annotated[
    bool, typer.Option("--keep-best", help="Write the best model even if it is below the floor.")
]
EvaluationOption = Annotated[
    Path | None, typer.Option("--eval", metavar="SQUAD.json", help="Measure EM and F1 before and after.")
]
LicenseOption = Annotated[
    str | None, typer.Option("--license", metavar="SPDX", help="Licence of the weights, for the card.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of all random choices.")]


def threshold_of(value: str) -> Threshold:
    """Read the value of ``--threshold``.

    Raises:
        ValueError: it is neither ``model`` nor ``none`` nor a probability.
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
    """Make a reader of options; the settings' own classes check them.

    In mode ``squad`` there are no more answers than ``n_best``, which ``top_k`` raises.

    Args:
        model: the model's directory; None: the bundled one.
        windows: fields of `WindowConfig`.
        decode: fields of `DecodeConfig`.
        threshold: the value of ``--threshold``.
        threads: threads; None: all CPUs.
        top_k: answers to each question.
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
