"""The table: what is compared, that rates and factors fit together, and how it is shown."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from mlperf_runs import SMALL, TINY, dataset, reader, with_card
from spanjet.bench.mlperf import configuration
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.models import floors_met, start_f1
from spanjet.bench.mlperf.report.cells import row_cells
from spanjet.bench.mlperf.report.markdown import markdown
from spanjet.bench.mlperf.report.page import render_table
from spanjet.bench.mlperf.table import large as large_module
from spanjet.bench.mlperf.table import measure
from spanjet.bench.mlperf.table.baselines import BASELINE, BUNDLED, contenders
from spanjet.bench.mlperf.table.large import has_random_weights, random_int8, shape_named
from spanjet.bench.mlperf.table.measure import choose_count, measure_overhead, measure_single, warm_up
from spanjet.bench.mlperf.table.table import Table, TableConfig, measure_table
from spanjet.cli.mlperf import show_parts
from spanjet.evaluate import evaluate
from spanjet.measure.rounds import WARM_UPS, Spread
from spanjet.model import Model, load_model
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.runtime import machine
from spanjet.runtime.cpu import usable_cpus


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """As the baseline is made, only smaller."""
    return random_int8(tmp_path_factory.getbasetemp() / "mlperf", name="bert-base", shape=SMALL)


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model whose configuration says that its layers were cut."""
    path = with_card(tmp_path_factory.mktemp("models") / "pruned", name="pruned")
    config = json.loads((path / "config.json").read_text())
    layers = [{"heads": config["num_attention_heads"], "units": config["intermediate_size"]}] * config[
        "num_hidden_layers"
    ]
    (path / "config.json").write_text(json.dumps({**config, "spanjet": {"layers": layers}}))
    return load_model(path)


@pytest.fixture(scope="module")
def table(large: Model, pruned: Model) -> Table:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "SHORTEST", 0.05)
        config = TableConfig(rounds=2, seconds=0.5)
        return measure_table(large, load_model(TINY), [load_model(TINY), pruned], dataset(), config)


def test_the_model_of_random_weights_is_made_once(
    tmp_path: Path, large: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_module, "quantize", lambda model, *_, on_step, **__: on_step(1, 8) or model)
    steps: list[tuple[int, int | None]] = []

    def make() -> Model:
        return random_int8(
            tmp_path / "new",
            name="small",
            shape=SMALL,
            on_step=lambda done, total: steps.append((done, total)),
        )

    made = make()
    assert steps == [(1, 8)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == [made.path.name]
    assert make().card == made.card
    assert steps == [(1, 8)]
    assert set(made.card or {}) == set(large.card or {})


def test_a_model_of_random_weights(large: Model, pruned: Model) -> None:
    assert has_random_weights(large)
    assert not has_random_weights(pruned)
    assert not has_random_weights(load_model(TINY))
    types = {node.get_type_name() for node in large.model.get_ordered_ops()}
    assert "FakeQuantize" in types
    assert shape_named("bert-large").layers == 24
    with pytest.raises(ValueError, match="baseline is 'bert'; expected bert-base or bert-large"):
        shape_named("bert")


def test_it_reads_the_windows_of_the_bundled_model(large: Model) -> None:
    ours, theirs = (Samples(reader(model), dataset()) for model in (large, reader().model))
    bundled = Samples(reader(BUNDLED_MODEL), dataset()).windows.ids
    # MPNet's vocabulary is BERT's behind four tokens of its own; its pairs have a separator more.
    ids = ours.windows.ids
    np.testing.assert_array_equal(ids[~np.isin(ids, (101, 102))], bundled[bundled > 3] - 4)
    assert len(theirs.windows.ids) != len(ours.windows.ids)


def test_each_step_changes_one_thing(large: Model, pruned: Model) -> None:
    tiny, cut = reader(), reader(pruned)
    plain = reader(large)
    found = contenders(plain, tiny, [tiny, cut])
    assert [each.key for each in found][1:] == [
        BASELINE,
        "no padding",
        "schedule",
        BUNDLED,
        "model 0",
        "model 1",
    ]
    assert [each.listed for each in found] == [False, True, False, True, True, True, True]
    assert [each.hint for each in found] == ["LATENCY", *["THROUGHPUT"] * 6]
    assert [each.step for each in found][-3:] == ["smaller model", "", ""]
    lengths = np.array([100, 50] * 16)
    shapes = [[(len(batch.rows), batch.length) for batch in each.batching(lengths, 1)] for each in found[:4]]
    assert shapes[0] == shapes[1] == [(16, 384), (16, 384)]
    assert shapes[2] == [(16, 112), (16, 112)]
    assert sum(rows * length for rows, length in shapes[3]) < sum(rows * length for rows, length in shapes[2])
    assert [each.single(np.array([50]), 1)[0].length for each in found[:4]] == [384, 384, 384, 64]


def test_rows_and_steps_fit_together(table: Table, large: Model) -> None:
    rows = {row.name: row for row in table.rows}
    assert [row.random for row in table.rows] == [True, True, False, False, False]
    baseline = table.rows[0]
    assert baseline.speed_up == Spread(1.0, 1.0, 1.0)
    assert baseline.megabytes == pytest.approx(large.weights[0].stat().st_size / 1e6)
    padded, scheduled = (table.rows[index] for index in (0, 1))
    assert scheduled.schedule_speed_up == Spread(1.0, 1.0, 1.0)
    # Of two rounds the median is the mean, and the mean of reciprocals is at least that of the mean.
    assert padded.schedule_speed_up.median * scheduled.speed_up.median >= 1 - 1e-9
    assert padded.schedule_speed_up.low <= 1 / scheduled.speed_up.low
    for row in table.rows:
        assert row.throughput.low <= row.throughput.median <= row.throughput.high
        assert row.per_core * machine.physical_cores() == pytest.approx(row.throughput.median)
        assert row.latency > 0
        assert (row.f1 is None) == row.random
    expected = evaluate(reader(precision=None), dataset()).scores.f1
    assert rows["tiny-bert (bundled)"].f1 == pytest.approx(expected, abs=1e-9)
    assert rows["tiny-bert"].floors["99 % of start"] is None
    assert rows["pruned"].floors["99 % of start"] is (expected >= 0.99 * 5)
    assert rows["pruned"].floors["99.9 % of reference"] is False
    bundled, smaller = rows["tiny-bert (bundled)"], table.steps[-1]
    assert [step.name for step in table.steps][-1] == "smaller model"
    assert smaller.throughput.median == bundled.throughput.median
    assert smaller.factor == bundled.schedule_speed_up
    assert len(table.steps) == 4
    assert table.samples == len(Samples(reader(large), dataset()))
    assert table.runtime["threads"] == str(usable_cpus())
    assert abs(table.overhead.median) < 2


def test_samples_by_the_time_that_there_is() -> None:
    assert choose_count(0.3, 90) == 32
    assert choose_count(1.0, 100) == 96
    assert choose_count(1000.0, 100) == 320


def test_single_measurements(large: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "SHORTEST", 0.05)
    found = contenders(reader(large), reader(), [])
    baseline, bundled = found[1], found[4]
    samples = Samples(bundled.reader, dataset()).subset(8)
    assert warm_up(bundled, samples) > 0
    steps: list[None] = []
    overhead = measure_overhead(bundled, samples, rounds=2, on_step=lambda *_: steps.append(None))
    assert overhead.low <= overhead.median <= overhead.high
    assert len(steps) == 2 * (WARM_UPS + 2)
    padded = Samples(baseline.reader, dataset()).subset(8)
    assert measure_single(baseline, padded, seconds=0.1) > 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rounds": 0}, "TableConfig.rounds is 0; expected an integer of at least 1"),
        ({"seconds": 0.0}, "TableConfig.seconds is 0.0; expected a finite number greater than 0"),
    ],
)
def test_settings_out_of_range(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TableConfig(**fields)  # type: ignore[arg-type]


def test_floors(table: Table) -> None:
    names = ["99 % of reference", "99.9 % of reference", "99 % of start", "99.9 % of start"]
    assert floors_met(89.97, 90.0) == dict(zip(names, [True, False, True, True], strict=True))
    assert floors_met(90.79, None) == dict(zip(names, [True, True, None, None], strict=True))
    assert start_f1(load_model(TINY)) is None
    row = table.rows[-1]
    cells = {f1: row_cells(replace(row, f1=f1, floors=floors_met(f1, 90.0))) for f1 in (88.0, 89.5, 89.97)}
    assert [each[6:8] for each in cells.values()] == [
        ("< 99 %", "< 99 %"),
        ("< 99 %", "≥ 99 %"),
        ("≥ 99 %", "≥ 99.9 %"),
    ]
    assert row_cells(table.rows[2])[7] == row_cells(table.rows[0])[6] == ""


def test_text_and_markdown(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    show_parts(table)
    printed = capsys.readouterr().out
    assert "model\tsamples/s\tper core\tspeed-up\tover our schedule\tF1" in printed
    assert "(architecture only)" in printed
    assert "NOT VALID" in printed
    assert "vCPUs\t" in printed
    text = markdown(table)
    lines = text.splitlines()
    header = lines.index(next(line for line in lines if line.startswith("| model")))
    cells = [line.count("|") for line in lines[header : header + 2 + len(table.rows)]]
    assert set(cells) == {11}
    assert "## How the speed-up divides" in text
    assert "## Configuration Details" in text
    assert text.count("| smaller model |") == 1


def test_text_on_a_terminal(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "240")
    show_parts(table)
    printed = capsys.readouterr().out
    assert "Configuration Details" in printed
    assert "smaller model" in printed


def test_the_page(table: Table) -> None:
    page = render_table(table)

    class Texts(HTMLParser):
        found = ""

        def handle_data(self, data: str) -> None:
            self.found += data

    texts = Texts()
    texts.feed(page)
    for words in ("Configuration Details", "architecture only", "smaller model", "per second", "microcode"):
        assert words in texts.found, words
    assert page.count("<svg") == 1
    assert "http" not in page.replace("http://www.w3.org", "")
    json.dumps(table.as_dict())


def test_configuration_details(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for cpu, core in ((0, 0), (1, 0), (2, 1)):
        place = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology"
        place.mkdir(parents=True)
        (place / "core_id").write_text(f"{core}\n")
        (place / "physical_package_id").write_text("0\n")
    firmware = tmp_path / "sys/class/dmi/id"
    firmware.mkdir(parents=True)
    (firmware / "bios_vendor").write_text("Maker\n")
    (firmware / "bios_version").write_text("1.2\n")
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(machine, "affinity", lambda: [0, 1, 2])
    found = configuration.describe_configuration()
    assert found["cores"] == "2"
    assert found["sockets"] == "1"
    assert found["vCPUs"] == str(usable_cpus())
    assert found["BIOS"] == "Maker 1.2"
    monkeypatch.setattr(machine, "ROOT", tmp_path / "nowhere")
    found = configuration.describe_configuration()
    assert (found["cores"], found["BIOS"]) == ("3", "unknown")
    monkeypatch.setitem(configuration.PACKAGES, "LoadGen", "no-such-package")
    assert configuration.describe_configuration()["LoadGen"] == "not installed"
