"""`spanjet mlperf`: MLPerf Inference with LoadGen: one scenario, a submission, the table of this machine."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from spanjet import Reader, RuntimeConfig
from spanjet.cli.options import JsonOption, ThreadsOption
from spanjet.cli.terminal.output import print_json, show
from spanjet.cli.terminal.tables import progress_bar
from spanjet.config import default_cache_dir
from spanjet.evaluate import load_squad
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.storage import check_writable, replace_file

__all__ = ["mlperf"]

SquadOption = Annotated[
    Path, typer.Option(metavar="SQUAD.json", help="SQuAD v1.1 dev. Other files work, and do not count.")
]
ModelArgument = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="Model directory. Default: the bundled one.", show_default=False),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")]


class _Commands(TyperGroup):
    """Takes `spanjet mlperf MODEL …` as `spanjet mlperf run MODEL …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


mlperf = typer.Typer(cls=_Commands, no_args_is_help=True)


@mlperf.callback()
def about() -> None:
    """MLPerf Inference, BERT on SQuAD v1.1, with LoadGen; needs the extra "mlperf".

    `spanjet mlperf MODEL …` is `spanjet mlperf run MODEL …`.
    """


@mlperf.command("run")
def run(
    *,
    model: ModelArgument = BUNDLED_MODEL,
    squad: SquadOption,
    scenario: Annotated[
        str, typer.Option(metavar="Offline|SingleStream|MultiStream|Server", help="How LoadGen asks.")
    ] = "Offline",
    mode: Annotated[str, typer.Option(metavar="performance|accuracy|both", help="What is run.")] = "both",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Result. Default: mlperf-MODEL-SCENARIO, here."),
    ] = None,
    short: Annotated[
        bool, typer.Option("--short", help="A short performance run, which is NOT VALID.")
    ] = False,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Of a short performance run; a valid one takes 600.")
    ] = 10.0,
    target_qps: Annotated[
        float | None,
        typer.Option(help="Offline: samples/s expected; Server: asked for. Default: measured, and room."),
    ] = None,
    target_latency: Annotated[
        float | None,
        typer.Option(metavar="MS", help="SingleStream, MultiStream: expected. Default: measured, and room."),
    ] = None,
    test01: Annotated[
        bool, typer.Option("--test01", help="Also run the compliance test TEST01, as long as performance.")
    ] = False,
    threads: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run one scenario: LoadGen's logs and verdict, F1, and what they depend on."""
    from spanjet.bench.mlperf.models import name_of  # noqa: PLC0415  (OpenVINO: 200 ms)
    from spanjet.bench.mlperf.rules import DECODING, WINDOWING  # noqa: PLC0415
    from spanjet.bench.mlperf.run import run_scenario  # noqa: PLC0415

    config = _run_config(
        scenario=scenario,
        mode=mode,
        short=seconds if short else None,
        target_qps=target_qps,
        target_latency=target_latency,
        test01=test01,
    )
    dataset = load_squad(squad)
    reader = Reader(
        model, window_config=WINDOWING, decode_config=DECODING, runtime_config=RuntimeConfig(threads=threads)
    )
    out = Path(f"mlperf-{name_of(reader.model)}-{config.scenario}") if out is None else out
    result = run_scenario(reader, dataset, out, config, overwrite=overwrite, bars=progress_bar)
    if as_json:
        print_json(result)
        return
    show(_summary(result), as_json=False)
    if not result["valid"]:
        label = "NOT VALID" if result["performance"] is not None else "no performance run"
        reasons = "; ".join(result["why_not"])
        typer.secho(f"spanjet: {label}{': ' if reasons else ''}{reasons}", fg=typer.colors.YELLOW, err=True)


def _run_config(**options: Any) -> Any:
    """The settings that options of unchecked types stand for; the class checks them."""
    from spanjet.bench.mlperf.run import RunConfig  # noqa: PLC0415

    return RunConfig(**options)


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a result."""
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
        list[Path], typer.Argument(metavar="RUN...", help="Results of spanjet mlperf run, of mode both.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder to make.")],
    submitter: Annotated[str, typer.Option(help="Who submits.")],
    system: Annotated[str, typer.Option(help="What this machine is called.")] = "cpu",
    division: Annotated[str, typer.Option(metavar="open|closed", help="Of MLPerf.")] = "open",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put runs into a folder in the layout of MLPerf Inference's submissions (v6)."""
    from spanjet.bench.mlperf.submission import write_submission  # noqa: PLC0415  (OpenVINO: 200 ms)

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
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[MODEL...]", help="Further models. The bundled one is always there."),
    ] = None,
    squad: SquadOption,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keeps the random baseline model. Default: the user's cache."),
    ] = None,
    baseline: Annotated[
        str, typer.Option(metavar="bert-large|bert-base", help="Shape of the baseline, of random weights.")
    ] = "bert-large",
    rounds: Annotated[int, typer.Option(help="Turns of each model.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of a turn of the slowest, about.")] = 60.0,
    accuracy: Annotated[bool, typer.Option(help="Measure F1 on all questions.")] = True,
    threads: ThreadsOption = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table in Markdown.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all measurements.")
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help='Write a page with a chart; needs the extra "report".'),
    ] = None,
) -> None:
    """Compare a plain BERT-Large with our models in short Offline tests; NOT VALID as results of MLPerf."""
    from spanjet.bench.mlperf.loadgen.test import import_loadgen  # noqa: PLC0415
    from spanjet.bench.mlperf.report.page import render_table  # noqa: PLC0415
    from spanjet.bench.mlperf.report.text import markdown  # noqa: PLC0415
    from spanjet.bench.mlperf.report.text import show as show_table  # noqa: PLC0415
    from spanjet.bench.mlperf.table.large import random_int8, shape_named  # noqa: PLC0415
    from spanjet.bench.mlperf.table.table import TableConfig, measure_table  # noqa: PLC0415
    from spanjet.bench.report.page import check_report_extra  # noqa: PLC0415  (OpenVINO: 200 ms)
    from spanjet.model import load_model  # noqa: PLC0415

    config = TableConfig(rounds=rounds, seconds=seconds, accuracy=accuracy, threads=threads)
    shape = shape_named(baseline)
    for path in (markdown_file, json_file, html_file):
        if path is not None:
            check_writable(path)
    if html_file is not None:
        check_report_extra()
    import_loadgen()
    dataset = load_squad(squad)
    loaded = [load_model(each) for each in (BUNDLED_MODEL, *(models or []))]
    with progress_bar(f"making {baseline}") as progress:
        large = random_int8(_cache(cache), name=baseline, shape=shape, progress=progress)
    found = measure_table(large, loaded[0], loaded[1:], dataset, config, bars=progress_bar)
    show_table(found)
    if markdown_file is not None:
        replace_file(markdown_file, markdown(found).encode())
    if json_file is not None:
        replace_file(json_file, json.dumps(found.as_dict(), ensure_ascii=False, indent=1).encode())
    if html_file is not None:
        replace_file(html_file, render_table(found).encode())


def _cache(given: Path | None) -> Path:
    """Where the baseline model is kept."""
    place = default_cache_dir() if given is None else given
    if place is None:
        raise ValueError("no home directory to keep the baseline model in; expected --cache DIR")
    return place / "mlperf" if given is None else given
