"""`spanjet bench`: what a model does on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from spanjet.cli.options import ThreadsOption
from spanjet.cli.terminal.output import write_json
from spanjet.cli.terminal.tables import progress_bar
from spanjet.config import RuntimeConfig
from spanjet.evaluate import load_squad
from spanjet.storage import check_writable

__all__ = ["bench"]


def bench(
    *,
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL",
            help="Model directory or Hugging Face checkpoint. Default: the bundled INT8 MiniLM.",
            show_default=False,
        ),
    ] = None,
    squad: Annotated[
        Path | None,
        typer.Option(metavar="SQUAD.json", help="Questions to ask. Default: made up, as long as SQuAD's."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Questions, drawn at random.")] = 1000,
    seed: Annotated[int, typer.Option(help="Chooses the questions.")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Times that everything is measured.")] = 5,
    threads: ThreadsOption = None,
    streams: Annotated[
        int | None, typer.Option(help="Batches that run side by side. Default: tuned, or OpenVINO's choice.")
    ] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Tokens of a batch at most. Default: tuned, or 1,024.")
    ] = None,
    single: Annotated[int, typer.Option(min=0, help="Questions that are asked one at a time.")] = 100,
    document_questions: Annotated[int, typer.Option(min=0, help="Questions on one long document.")] = 10,
    document_tokens: Annotated[int, typer.Option(min=1, help="Tokens of that document.")] = 5000,
    budgets: Annotated[
        str, typer.Option(metavar="N,N,...", help='Batch budgets that are compared; "": none.')
    ] = "256,512,1024,1536,2048,4096,8192",
    operations: Annotated[
        bool, typer.Option(help="Measure the time of each of the model's operations.")
    ] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all measurements.")
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help='Write a page with plots; needs the extra "report".'),
    ] = None,
) -> None:
    """Measure throughput, latency, memory, operations, and the time that is lost outside the model."""
    from spanjet.bench import BenchConfig, built_in, run_bench  # noqa: PLC0415  (OpenVINO: 200 ms)
    from spanjet.bench.report.page import check_report_extra, write_page  # noqa: PLC0415
    from spanjet.bench.report.table import show  # noqa: PLC0415

    config = BenchConfig(
        limit=limit,
        seed=seed,
        rounds=rounds,
        single_questions=single,
        document_questions=document_questions,
        document_tokens=document_tokens,
        budgets=_budgets(budgets),
        operations=operations,
    )
    runtime = RuntimeConfig(threads=threads, streams=streams, batch_tokens=batch_tokens)
    for path in (json_file, html_file):
        if path is not None:
            check_writable(path)
    if html_file is not None:
        check_report_extra()
    dataset, data = (
        (built_in(limit, seed), "made-up questions") if squad is None else (load_squad(squad), squad.name)
    )
    with progress_bar("bench") as progress:
        result = run_bench(model, dataset, data=data, config=config, runtime=runtime, progress=progress)
    if json_file is not None:
        write_json(json_file, result.as_dict())
    if html_file is not None:
        write_page(html_file, result)
    show(result)


def _budgets(text: str) -> tuple[int, ...]:
    """The numbers of a list such as ``256,512``."""
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",") if part.strip()))
    except ValueError:
        raise ValueError(f"--budgets is {text!r}; expected numbers with commas between them") from None
