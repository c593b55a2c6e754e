"""Implement `spanjet bench`: benchmark a model on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from spanjet.bench import BenchConfig, built_in, run_bench
from spanjet.bench.report.page import render_page
from spanjet.cli.options import HtmlFileOption, JsonFileOption, ThreadsOption
from spanjet.cli.terminal.bench_table import show_bench
from spanjet.cli.terminal.errors import show_warning
from spanjet.cli.terminal.output import check_outputs, write_json
from spanjet.cli.terminal.progress import progress_bar
from spanjet.config import RuntimeConfig
from spanjet.files.datasets.squad import load_squad
from spanjet.storage import replace_file

__all__ = ["bench"]

ModelArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="MODEL",
        help="Model directory, checkpoint or hub id ORG/NAME. Default: the bundled INT8 reader.",
        show_default=False,
    ),
]
SquadOption = Annotated[
    Path | None,
    typer.Option(
        metavar="SQUAD.json",
        help="SQuAD file with the questions to ask. Default: made-up ones of SQuAD's lengths.",
    ),
]
LimitOption = Annotated[int, typer.Option(min=1, metavar="N", help="Number of questions, drawn at random.")]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="Seed that chooses the questions.")]
RoundsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Number of rounds of measurement.")]
StreamsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Number of batches that run in parallel. Default: tuned, or OpenVINO's choice."
    ),
]
BatchTokensOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Maximum number of tokens in a batch. Default: tuned, or 1,024."),
]
SingleQuestionsOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Number of questions asked one at a time, for latency.")
]
DocumentQuestionsOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Number of questions about one long document.")
]
DocumentTokensOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Length of the long document in tokens.")
]
OperationsOption = Annotated[bool, typer.Option(help="Measure the time of each operation of the model.")]


def bench(
    *,
    model: ModelArgument = None,
    squad: SquadOption = None,
    limit: LimitOption = 1000,
    seed: SeedOption = 0,
    rounds: RoundsOption = 5,
    threads: ThreadsOption = None,
    streams: StreamsOption = None,
    batch_tokens: BatchTokensOption = None,
    single_questions: SingleQuestionsOption = 100,
    document_questions: DocumentQuestionsOption = 10,
    document_tokens: DocumentTokensOption = 5000,
    operations: OperationsOption = True,
    json_file: JsonFileOption = None,
    html_file: HtmlFileOption = None,
) -> None:
    """Measure throughput, latency, memory, operations, and the time spent outside the model."""
    config = BenchConfig(
        limit=limit,
        seed=seed,
        rounds=rounds,
        single_questions=single_questions,
        document_questions=document_questions,
        document_tokens=document_tokens,
        operations=operations,
    )
    runtime = RuntimeConfig(threads=threads, streams=streams, batch_tokens=batch_tokens)
    check_outputs(json_file, html=html_file, source=squad)
    dataset = built_in(limit, seed) if squad is None else load_squad(squad)
    data = "made-up questions" if squad is None else squad.name
    result = run_bench(model, dataset, data=data, config=config, runtime=runtime, progress=progress_bar)
    if json_file is not None:
        write_json(json_file, result.as_dict())
    if html_file is not None:
        replace_file(html_file, render_page(result).encode())
    show_bench(result)
    for warning in result.warnings():
        show_warning(warning)
