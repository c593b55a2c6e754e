"""The `spanjet` command."""

import json
import sys
from dataclasses import asdict
from errno import EISDIR, ENOENT
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig, __version__
from spanjet.evaluate import Evaluation, load_squad
from spanjet.evaluate import evaluate as evaluate_reader
from spanjet.reader import BUNDLED_MODEL
from spanjet.terminal import progress_bar, show_answers, show_values

__all__ = ["app"]


class _Commands(TyperGroup):
    """Ends what goes wrong with one line: code 2 for the user's input, 1 for the machine's part."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (ValueError, OSError) as error:
            message, code = _message(error), 2
        except ImportError as error:
            message, code = _message(error), 1
        except RuntimeError as error:
            if type(error) is not RuntimeError:
                raise  # typer's own signals
            message, code = _message(error), 1
        typer.secho(f"spanjet: {message}", fg=typer.colors.RED, err=True)
        raise typer.Exit(code)


def _message(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        text = f"{error.filename}: {error.strerror}"
    return " ".join(text.split()) or type(error).__name__


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
ModeOption = Annotated[
    str, typer.Option(metavar="global|squad", help="How logits become answers; squad: as MLPerf.")
]


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"spanjet {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Read answers out of text, exactly and fast, on CPUs."""


@app.command()
def ask(
    *,
    question: Annotated[str, typer.Argument(help="The question.")],
    text: Annotated[
        str | None, typer.Argument(help="The text that holds the answer. Default: standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the text from a UTF-8 file.")
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="Number of answers.")] = 1,
    model: ModelOption = None,
    mode: ModeOption = "global",
    as_json: JsonOption = False,
) -> None:
    """Answer a question about a text."""
    decode = _decode_config(mode=mode, n_best=max(top_k, DecodeConfig().n_best))
    context = _read_context(text, file)
    answers = Reader(model, decode=decode).ask_many([question], context, top_k=top_k)[0]
    if as_json:
        _print_json({"question": question, "answers": [answer.as_dict() for answer in answers]})
    else:
        show_answers(context, answers)


@app.command("eval")
def evaluate(
    *,
    squad: Annotated[Path, typer.Argument(metavar="SQUAD.json", help="SQuAD v1.1 or v2.0 file.")],
    model: ModelOption = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Write the answers, {id: text}.")
    ] = None,
    null_odds: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Write null score - best score, {id: odds}.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first questions.")] = None,
    mode: ModeOption = "global",
    max_length: Annotated[int, typer.Option(help="Tokens of a window.")] = 384,
    doc_stride: Annotated[int, typer.Option(help="Tokens from window to window, or shared by two.")] = 128,
    convention: Annotated[
        str, typer.Option(metavar="advance|overlap", help="Which of the two doc-stride means.")
    ] = "advance",
    max_question_length: Annotated[int, typer.Option(help="Tokens of a question; the rest is cut off.")] = 64,
    n_best: Annotated[int, typer.Option(help="Candidates that share the probability.")] = 20,
    max_answer_length: Annotated[int, typer.Option(help="Tokens of an answer.")] = 30,
    null_threshold: Annotated[
        float | None, typer.Option(help="Null odds above this mean: no answer (SQuAD v2.0).")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads. Default: all CPUs.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure exact match and F1 on a SQuAD file, as the official scripts do."""
    windows = WindowConfig(
        max_length=max_length,
        doc_stride=doc_stride,
        convention=convention,  # type: ignore[arg-type]  # the class checks it
        max_question_length=max_question_length,
    )
    decode = _decode_config(
        mode=mode, n_best=n_best, max_answer_length=max_answer_length, null_threshold=null_threshold
    )
    for path in (predictions, null_odds):
        if path is not None:
            _check_writable(path)
    dataset = load_squad(squad)
    reader = Reader(model, windows=windows, decode=decode, runtime=RuntimeConfig(threads=threads))
    with progress_bar("questions") as progress:
        evaluation = evaluate_reader(reader, dataset, progress=progress, limit=limit)
    if predictions is not None:
        _write_json(predictions, evaluation.predictions)
    if null_odds is not None:
        _write_json(null_odds, evaluation.null_odds)
    _show(_summary(evaluation), as_json=as_json)


@app.command()
def info(
    *,
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="Model directory. Default: the bundled one.", show_default=False
        ),
    ] = BUNDLED_MODEL,
    as_json: JsonOption = False,
) -> None:
    """Show versions, this machine's CPU and a model's card."""
    import spanjet.telemetry  # noqa: F401, PLC0415
    from spanjet.checkpoint import load_model  # noqa: PLC0415  (OpenVINO: 200 ms)
    from spanjet.machine import describe_machine  # noqa: PLC0415

    loaded = load_model(model)
    about = {"directory": str(loaded.path), "max_length": loaded.max_length, "card": loaded.card}
    _show({**describe_machine(), "model": about}, as_json=as_json)


@app.command()
def quantize(
    *,
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Hugging Face checkpoint directory.")
    ],
    data: Annotated[Path, typer.Option(metavar="SQUAD.json", help="Questions to calibrate with.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Directory of the INT8 model.")],
    evaluation: Annotated[
        Path | None, typer.Option("--eval", metavar="SQUAD.json", help="Measure EM and F1 before and after.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Windows to calibrate with.")] = 300,
    seed: Annotated[int, typer.Option(help="Chooses the windows.")] = 0,
    license_name: Annotated[
        str | None, typer.Option("--license", metavar="SPDX", help="Licence of the weights, for the card.")
    ] = None,
    license_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its text. Default: the checkpoint's LICENSE, if any.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the directory.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Let NNCF print.")] = False,
) -> None:
    """Make an INT8 model directory from a checkpoint; needs the extra "quantize"."""
    import spanjet.telemetry  # noqa: F401, PLC0415
    from spanjet.optimize.quantize import quantize_checkpoint  # noqa: PLC0415  (OpenVINO and NNCF: seconds)

    with progress_bar("quantize") as progress:
        card = quantize_checkpoint(
            checkpoint,
            data,
            out,
            evaluation=evaluation,
            samples=samples,
            seed=seed,
            overwrite=overwrite,
            license_name=license_name,
            license_file=license_file,
            progress=progress,
            verbose=verbose,
        )
    _show(card, as_json=False)


def _decode_config(**fields: Any) -> DecodeConfig:
    return DecodeConfig(**fields)


def _read_context(text: str | None, file: Path | None) -> str:
    if text is not None and file is not None:
        raise ValueError("the text is given twice, as an argument and with --file")
    if text is not None:
        return text
    if file is not None:
        data, name = file.read_bytes(), str(file)
    elif sys.stdin.isatty():
        raise ValueError("no text: give it as an argument, with --file, or on standard input")
    else:
        data, name = sys.stdin.buffer.read(), "standard input"
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: not UTF-8: {error.reason} at byte {error.start}") from None


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    """Scores and speed, without what does not apply to the data set."""
    scores = {name: value for name, value in asdict(evaluation.scores).items() if value is not None}
    speed = {"seconds": evaluation.seconds, "questions_per_second": evaluation.questions_per_second}
    return {**scores, **speed}


def _show(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(values)
    else:
        show_values(values)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def _check_writable(path: Path) -> None:
    """Refuse an output file before the work for it is done."""
    if path.is_dir():
        raise IsADirectoryError(EISDIR, "is a directory", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(ENOENT, "no such directory", str(path.parent))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(f"{json.dumps(value, ensure_ascii=False, indent=1)}\n", encoding="utf-8")
