"""Implement `spanjet bench`: benchmark a model on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from spanjet.bench import BenchConfig, built_in, run_bench
from spanjet.bench.report.page import render_page
from spanjet.bench.report.table import show
from spanjet.cli.options import HtmlFileOption, JsonFileOption, ThreadsOption
from spanjet.cli.terminal.output import check_outputs, write_json
from spanjet.cli.terminal.progress import progress_bar
from spanjet.config import RuntimeConfig
from spanjet.files.datasets.squad import load_squad

__all__ = ["bench"]

ModelArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="MODEL",
        help="Model directory or Hugging Face checkpoint. Default: the bundled INT8 MiniLM.",
        show_default=False,
    ),
]
SquadOption = Annotated[
    Path | None,
    typer.Option(metavar="SQUAD.json", help="SQuAD file to sample. Default: generated, of SQuAD's lengths."),
]
LimitOption = Annotated[int, typer.Option(min=1, help="Number of questions to sample.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the sample.")]
RoundsOption = Annotated[int, typer.Option(min=1, help="Number of measurement rounds.")]
StreamsOption = Annotated[
    int | None, typer.Option(help="Batches to run in parallel. Default: tuned, or OpenVINO's choice.")
]
BatchTokensOption = Annotated[
    int | None, typer.Option(help="Maximum tokens of a batch. Default: tuned, or 1,024.")
]
SingleOption = Annotated[int, typer.Option(min=0, help="Questions to ask one at a time; 0: none.")]
DocumentQuestionsOption = Annotated[int, typer.Option(min=0, help="Questions on one long document; 0: none.")]
DocumentTokensOption = Annotated[int, typer.Option(min=1, help="Minimum tokens of that document.")]
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
    single: SingleOption = 100,
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
        single_questions=single,
        document_questions=document_questions,
        document_tokens=document_tokens,
        operations=operations,
    )
    runtime = RuntimeConfig(threads=threads, streams=streams, batch_tokens=batch_tokens)
    check_outputs(json_file, html=html_file)
    dataset = built_in(limit, seed) if squad is None else load_squad(squad)
    data = "made-up questions" if squad is None else squad.name
    result = run_bench(model, dataset, data=data, config=config, runtime=runtime, progress=progress_bar)
    if json_file is not None:
        write_json(json_file, result.as_dict())
    if html_file is not None:
        html_file.write_text(render_page(result), encoding="utf-8")
    show(result)
