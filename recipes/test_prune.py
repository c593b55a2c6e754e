"""Pruning, in the environment that has torch: `make test-recipes`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from spanjet.model import load_model
from spanjet.runtime.openvino import shared_core

from recipes.checkpoint import layout_of, load_reader, read_shape
from recipes.examples import Arrays, Batch, Sampling, Window, batches, collate, windows
from recipes.loading import Data, epoch_of
from recipes.losses import Distillation, Inputs, answer_loss, hidden_loss
from recipes.model import LayerSize, Reader
from recipes.prune.cut import Kept, cut, keep_best
from recipes.prune.importance import choose_layers, measure_importance
from recipes.prune.run import Pruning, PruningRun, Target
from recipes.test_training import ROOT, examples, start
from recipes.training import Run, Store

HEADS, UNITS, LAYERS = 4, 64, 2
SETTINGS = (1000, 0.25, 1e-3, 10, 400, 0, 0.15, 0.06)


@pytest.fixture(scope="module", params=["bert", "mpnet"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp(request.param)
    start(directory / "start", request.param, 1)
    examples(directory / "train.npz", 5)
    examples(directory / "held-out.npz", 6)
    return directory


def exactly(directory: Path, **more: Any) -> Reader:
    return load_reader(directory / "start", dtype=torch.float32, **more)


def arrays_of(directory: Path) -> Arrays:
    return Arrays.load(directory / "train.npz", layout_of(directory / "start"))


def some(directory: Path, count: int = 40) -> list[Inputs]:
    arrays = arrays_of(directory)
    found = windows(arrays, Sampling(), (0, 0))[:count]
    return [Inputs(collate(arrays, batch), "cpu") for batch in batches(arrays, found, 400, (0, 0))]


def silence(reader: Reader, layer: int, kept: Kept) -> None:
    """Set what heads and units that are not kept give to zero."""
    width = reader.shape.head_size
    heads = [place for place in range(reader.shape.heads) if place not in kept.heads]
    columns = [width * head + place for head in heads for place in range(width)]
    reader.layers[layer].attention_output.weight.data[:, columns] = 0
    units = [place for place in range(reader.shape.inner) if place not in kept.units]
    reader.layers[layer].outer.weight.data[:, units] = 0


@pytest.mark.parametrize("heads", [([1, 3], [0, 2]), ([2], list(range(HEADS)))])
def test_what_gives_nothing_is_cut_without_a_trace(network: Path, heads: tuple[list[int], ...]) -> None:
    reader = exactly(network)
    kept = [Kept(index, each, list(range(index, UNITS, 3))) for index, each in enumerate(heads)]
    for index, each in enumerate(kept):
        silence(reader, index, each)
    smaller = cut(reader, kept)
    assert smaller.shape.sizes == tuple(LayerSize(len(each.heads), len(each.units)) for each in kept)
    # And again, from a layer that has a table of its own.
    silence(reader, 0, Kept(0, heads[0][-1:], kept[0].units))
    last = [len(heads[0]) - 1]
    width = reader.shape.head_size
    smaller.layers[0].attention_output.weight.data[:, : width * last[0]] = 0
    smallest = cut(smaller, [Kept(0, last, list(range(len(kept[0].units)))), *whole(smaller)[1:]])
    with torch.no_grad():
        for inputs in some(network):
            expected = inputs.ask(reader)
            for found in (inputs.ask(smaller), inputs.ask(smallest)):
                torch.testing.assert_close(found.start, expected.start, atol=1e-4, rtol=1e-4)
                torch.testing.assert_close(found.end, expected.end, atol=1e-4, rtol=1e-4)


def whole(reader: Reader) -> list[Kept]:
    return [
        Kept(i, list(range(size.heads)), list(range(size.units))) for i, size in enumerate(reader.shape.sizes)
    ]


def test_importance_is_the_squared_gradient_of_each_window(network: Path) -> None:
    reader = exactly(network)
    silence(reader, 1, Kept(1, [0, 2, 3], list(range(10, UNITS))))
    together = some(network, 8)
    found = measure_importance(reader, together)
    apart = [torch.zeros(HEADS), torch.zeros(UNITS)]
    epsilon = 1e-2
    for inputs in together:
        for row in range(len(inputs.ids)):
            one = Inputs(Batch._make(values[row : row + 1] for values in inputs.batch), "cpu")
            for total, module, width in (
                (apart[0], reader.layers[0].attention_output, reader.shape.head_size),
                (apart[1], reader.layers[0].outer, 1),
            ):
                for place in range(len(total)):
                    columns = slice(width * place, width * (place + 1))
                    before, losses = module.weight.data.clone(), []
                    for sign in (1, -1):
                        module.weight.data[:, columns] = before[:, columns] * (1 + sign * epsilon)
                        with torch.no_grad():
                            losses.append(float(answer_loss(one.ask(reader), one, None, Distillation())))
                        module.weight.data.copy_(before)
                    # The loss is the mean of two cross-entropies, importance that of their sum.
                    total[place] += ((losses[0] - losses[1]) / epsilon) ** 2
    for mine, theirs in zip(apart, found[0], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0.1, atol=0.02 * float(theirs.max()))
    assert (found[1].heads == 0).tolist() == [False, True, False, False]
    assert (found[1].units[:10] == 0).all()
    kept = keep_best(1, found[1], LayerSize(3, UNITS - 10))
    assert kept == Kept(1, [0, 2, 3], list(range(10, UNITS)))


def test_the_layer_that_is_missed_least_goes(network: Path) -> None:
    reader, inputs = exactly(network), some(network)

    def loss(index: int) -> float:
        without = cut(reader, [each for each in whole(reader) if each.layer != index])
        with torch.no_grad():
            losses = [
                len(each.ids) * answer_loss(each.ask(without), each, None, Distillation()) for each in inputs
            ]
        return float(sum(losses))

    expected = 1 if loss(0) < loss(1) else 0
    assert choose_layers(reader, inputs, 1) == [expected]
    assert choose_layers(reader, inputs, 2) == [0, 1]


def test_fused_attention_computes_the_same(network: Path) -> None:
    inputs = some(network)[0]
    gradients = []
    for reader in (exactly(network), exactly(network, fused=True)):
        kept = [Kept(0, [0, 1], [*range(UNITS)]), Kept(1, [*range(HEADS)], [*range(UNITS)])]
        smaller = cut(reader, kept)
        answer_loss(inputs.ask(smaller), inputs, None, Distillation()).backward()
        gradients.append({name: value.grad for name, value in smaller.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-5, rtol=1e-3)


def test_hidden_states_are_those_of_the_layers_replaced(network: Path, tmp_path: Path) -> None:
    reader, inputs = exactly(network), some(network)[0]
    with torch.no_grad():
        outputs = inputs.ask(reader)
    assert float(hidden_loss(outputs, outputs, [0, 1], inputs.mask)) == 0
    expected = torch.stack(
        [
            torch.nn.functional.mse_loss(mine[inputs.mask], wanted[inputs.mask]) / wanted[inputs.mask].var()
            for mine, wanted in zip(outputs.hidden, outputs.hidden[::-1], strict=True)
        ]
    ).mean()
    torch.testing.assert_close(
        hidden_loss(outputs, outputs, [1, 0], inputs.mask), expected, rtol=1e-3, atol=0
    )
    settings = Pruning(*SETTINGS, hidden_weight=1.0, layers=1, heads=4, units=64, steps=(1.0,))
    data = Data(arrays_of(network), arrays_of(network))
    run = PruningRun(exactly(network), data, settings, Store(tmp_path), reader)
    assert run.pairs == [0, 1]
    run.take(whole(run.reader)[:1])
    assert (run.sources, run.pairs) == ([0], [1])


def test_sizes_between_two_are_rounded_up() -> None:
    base, small = Target(12, 6, 1536), Target(6, 4, 768)
    whole = Target(12, 12, 3072)
    assert [base.between(whole, share) for share in (0.5, 0.8, 1.0)] == [
        Target(12, 9, 2304),
        Target(12, 8, 1856),
        base,
    ]
    assert [small.between(base, share) for share in (0.5, 1.0)] == [Target(9, 5, 1152), small]
    assert Target(1, 1, 40).between(Target(2, 4, 50), 0.5) == Target(2, 3, 50)


def test_cuts_are_spread_over_the_run() -> None:
    settings = Pruning(*SETTINGS, layers=1, heads=1, units=1, steps=(0.5, 0.8, 1.0), last=0.5)
    assert [settings.due(progress) for progress in (0, 0.24, 0.25, 0.49, 0.5, 1)] == [1, 1, 2, 2, 3, 3]
    assert replace(settings, steps=(1.0,)).due(0) == 1
    for steps in ((), (0.5,), (0.8, 0.5, 1.0), (0.0, 1.0), (0.5, 0.5, 1.0)):
        with pytest.raises(ValueError, match="expected ascending shares up to 1"):
            replace(settings, steps=steps)


def test_what_cannot_be_done_is_refused(network: Path, tmp_path: Path) -> None:
    reader, data = exactly(network), Data(arrays_of(network), arrays_of(network))
    settings = Pruning(*SETTINGS, layers=2, heads=5, units=64)
    with pytest.raises(ValueError, match="--heads is 5; expected 1 to 4"):
        PruningRun(reader, data, settings, Store(tmp_path), None)
    settings = Pruning(*SETTINGS, layers=2, heads=4, units=64, hidden_weight=1.0)
    with pytest.raises(ValueError, match="hidden states need a teacher's checkpoint"):
        PruningRun(reader, data, settings, Store(tmp_path), None)
    wide = Reader(replace(reader.shape, hidden=64))
    with pytest.raises(ValueError, match="teacher's hidden size is 64, the network's is 32"):
        PruningRun(reader, data, settings, Store(tmp_path), wide)
    shallow = Reader(replace(reader.shape, sizes=reader.shape.sizes[:1]))
    with pytest.raises(ValueError, match="the teacher has 1 layers, the network has 2; expected at least as"):
        PruningRun(reader, data, settings, Store(tmp_path), shallow)


def test_sizes_that_do_not_fit_are_refused(network: Path, tmp_path: Path) -> None:
    config = json.loads((network / "start" / "config.json").read_text())
    for layers, message in (
        ([{"heads": 4, "units": 64}], "has 1 items; expected 2"),
        ([{"heads": 4, "units": 64}, {"heads": 0, "units": 64}], r"layers\[1\] has 0 heads and 64 units"),
    ):
        (tmp_path / "config.json").write_text(json.dumps({**config, "spanjet": {"layers": layers}}))
        with pytest.raises(ValueError, match=message):
            read_shape(tmp_path)


def command(directory: Path, state: str, *more: str) -> list[str]:
    options = ["--total", "700", "--tokens", "400", "--warm-up", "5", "--rate", "3e-3", *more]
    options += ["--layers", "1", "--heads", "2", "--units", "33", "--measured", "60"]
    paths = ["--examples", directory / "train.npz", "--held-out", directory / "held-out.npz"]
    paths += ["--state", directory / state, "--out", directory / f"{state}-out"]
    paths += ["--teacher", directory / "start"]
    return [sys.executable, "-m", "recipes.prune", str(directory / "start"), *map(str, paths), *options]


@pytest.fixture(scope="module")
def pruned(network: Path) -> Path:
    subprocess.run(command(network, "whole"), cwd=ROOT, check=True, capture_output=True)
    return network


def test_a_run_that_was_killed_ends_as_one_that_was_not(pruned: Path) -> None:
    seconds = np.random.default_rng(len(pruned.name)).uniform(4, 9, 2)
    for each in seconds:
        process = subprocess.Popen(command(pruned, "killed", "--save-every", "0"), cwd=ROOT)
        time.sleep(each)
        process.send_signal(signal.SIGKILL)
        process.wait()
    again = command(pruned, "killed", "--stop-after", "0.3")
    done = subprocess.run(again, cwd=ROOT, check=True, capture_output=True, text=True)
    if not json.loads(done.stdout.splitlines()[-1])["done"]:
        subprocess.run(command(pruned, "killed"), cwd=ROOT, check=True, capture_output=True)
    first, second = (load_file(pruned / f"{name}-out" / "model.safetensors") for name in ("whole", "killed"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert read_shape(pruned / "whole-out").sizes == (LayerSize(2, 33),)


def test_any_step_of_a_run_can_be_its_last(network: Path, tmp_path: Path) -> None:
    """Without processes: each state of a run leads to the same end."""
    settings = Pruning(
        *(200, *SETTINGS[1:]),
        teacher_weight=0.7,
        temperature=2.0,
        hidden_weight=1.0,
        layers=1,
        heads=2,
        units=33,
        steps=(0.5, 1.0),
        measured=40,
    )
    data = Data(arrays_of(network), arrays_of(network))

    def run(store: Store) -> PruningRun:
        return PruningRun(
            load_reader(network / "start"), data, settings, store, load_reader(network / "start")
        )

    whole = run(Store(tmp_path / "whole"))
    assert whole.train()
    stopped = run(Store(tmp_path / "stopped"))
    shapes = []
    for _ in range(1000):
        is_done = stopped.train(stop_after=0)
        shapes.append(stopped.reader.shape.sizes)
        stopped = run(Store(tmp_path / "stopped"))
        if is_done:
            break
    assert len(set(shapes)) == 2
    assert stopped.place.seen == whole.place.seen
    expected, found = whole.reader.state_dict(), stopped.reader.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_other_settings_are_refused(pruned: Path) -> None:
    done = subprocess.run(
        [*command(pruned, "whole"), "--steps", "1"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert "was made with steps (0.5, 0.8, 1.0), not (1.0,); expected the same settings" in done.stderr


def test_training_after_a_cut_brings_the_teacher_nearer(network: Path, tmp_path: Path) -> None:
    teacher = load_reader(network / "start")
    inputs = some(network, 120)

    def distance(reader: Reader) -> float:
        with torch.no_grad():
            pairs = [(each.ask(reader), each.ask(teacher), each) for each in inputs]
        return float(
            sum(
                answer_loss(mine, each, theirs, Distillation(1.0))
                - answer_loss(theirs, each, theirs, Distillation(1.0))
                for mine, theirs, each in pairs
            )
        )

    settings = Pruning(
        *(1500, 0.25, 3e-3, *SETTINGS[3:]), teacher_weight=1.0, layers=2, heads=3, units=48, measured=40
    )
    data = Data(arrays_of(network), arrays_of(network))
    run = PruningRun(load_reader(network / "start"), data, settings, Store(tmp_path), teacher)
    run.prepare_step()
    before = distance(run.reader)
    assert run.train()
    assert 0 < distance(run.reader) < 0.7 * before


def test_cached_logits_teach_as_the_network_does(network: Path, tmp_path: Path) -> None:
    paths = ["--examples", network / "train.npz", "--student", network / "start"]
    paths += ["--student-examples", network / "train.npz", "--out", tmp_path / "logits", "--epochs", "0"]
    making = [sys.executable, "-m", "recipes.logits", str(network / "start"), *map(str, paths)]
    subprocess.run(making, cwd=ROOT, check=True, capture_output=True)
    settings = Pruning(*SETTINGS, teacher_weight=0.7, layers=2, heads=2, units=32)
    arrays = arrays_of(network)
    teacher, losses = load_reader(network / "start"), []
    chosen: list[Window] = windows(arrays, Sampling(), (0, 0))[:9]
    for logits, network_beside in ((tmp_path / "logits", None), (None, teacher)):
        run: Run = PruningRun(
            load_reader(network / "start"),
            Data(arrays, arrays, logits),
            settings,
            Store(tmp_path),
            network_beside,
        )
        run.prepare_step()
        _, taught = epoch_of(run.data, run.settings, 0)
        inputs = Inputs(collate(arrays, chosen), "cpu")
        targets = None if taught is None else taught.targets(chosen, inputs.batch.allowed)
        losses.append(float(run.loss(inputs, targets).detach()))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_spanjet_reads_what_is_left(pruned: Path) -> None:
    checkpoint = pruned / "whole-out"
    config = json.loads((checkpoint / "config.json").read_text())
    assert config["spanjet"] == {"layers": [{"heads": 2, "units": 33}]}
    assert config["num_hidden_layers"] == 1
    compiled = shared_core().compile_model(
        load_model(checkpoint).model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    reader = load_reader(checkpoint, dtype=torch.float32)
    names = {each.get_any_name() for each in compiled.inputs}
    for each in some(pruned):
        batch = each.batch
        values = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.types}
        found = compiled({name: values[name].astype(np.int32) for name in names})
        with torch.no_grad():
            expected = reader(each.ids, each.mask, each.types)
        for name, logits in (("start_logits", expected.start), ("end_logits", expected.end)):
            difference = np.abs(found[name] - logits.numpy())[batch.mask]
            assert difference.max() < 1e-4


def test_a_state_becomes_a_checkpoint(pruned: Path, tmp_path: Path) -> None:
    making = [sys.executable, "-m", "recipes.checkpoint", str(pruned / "whole"), str(pruned / "start")]
    subprocess.run([*making, "--out", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    first, second = (load_file(each / "model.safetensors") for each in (tmp_path, pruned / "whole-out"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert read_shape(tmp_path) == read_shape(pruned / "whole-out")
