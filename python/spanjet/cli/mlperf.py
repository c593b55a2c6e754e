"""Implement `spanjet mlperf`: run MLPerf scenarios, pack submissions, compare models."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet.bench.mlperf import (
    RunConfig,
    Table,
    TableConfig,
    measure_table,
    run_scenario,
    write_submission,
)
from spanjet.bench.mlperf.loadgen.test import import_loadgen
from spanjet.bench.mlperf.models import name_of
from spanjet.bench.mlperf.report.cells import notes
from spanjet.bench.mlperf.report.markdown import markdown, parts
from spanjet.bench.mlperf.report.page import render_table
from spanjet.bench.mlperf.rules import DECODING, WINDOWING
from spanjet.bench.mlperf.table.large import random_int8, shape_named
from spanjet.cli.options import HtmlFileOption, JsonFileOption, JsonOption, ThreadsOption
from spanjet.cli.terminal.commands import STYLE, RunByDefault
from spanjet.cli.terminal.errors import show_warning
from spanjet.cli.terminal.output import check_outputs, print_json, show, write_json
from spanjet.cli.terminal.progress import progress_bar
from spanjet.cli.terminal.tables import show_table
from spanjet.config import RuntimeConfig, default_cache_dir
from spanjet.files.datasets.squad import load_squad
from spanjet.model import Model, load_model
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.model.random_weights import SHAPES
from spanjet.reader.reader import Reader
from spanjet.storage import replace_file

__all__ = ["mlperf"]

SquadOption = Annotated[
    Path,
    typer.Option(
        metavar="SQUAD.json", help="SQuAD v1.1 dev set; other files work, but such runs do not count."
    ),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")]

ModelArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="Model directory, checkpoint or hub id ORG/NAME. Default: the bundled model.",
        show_default=False,
    ),
]
ScenarioOption = Annotated[
    str, typer.Option(metavar="Offline|SingleStream|MultiStream|Server", help="Scenario of LoadGen.")
]
ModeOption = Annotated[str, typer.Option(metavar="performance|accuracy|both", help="Tests to run.")]
ResultOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="Directory to write. Default: mlperf-MODEL-SCENARIO."),
]
ShortOption = Annotated[
    bool, typer.Option("--short", help="Make the performance run short, and its result NOT VALID.")
]
SecondsOption = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        metavar="SECONDS",
        help="Duration of a --short performance run; a valid one takes 600. Default: 10.",
    ),
]
SHORT_SECONDS = 10.0
TargetQpsOption = Annotated[
    float | None,
    typer.Option(
        metavar="QPS",
        help="Samples per second, expected (Offline) or requested (Server). Default: from a measurement.",
    ),
]
TargetLatencyOption = Annotated[
    float | None,
    typer.Option(
        metavar="MS", help="Expected latency (SingleStream, MultiStream). Default: from a measurement."
    ),
]
Test01Option = Annotated[
    bool,
    typer.Option(
        "--test01", help="Also run the compliance test TEST01, which takes as long as the performance run."
    ),
]

ModelsArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[MODEL...]", help="Further models, besides the bundled one."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Directory that keeps the random models. Default: the user's cache."),
]
BaselineOption = Annotated[
    str,
    typer.Option(
        metavar="bert-large|bert-base", help="Shape of the baseline model, which has random weights."
    ),
]
RandomOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SHAPE",
        help=f"Further shapes with random weights, for their speed alone; repeatable: {', '.join(SHAPES)}.",
    ),
]
RoundsOption = Annotated[int, typer.Option(metavar="N", help="Number of rounds.")]
TurnSecondsOption = Annotated[
    float, typer.Option(metavar="SECONDS", help="Duration of a round of the slowest model, roughly.")
]
AccuracyOption = Annotated[bool, typer.Option(help="Also measure F1 on all questions.")]
MarkdownFileOption = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table to a Markdown file.")
]

mlperf = typer.Typer(cls=RunByDefault, no_args_is_help=True, **STYLE)


@mlperf.callback()
def about() -> None:
    """Run MLPerf Inference, BERT on SQuAD v1.1, with LoadGen; needs the extra "mlperf".

    spanjet mlperf MODEL ... is short for spanjet mlperf run MODEL ...
    """


@mlperf.command("run")
def run(
    *,
    model: ModelArgument = BUNDLED_MODEL,
    squad: SquadOption,
    scenario: ScenarioOption = "Offline",
    mode: ModeOption = "both",
    out: ResultOption = None,
    short: ShortOption = False,
    seconds: SecondsOption = None,
    target_qps: TargetQpsOption = None,
    target_latency: TargetLatencyOption = None,
    test01: Test01Option = False,
    threads: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run one scenario; write LoadGen's logs and verdict, F1, and the settings."""
    options: dict[str, Any] = {"scenario": scenario, "mode": mode, "test01": test01}
    options |= {"target_qps": target_qps, "target_latency": target_latency}
    if seconds is not None and not short:
        raise ValueError("--seconds is given without --short; expected both, or neither: 600 seconds")
    config = RunConfig(**options, seconds=(seconds or SHORT_SECONDS) if short else None)
    dataset = load_squad(squad)
    runtime = RuntimeConfig(threads=threads)
    reader = Reader(model, window_config=WINDOWING, decode_config=DECODING, runtime_config=runtime)
    out = Path(f"mlperf-{name_of(reader.model)}-{config.scenario}") if out is None else out
    result = run_scenario(reader, dataset, out, config, overwrite=overwrite, progress=progress_bar)
    if as_json:
        print_json(result)
        return
    show(_summary(result), as_json=False)
    if not result["valid"]:
        label = "NOT VALID" if result["performance"] is not None else "no performance run"
        reasons = "; ".join(result["why_not"])
        show_warning(f"{label}{': ' if reasons else ''}{reasons}")


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    """Summarise a result for display."""
    shown: dict[str, Any] = {"scenario": result["scenario"], "model": result["model"]["name"]}
    shown["data"] = result["data"]
    performance, accuracy, test01 = (result[name] for name in ("performance", "accuracy", "test01"))
    if performance is not None:
        shown["LoadGen"] = {
            "result": "VALID" if performance["valid"] else "INVALID",
            performance["metric"]: f"{performance['value']:.3f} {performance['unit']}",
            "queries": performance["queries"],
            "version": performance["loadgen"],
        }
    if accuracy is not None:
        shown["accuracy"] = accuracy
    if test01 is not None:
        shown["TEST01"] = {name: test01[name] for name in ("passed", "sampled", "mismatches")}
    return shown


@mlperf.command("submission")
def submission(
    *,
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Directories that spanjet mlperf run wrote, in mode both."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Directory to write.")],
    submitter: Annotated[str, typer.Option(metavar="NAME", help="Name of the submitter.")],
    system: Annotated[str, typer.Option(metavar="NAME", help="Name of this machine.")] = "cpu",
    division: Annotated[str, typer.Option(metavar="open|closed", help="Division of MLPerf.")] = "open",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put runs into a directory in the layout of MLPerf Inference submissions (v6)."""
    options: dict[str, Any] = {"submitter": submitter, "system": system, "division": division}
    summary = write_submission(out, runs, **options, overwrite=overwrite)
    if as_json:
        print_json(summary)
        return
    for each in summary["runs"]:
        reasons = "; ".join(each["why_not"])
        show({f"{each['benchmark']}, {each['scenario']}": reasons or "valid"}, as_json=False)


@mlperf.command("table")
def table(
    *,
    models: ModelsArgument = None,
    squad: SquadOption,
    cache: CacheOption = None,
    baseline: BaselineOption = "bert-large",
    random: RandomOption = None,
    rounds: RoundsOption = 3,
    seconds: TurnSecondsOption = 60.0,
    accuracy: AccuracyOption = True,
    threads: ThreadsOption = None,
    markdown_file: MarkdownFileOption = None,
    json_file: JsonFileOption = None,
    html_file: HtmlFileOption = None,
) -> None:
    """Compare models with a plain BERT-Large in short Offline tests, which are NOT VALID for MLPerf."""
    config = TableConfig(rounds=rounds, seconds=seconds, accuracy=accuracy, threads=threads)
    shape_named(baseline)
    for name in random or []:
        shape_named(name, setting="random")
    check_outputs(markdown_file, json_file, html=html_file, source=squad)
    import_loadgen()
    dataset = load_squad(squad)
    bundled, *others = (load_model(each) for each in (BUNDLED_MODEL, *(models or [])))
    large, *shapes = (_random(name, cache) for name in (baseline, *(random or [])))
    found = measure_table(large, bundled, [*others, *shapes], dataset, config, progress=progress_bar)
    show_parts(found)
    if markdown_file is not None:
        replace_file(markdown_file, markdown(found).encode())
    if json_file is not None:
        write_json(json_file, found.as_dict())
    if html_file is not None:
        replace_file(html_file, render_table(found).encode())


def _random(name: str, cache: Path | None) -> Model:
    """Build a model with random weights, or load it from its cache directory."""
    if cache is None:
        place = default_cache_dir()
        if place is None:
            raise ValueError("no home directory to keep the baseline model in; expected --cache DIR")
        cache = place / "mlperf"
    with progress_bar(f"making {name}") as bar:
        return random_int8(cache, name=name, shape=shape_named(name), on_step=bar)


def show_parts(table: Table) -> None:
    """Print the parts of the table and its notes."""
    for title, header, rows in parts(table):
        show_table(header, rows, title=title)
        if not sys.stdout.isatty():
            typer.echo()
    for note in notes(table):
        typer.echo(note)
