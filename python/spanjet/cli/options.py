"""Options that several commands share, and the settings they stand for."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet import DecodeConfig, WindowConfig

__all__ = [
    "ConventionOption",
    "DocStrideOption",
    "JsonOption",
    "MaxAnswerLengthOption",
    "MaxLengthOption",
    "MaxQuestionLengthOption",
    "ModeOption",
    "ModelOption",
    "NBestOption",
    "NullThresholdOption",
    "ThreadsOption",
    "decode_config",
    "window_config",
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

MaxLengthOption = Annotated[int, typer.Option(help="Tokens of a window.")]
DocStrideOption = Annotated[int, typer.Option(help="Tokens from window to window, or shared by two.")]
ConventionOption = Annotated[
    str, typer.Option(metavar="advance|overlap", help="Which of the two doc-stride means.")
]
MaxQuestionLengthOption = Annotated[int, typer.Option(help="Tokens of a question; the rest is cut off.")]

ModeOption = Annotated[
    str, typer.Option(metavar="global|squad", help="How logits become answers; squad: as MLPerf.")
]
NBestOption = Annotated[int, typer.Option(help="Candidates that share the probability.")]
MaxAnswerLengthOption = Annotated[int, typer.Option(help="Tokens of an answer.")]
NullThresholdOption = Annotated[
    float | None,
    typer.Option(help="Null odds above this mean: no answer (SQuAD v2.0). inf: never. Default: the model's."),
]


def window_config(**options: Any) -> WindowConfig:
    """The settings that options of unchecked types stand for; the class checks them."""
    return WindowConfig(**options)


def decode_config(**options: Any) -> DecodeConfig:
    """The settings that options of unchecked types stand for; the class checks them."""
    return DecodeConfig(**options)
