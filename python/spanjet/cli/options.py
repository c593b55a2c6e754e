"""Define the options shared by several commands, and convert them to settings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet import CascadeConfig, DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet._core import DECODE_MODES
from spanjet.config import Threshold
from spanjet.validation import check_threshold

__all__ = [
    "CheckpointArgument",
    "ConventionOption",
    "CpuOption",
    "DocStrideOption",
    "EmbeddingPrecisionOption",
    "EvaluationOption",
    "FirstOption",
    "HeldOutDataOption",
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
    "RereadOption",
    "SeedOption",
    "ThreadsOption",
    "ThresholdOption",
    "cascade_config_of",
    "open_reader",
    "threshold_of",
    "window_fields",
]

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="Model directory, checkpoint or hub id ORG/NAME. Default: the bundled INT8 reader.",
    ),
]
FirstOption = Annotated[
    Path | None,
    typer.Option(
        metavar="MODEL",
        help="Smaller model that reads long texts and many texts first, of which --model then reads only the "
        "best windows.",
    ),
]
RereadOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="K",
        help="Maximum number of windows of a question that --model reads after --first. "
        f"Default: {CascadeConfig().reread}.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ThreadsOption = Annotated[
    int | None, typer.Option(metavar="N", help="Number of threads. Default: one for each CPU.")
]
JsonFileOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write all measurements to a JSON file.")
]
HtmlFileOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help='Write an HTML page with plots; needs the extra "report".'),
]

MaxLengthOption = Annotated[int, typer.Option(metavar="N", help="Maximum length of a window in tokens.")]
DocStrideOption = Annotated[
    int,
    typer.Option(
        metavar="N", help="Stride between windows in tokens: distance (advance) or overlap (overlap)."
    ),
]
ConventionOption = Annotated[str, typer.Option(metavar="advance|overlap", help="Meaning of --doc-stride.")]
MaxQuestionLengthOption = Annotated[
    int, typer.Option(metavar="N", help="Maximum length of a question in tokens; longer ones are cut.")
]

ModeOption = Annotated[
    str,
    typer.Option(
        metavar="|".join(DECODE_MODES),
        help="Decoding of logits to answers; squad: the rules of run_squad.py and MLPerf; hf: those of "
        "transformers' pipeline, whose scores are not calibrated.",
    ),
]
NBestOption = Annotated[
    int, typer.Option(metavar="N", help="Number of candidates among which the score is shared out.")
]
MaxAnswerLengthOption = Annotated[
    int, typer.Option(metavar="N", help="Maximum length of an answer in tokens.")
]
OverlapOption = Annotated[
    bool, typer.Option("--overlap", help="Also list answers that overlap a better one.")
]
ThresholdOption = Annotated[
    str,
    typer.Option(
        metavar="model|none|P",
        help="Give no answer where the probability that the text has one is below P; model: P of the "
        "model's card; none: always answer.",
    ),
]

CheckpointArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Checkpoint directory or hub id ORG/NAME.")
]
OutModelOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Directory to write the INT8 model to.")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
CpuOption = Annotated[
    str,
    typer.Option(
        metavar="auto|vnni|any",
        help="Target CPUs; vnni: with VNNI or AMX; any: all, with 7-bit weights; auto: like this one.",
    ),
]
HeldOutOption = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Number of questions held out to measure F1 and the floor on."),
]
HeldOutDataOption = Annotated[
    Path | None,
    typer.Option(
        metavar="SQUAD.json",
        help="SQuAD file to hold out: its questions measure F1 and the floor, and nothing is trained on its "
        "texts. Default: questions of --data.",
    ),
]
KeepBestOption = Annotated[
    bool, typer.Option("--keep-best", help="Write the best model found even if it misses the floor.")
]
EmbeddingPrecisionOption = Annotated[
    str,
    typer.Option(
        metavar="auto|int8|int4",
        help="Precision of the word table; int4: half the size, with 64 values to a scale; auto: int4 if the "
        "floor holds with it, and int8 if there is no floor.",
    ),
]
EvaluationOption = Annotated[
    Path | None,
    typer.Option(
        "--eval", metavar="SQUAD.json", help="Measure exact match and F1 on this file, before and after."
    ),
]
LicenseOption = Annotated[
    str | None, typer.Option("--license", metavar="SPDX", help="Licence of the weights, for the model card.")
]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of all random choices.")]


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


def window_fields(
    max_length: int, doc_stride: int, convention: str, max_question_length: int
) -> dict[str, Any]:
    """Return the values of the options for windows as fields of `WindowConfig`."""
    return {
        "max_length": max_length,
        "doc_stride": doc_stride,
        "convention": convention,
        "max_question_length": max_question_length,
    }


def cascade_config_of(first: Path | None, reread: int | None) -> CascadeConfig:
    """Convert the value of ``--reread``, which needs ``--first``.

    Raises:
        ValueError: it is given alone.
    """
    if reread is None:
        return CascadeConfig()
    if first is None:
        raise ValueError("--reread is given without --first, the model that chooses the windows")
    return CascadeConfig(reread=reread)


def open_reader(
    model: Path | None,
    windows: Mapping[str, Any],
    decode: Mapping[str, Any],
    *,
    first: Path | None = None,
    reread: int | None = None,
    threshold: str = "model",
    threads: int | None = None,
    top_k: int = 1,
) -> Reader:
    """Open a reader with the settings of options, which the settings' classes validate.

    Mode ``squad`` gives at most ``n_best`` answers, so ``top_k`` raises ``n_best``.

    Args:
        model: the model's directory; None: the bundled one.
        windows: fields of `WindowConfig`; none: the default ones, as far as they fit the model.
        decode: fields of `DecodeConfig`.
        first: directory of the model that reads long texts first; None: none.
        reread: number of windows that ``model`` then reads; None: the default.
        threshold: the value of ``--threshold``.
        threads: number of threads; None: all CPUs.
        top_k: maximum number of answers to each question.
    """
    decode_config = DecodeConfig(**decode)
    if decode_config.mode == "squad":
        decode_config = replace(decode_config, n_best=max(decode_config.n_best, top_k))
    window_config, cascade_config = WindowConfig(**windows), cascade_config_of(first, reread)
    runtime_config, given = RuntimeConfig(threads=threads), threshold_of(threshold)
    return Reader(
        model,
        first=first,
        cascade_config=cascade_config,
        threshold=given,
        window_config=window_config if windows else None,
        decode_config=decode_config,
        runtime_config=runtime_config,
    )
