"""Training, in the environment that has torch: `make test-recipes`."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForQuestionAnswering

from recipes.checkpoint import layout_of, load_reader, save_checkpoint
from recipes.examples import Arrays, Sampling, collate, windows
from recipes.loading import Data, epoch_of, steps
from recipes.logits import Teacher, check_alike
from recipes.settings import Place, Settings
from recipes.training import Run, Store

ROOT = Path(__file__).parents[1]
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def start(directory: Path, family: str, seed: int) -> Any:
    """A small checkpoint with random weights, and transformers' model of it."""
    torch.manual_seed(seed)
    kind = {"bert": {"vocab_size": 200}, "mpnet": {"vocab_size": 204, "relative_attention_num_buckets": 32}}
    config = AutoConfig.for_model(family, **SHAPE, **kind[family])
    model = AutoModelForQuestionAnswering.from_config(config, attn_implementation="eager").eval()
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.3)
    model.save_pretrained(directory)
    special = {"bert": ["[PAD]", "[CLS]", "[SEP]"], "mpnet": ["<s>", "<pad>", "</s>"]}
    words = [*special[family], *(f"w{number}" for number in range(197))]
    (directory / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    return model


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_logits_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    model = start(tmp_path, family, 1)
    reader = load_reader(tmp_path)
    ids = torch.randint(3, 200, (3, 200))
    mask = torch.ones(3, 200, dtype=torch.bool)
    mask[1, 150:] = False
    types = torch.zeros_like(ids)
    types[:, 20:] = 1
    # MPNet derives positions from its padding token, 1.
    ids[~mask] = 1
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask.long()}
    inputs |= {"token_type_ids": types} if family == "bert" else {}
    with torch.no_grad():
        expected = model(**inputs)
        found = reader(ids, mask, types)
    for mine, theirs in ((found.start, expected.start_logits), (found.end, expected.end_logits)):
        # bfloat16 has 8 bits.
        error = (mine - theirs)[mask].abs().mean() / theirs[mask].abs().mean()
        assert error < 0.05


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_a_checkpoint_is_written_as_it_was_read(family: str, tmp_path: Path) -> None:
    start(tmp_path / "start", family, 2)
    reader = load_reader(tmp_path / "start")
    save_checkpoint(reader.shape, reader.state_dict(), tmp_path / "start", tmp_path / "out")
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("start", "out"))
    assert set(before) - set(after) <= {"bert.embeddings.position_ids", "mpnet.embeddings.position_ids"}
    for name, tensor in after.items():
        torch.testing.assert_close(tensor.float(), before[name], atol=1e-3, rtol=1e-3)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    start(tmp_path, "bert", 3)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["bert.encoder.layer.1.output.dense.bias"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"no tensor bert\.encoder\.layer\.1\.output\.dense\.bias"):
        load_reader(tmp_path)


def examples(path: Path, seed: int) -> None:
    """Paragraphs in which the answer stands behind the question's only word."""
    rng = np.random.default_rng(seed)
    paragraphs = rng.integers(3, 200, (40, 30)).astype(np.int32)
    first = rng.integers(1, 29, 120)
    paragraph = np.repeat(np.arange(40), 3)
    np.savez(
        path,
        paragraph_ids=paragraphs.ravel(),
        paragraph_indptr=np.arange(0, 1201, 30),
        article=np.repeat(np.arange(8), 5).astype(np.int32),
        question_ids=paragraphs[paragraph, first - 1],
        question_indptr=np.arange(121),
        paragraph=paragraph.astype(np.int32),
        first=np.where(np.arange(120) % 4, first, -1).astype(np.int32),
        last=np.where(np.arange(120) % 4, first, -1).astype(np.int32),
    )


def command(directory: Path, state: str, total: int, *more: str) -> list[str]:
    options = ["--total", str(total), "--tokens", "400", "--warm-up", "5", "--rate", "3e-3", *more]
    paths = ["--examples", directory / "train.npz", "--held-out", directory / "held-out.npz"]
    paths += ["--state", directory / state, "--out", directory / f"{state}-out"]
    return [sys.executable, "-m", "recipes.train", str(directory / "start"), *map(str, paths), *options]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("training")
    start(directory / "start", "bert", 4)
    examples(directory / "train.npz", 5)
    examples(directory / "held-out.npz", 6)
    subprocess.run(command(directory, "whole", 900), cwd=ROOT, check=True, capture_output=True)
    return directory


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(prepared: Path, number: signal.Signals) -> None:
    state = f"stopped-{number.name}"
    for seconds in (5.0, 6.0):
        process = subprocess.Popen(command(prepared, state, 900, "--save-every", "0"), cwd=ROOT)
        time.sleep(seconds)
        process.send_signal(number)
        process.wait()
    subprocess.run(command(prepared, state, 900), cwd=ROOT, check=True, capture_output=True)
    whole, stopped = (load_file(prepared / f"{name}-out" / "model.safetensors") for name in ("whole", state))
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)


def test_a_signal_in_the_last_step_stops_the_run_too(prepared: Path, tmp_path: Path) -> None:
    """What comes after the run must not begin, and signals act as before again."""

    class Signalled(Run):
        def report(self, count: int, look_every: int) -> None:
            super().report(count, look_every)
            signal.raise_signal(signal.SIGTERM)

    def made() -> Run:
        return Signalled(load_reader(prepared / "start"), data, settings, Store(tmp_path))

    layout, sampling = layout_of(prepared / "start"), Sampling()
    arrays = Arrays.load(prepared / "train.npz", layout)
    data = Data(arrays, arrays)
    settings = Settings(10, 0.25, 1e-3, 5, 400, 0, sampling.elsewhere, sampling.article)
    before = signal.getsignal(signal.SIGTERM)
    run = made()
    assert not run.train()
    assert run.is_done
    assert signal.getsignal(signal.SIGTERM) is before
    assert made().train()


def test_training_lowers_the_loss(prepared: Path) -> None:
    done = subprocess.run(
        command(prepared, "long", 900), cwd=ROOT, check=True, capture_output=True, text=True
    )
    losses = [float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("held-out loss")]
    assert losses
    assert losses[-1] < np.log(30)


def test_frozen_layers_stay_as_they_are(prepared: Path) -> None:
    more = ("--frozen", "1")
    for total in (200, 400):
        subprocess.run(command(prepared, "frozen", total, *more), cwd=ROOT, check=True, capture_output=True)
    before, after = (load_reader(prepared / name).state_dict() for name in ("start", "frozen-out"))
    changed = {name for name, value in before.items() if not torch.equal(value.half(), after[name].half())}
    trained = {name for name in before if name.startswith(("layers.1.", "answer."))}
    assert changed == trained
    done = subprocess.run(
        command(prepared, "deep", 9, "--frozen", "3"), cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert "3 layers to freeze; expected 0 to 2" in done.stderr


def test_tables_that_are_frozen_stay_as_they_are(tmp_path: Path) -> None:
    start(tmp_path / "start", "mpnet", 4)
    for part in ("train", "held-out"):
        examples(tmp_path / f"{part}.npz", 5)
    done = command(tmp_path, "tables", 200, "--frozen-tables")
    subprocess.run(done, cwd=ROOT, check=True, capture_output=True)
    before, after = (load_reader(tmp_path / name).state_dict() for name in ("start", "tables-out"))
    same = {name for name, value in before.items() if torch.equal(value.half(), after[name].half())}
    assert same == {"words.weight", "relative.weight"}


def test_dropout_is_of_training_alone_and_of_the_step(prepared: Path) -> None:
    """A run that was stopped ends as one that was not, and not as one without dropout."""
    ends = {}
    for state, totals, more in (
        ("dropped", (400,), ("--dropout", "0.3")),
        ("dropped-twice", (200, 400), ("--dropout", "0.3", "--cool-down", "0")),
        ("dropped-once", (400,), ("--dropout", "0.3", "--cool-down", "0")),
        ("kept", (400,), ()),
    ):
        for total in totals:
            subprocess.run(command(prepared, state, total, *more), cwd=ROOT, check=True, capture_output=True)
        ends[state] = load_reader(prepared / f"{state}-out").state_dict()["answer.weight"]
    assert torch.equal(ends["dropped-twice"], ends["dropped-once"])
    assert not torch.equal(ends["dropped"], ends["kept"])
    reader = load_reader(prepared / "start")
    ids = torch.randint(3, 200, (3, 20))
    arguments = (ids, torch.ones_like(ids, dtype=torch.bool), torch.zeros_like(ids))
    expected = reader(*arguments).start
    reader.dropout = 0.3
    assert not torch.equal(reader(*arguments).start, expected)
    assert torch.equal(reader.eval()(*arguments).start, expected)
    with pytest.raises(ValueError, match=r"dropout is 1\.0; expected 0 to less than 1"):
        Settings(1000, 0.25, 1.0, 10, 400, 0, 0.1, 0.1, dropout=1.0)


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_make_the_same_steps(prepared: Path, taught: Path, processes: int) -> None:
    arrays = Arrays.load(prepared / "train.npz", layout_of(prepared / "start"))
    settings = Settings(1000, 0.25, 1.0, 10, 400, 0, Sampling().elsewhere, Sampling().article)
    place = Place(epoch=1, batch=3)
    for data in (Data(arrays, arrays), Data(arrays, arrays, taught)):
        made = [
            list(itertools.islice(steps(data, settings, place, processes=count), 40))
            for count in (0, processes)
        ]
        # More than the rest of the epoch.
        assert {step.epoch for step in made[0]} > {1, 2}
        for mine, theirs in zip(*made, strict=True):
            assert mine[2:] == theirs[2:]
            assert (mine.targets is None) == (data.logits is None)
            for one, other in zip((*mine.batch, mine.targets), (*theirs.batch, theirs.targets), strict=True):
                np.testing.assert_array_equal(one, other)


def test_other_settings_are_refused(prepared: Path) -> None:
    other = command(prepared, "whole", 900, "--seed", "9")
    done = subprocess.run(other, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode
    assert "was made with seed 0, not 9; expected the same settings" in done.stderr


def test_the_rate_is_constant_and_then_falls() -> None:
    settings = Settings(1000, 0.25, 1.0, 10, 400, 0, 0.1, 0.1)
    assert [settings.rate_at(Place(step=step)) for step in (0, 4, 9, 99)] == [0.1, 0.5, 1.0, 1.0]
    assert [settings.rate_at(Place(step=99, seen=seen)) for seen in (750, 875, 1000)] == [1.0, 0.5, 0.0]
    # It rises again behind a cut.
    assert settings.rate_at(Place(step=104, begun=100)) == 0.5


def test_a_run_of_minutes_ends_with_its_time() -> None:
    settings = Settings(0, 0.25, 1.0, 10, 400, 0, 0.1, 0.1, minutes=2)
    assert settings.progress(Place(seen=10**6, seconds=90)) == 0.75
    assert settings.rate_at(Place(step=99, seconds=105)) == 0.5
    with pytest.raises(ValueError, match="warm_up is 0 steps; expected at least 1"):
        Settings(1000, 0.25, 1.0, 0, 400, 0, 0.1, 0.1)
    for total, minutes in ((0, 0.0), (100, 1.0)):
        with pytest.raises(ValueError, match=r"windows \(--total\) or a time \(--minutes\)"):
            Settings(total, 0.25, 1.0, 10, 400, 0, 0.1, 0.1, minutes=minutes)


@pytest.fixture(scope="module")
def taught(prepared: Path) -> Path:
    """Logits of the trained reader, for two epochs."""
    paths = ["--examples", prepared / "train.npz", "--student", prepared / "start"]
    paths += ["--student-examples", prepared / "train.npz", "--out", prepared / "logits"]
    teacher = prepared / "whole-out"
    (teacher / "vocab.txt").write_bytes((prepared / "start" / "vocab.txt").read_bytes())
    command = [sys.executable, "-m", "recipes.logits", str(teacher), *map(str, paths), "--epochs", "0", "2"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return prepared / "logits"


def test_a_teachers_logits_are_those_of_its_windows(prepared: Path, taught: Path) -> None:
    teacher = prepared / "whole-out"
    arrays = Arrays.load(prepared / "train.npz", layout_of(teacher))
    drawn = windows(arrays, Sampling(), (0, 2))
    kept = Teacher(taught / "2.npz", drawn)
    chosen = [drawn[index] for index in (5, 0, 17)]
    batch = collate(arrays, chosen)
    targets = kept.targets(chosen, batch.allowed)
    with torch.no_grad():
        found = load_reader(teacher)(
            *(torch.from_numpy(each) for each in (batch.ids, batch.mask, batch.types))
        )
    for target, logits in zip(targets, (found.start, found.end), strict=True):
        assert (target[~batch.allowed] == -10_000).all()
        # Other batches, other rounding.
        np.testing.assert_allclose(target[batch.allowed], logits.numpy()[batch.allowed], atol=0.1)
    with pytest.raises(ValueError, match=rf"logits of {len(drawn)} windows; expected {len(drawn) - 1}"):
        Teacher(taught / "2.npz", drawn[:-1])


def test_epochs_of_a_teacher_come_in_turn(prepared: Path, taught: Path, tmp_path: Path) -> None:
    arrays = Arrays.load(prepared / "train.npz", layout_of(prepared / "start"))
    settings = Settings(1000, 0.25, 1.0, 10, 400, 0, Sampling().elsewhere, Sampling().article)
    expected = {0: 0, 1: 2, 2: 0, 3: 2}
    for epoch, chosen in expected.items():
        drawn, logits = epoch_of(Data(arrays, arrays, taught), settings, epoch)
        assert drawn == windows(arrays, Sampling(), (0, chosen))
        assert logits is not None
    with pytest.raises(ValueError, match=r"no logits; expected those of recipes\.logits"):
        epoch_of(Data(arrays, arrays, tmp_path), settings, 0)


def test_a_student_comes_near_its_teacher(prepared: Path, taught: Path) -> None:
    def distance(state: str, *more: str) -> float:
        subprocess.run(command(prepared, state, 900, *more), cwd=ROOT, check=True, capture_output=True)
        readers = [load_reader(prepared / name) for name in ("whole-out", f"{state}-out")]
        arrays = Arrays.load(prepared / "held-out.npz", layout_of(prepared / "start"))
        batch = collate(arrays, windows(arrays, Sampling(), (0, 0))[:60])
        inputs = [torch.from_numpy(each) for each in (batch.ids, batch.mask, batch.types)]
        with torch.no_grad():
            mine, theirs = (reader(*inputs).start for reader in readers)
        return float(
            torch.nn.functional.kl_div(theirs.log_softmax(-1), mine.softmax(-1), reduction="batchmean")
        )

    # Another order of the data, with and without the teacher.
    labels = distance("labels", "--seed", "5")
    taught_distance = distance("taught", "--seed", "0", "--teacher", str(taught), "--teacher-weight", "1")
    assert taught_distance < labels
    mixed = command(prepared, "taught", 900, "--teacher", str(taught))
    done = subprocess.run(mixed, cwd=ROOT, check=False, capture_output=True, text=True)
    assert "was made with teacher_weight 1.0" in done.stderr


def test_examples_of_another_file_are_refused(prepared: Path, tmp_path: Path) -> None:
    layout = layout_of(prepared / "start")
    with np.load(prepared / "train.npz") as values:
        other = {**values, "first": values["first"][::-1].copy()}
    np.savez(tmp_path / "other.npz", **other)
    arrays = [Arrays.load(path, layout) for path in (prepared / "train.npz", tmp_path / "other.npz")]
    with pytest.raises(ValueError, match="differ in first; expected one file's"):
        check_alike(*arrays)
