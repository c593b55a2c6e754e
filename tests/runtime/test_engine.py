"""The runtime: shared memory, names and types of models, failures, threads and processes."""

import gc
import os
import re
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from numpy.typing import NDArray
from spanjet import RuntimeConfig, Tokenizer
from spanjet.model import Model
from spanjet.runtime.engine import Runtime
from spanjet.runtime.openvino import ov

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass
class Inputs:
    """A batch made by hand."""

    input_ids: NDArray[Any]
    attention_mask: NDArray[Any]
    token_type_ids: NDArray[Any]


def random_inputs(seed: int, rows: int = 3, length: int = 16) -> Inputs:
    ids = np.random.default_rng(seed).integers(5, len(toy_model.VOCABULARY), (rows, length), dtype=np.int32)
    return Inputs(ids, np.ones_like(ids), np.zeros_like(ids))


@pytest.fixture(scope="module")
def runtime(toy: Model, exact: RuntimeConfig) -> Runtime:
    return Runtime(toy.model, exact)


def requests(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The inference requests that are made from now on."""
    made: list[Any] = []
    create = ov.CompiledModel.create_infer_request

    def remember(compiled: Any) -> Any:
        made.append(create(compiled))
        return made[-1]

    monkeypatch.setattr(ov.CompiledModel, "create_infer_request", remember)
    return made


def test_order_and_values(runtime: Runtime) -> None:
    batches = [random_inputs(seed, rows=1 + seed % 4, length=8 + seed) for seed in range(40)]
    count = 0
    for batch, (start, end) in zip(batches, runtime.run(batches), strict=True):
        np.testing.assert_array_equal(start, toy_model.START[batch.input_ids])
        np.testing.assert_array_equal(end, toy_model.END[batch.input_ids])
        count += 1
    assert count == 40


def test_the_core_s_arrays_are_the_model_s_memory(
    exact: RuntimeConfig, toy: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(toy.model, exact)
    windows = Tokenizer(toy.tokenizer).windows(
        ["who built it?"] * 3, ["the tower", "paris", "a river in paris"]
    )
    batch = windows.batch(np.arange(3), multiple_of=16)
    made = requests(monkeypatch)
    logits = next(runtime.run([batch]))
    (request,) = made
    for name in INPUTS:
        array = getattr(batch, name)
        assert array.flags.carray
        assert not array.flags.owndata  # Rust owns it
        assert request.get_tensor(name).data.ctypes.data == array.ctypes.data
    assert logits.start.ctypes.data == request.get_tensor("start_logits").data.ctypes.data
    assert logits.end.ctypes.data == request.get_tensor("end_logits").data.ctypes.data


def test_a_batch_lives_until_its_logits_are_out(runtime: Runtime) -> None:
    alive: list[weakref.ref[Inputs]] = []

    def batches() -> Iterator[Inputs]:
        for seed in range(12):
            batch = random_inputs(seed)
            alive.append(weakref.ref(batch))
            yield batch
            del batch

    for index, (start, _) in enumerate(runtime.run(batches())):
        gc.collect()
        waiting = alive[index + 1 :]
        assert all(reference() is not None for reference in waiting[:-1])
        np.testing.assert_array_equal(start, toy_model.START[random_inputs(index).input_ids])
    gc.collect()
    assert all(reference() is None for reference in alive)


def test_reads_only_a_few_batches_ahead(runtime: Runtime) -> None:
    taken = 0

    def batches() -> Iterator[Inputs]:
        nonlocal taken
        while True:
            taken += 1
            yield random_inputs(taken)

    logits = runtime.run(batches(), hint="LATENCY")
    next(logits)
    assert taken <= 4
    logits.close()


def test_the_caller_s_error_ends_the_run(runtime: Runtime) -> None:
    def batches() -> Iterator[Inputs]:
        yield random_inputs(0)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(runtime.run(batches()))
    assert len(list(runtime.run([random_inputs(1)]))) == 1


def test_a_failed_inference_surfaces(exact: RuntimeConfig) -> None:
    runtime = Runtime(toy_model.build(positions=20), exact)
    good, bad = random_inputs(0, length=20), random_inputs(0, length=21)
    with pytest.raises(RuntimeError, match="Exception from"):
        list(runtime.run([good, bad, good, good, good, good, good]))
    assert len(list(runtime.run([good, good]))) == 2


@pytest.mark.parametrize("element_type", ["i64", "i32"])
@pytest.mark.parametrize("output_type", ["f16", "f32"])
def test_other_element_types(exact: RuntimeConfig, element_type: str, output_type: str) -> None:
    model = toy_model.build(element_type=element_type, output_type=output_type)
    batch = random_inputs(0)
    ((start, end),) = [(start.copy(), end.copy()) for start, end in Runtime(model, exact).run([batch])]
    tolerance = 0.01 if output_type == "f16" else 0
    assert start.dtype == end.dtype == np.float32
    np.testing.assert_allclose(start, toy_model.START[batch.input_ids], atol=tolerance)
    assert (
        model.input("input_ids").get_element_type().to_string() == element_type
    )  # the caller's is untouched


def test_a_model_without_token_types(exact: RuntimeConfig) -> None:
    model = toy_model.build(inputs=("input_ids", "attention_mask"))
    batch = random_inputs(0)
    for start, _ in Runtime(model, exact).run([batch]):
        np.testing.assert_array_equal(start, toy_model.START[batch.input_ids])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"inputs": ("input_ids", "mask")},
            r"inputs \['input_ids', 'mask'\]; expected \['input_ids', 'attention_mask', 'token_type_ids'\]",
        ),
        ({"inputs": ("input_ids", "attention_mask", "token_type_ids", "position_ids")}, "position_ids"),
        (
            {"outputs": ("start", "end")},
            r"outputs \['end', 'start'\]; expected \['start_logits', 'end_logits'\]",
        ),
        ({"shape": (1, 384)}, r"input_ids has the fixed shape \[1,384\]"),
    ],
)
def test_other_models(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Runtime(toy_model.build(**options))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda array: array.astype(np.int64),
        np.asfortranarray,
        lambda array: np.lib.stride_tricks.as_strided(array, writeable=False),
    ],
)
def test_arrays_that_cannot_be_shared(runtime: Runtime, spoil: Any) -> None:
    batch = random_inputs(0)
    batch.attention_mask = spoil(batch.attention_mask)
    with pytest.raises(TypeError, match="attention_mask: expected a C-contiguous, writable int32 array"):
        list(runtime.run([batch]))


def test_threads_share_a_runtime(runtime: Runtime) -> None:
    def run(seed: int) -> bool:
        batches = [random_inputs(100 * seed + index) for index in range(30)]
        logits = zip(batches, runtime.run(batches), strict=True)
        return all(np.array_equal(start, toy_model.START[batch.input_ids]) for batch, (start, _) in logits)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(8)))


def test_requests_are_kept_for_later_runs(
    exact: RuntimeConfig, toy: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(toy.model, exact)
    made = requests(monkeypatch)
    batches = [random_inputs(seed) for seed in range(30)]
    list(runtime.run(batches))
    count = len(made)
    assert count <= 2 * runtime.streams
    for _ in range(3):
        for batch, (start, _) in zip(batches, runtime.run(batches), strict=True):
            np.testing.assert_array_equal(start, toy_model.START[batch.input_ids])
    assert len(made) == count


def test_none_waits_for_the_oldest_batch(runtime: Runtime) -> None:
    """Each batch is made of the logits of the one before."""
    last: list[NDArray[np.float32]] = [np.ones((1, 1), np.float32)]

    def batches() -> Iterator[Inputs | None]:
        yield None  # nothing runs
        for seed in range(5):
            count = len(last)
            yield random_inputs(seed, rows=1 + int(last[-1][0, 0]) % 3)
            yield None
            assert len(last) == count + 1

    for start, _ in runtime.run(batches()):
        last.append(start.copy())
    assert len(last) == 6


def test_a_model_for_each_length(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    config = RuntimeConfig(precision="f32", cache_dir=None, static_lengths=True)
    runtime = Runtime(toy.model, config)
    made = requests(monkeypatch)
    batches = [random_inputs(seed, rows=1 + seed % 3, length=16 + 16 * (seed % 2)) for seed in range(12)]
    for batch, (start, _) in zip(batches, runtime.run(batches), strict=True):
        np.testing.assert_array_equal(start, toy_model.START[batch.input_ids])
    shapes = {str(request.get_compiled_model().input("input_ids").get_partial_shape()) for request in made}
    assert shapes == {"[?,16]", "[?,32]"}
    made.clear()
    list(runtime.run(batches[:2], hint="LATENCY"))
    assert {str(made[0].get_compiled_model().input("input_ids").get_partial_shape())} == {"[?,?]"}


def test_describes_what_openvino_made_of_the_settings(toy: Model) -> None:
    config = RuntimeConfig(precision="f32", threads=2, streams=2, cache_dir=None, pinning=False)
    described = Runtime(toy.model, config).describe()
    assert described == {"precision": "f32", "streams": "2", "threads": "2", "pinning": "False"}


def test_settings_reach_openvino(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(toy.model, RuntimeConfig(threads=1, streams=1, precision="f32", cache_dir=None))
    made = requests(monkeypatch)
    next(runtime.run([random_inputs(0)]))
    compiled = made[0].get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.f32


def test_compiled_models_are_kept(toy: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = requests(monkeypatch)
    for hint in ("LATENCY", "LATENCY", "THROUGHPUT"):
        runtime = Runtime(toy.model, RuntimeConfig(cache_dir=tmp_path / "kept"))
        next(runtime.run([random_inputs(0)], hint=hint))
        assert len(list((tmp_path / "kept").glob("*.blob"))) == 1
    compiled = [request.get_compiled_model() for request in made]
    assert [model.get_property("LOADED_FROM_CACHE") for model in compiled] == [False, True, True]
    hints = [model.get_property("PERFORMANCE_HINT") for model in compiled]
    assert hints == ["LATENCY", "LATENCY", "THROUGHPUT"]


def test_a_kept_model_runs_at_the_precision_asked_for(toy: Model, tmp_path: Path) -> None:
    batch = random_inputs(0)
    for precision in ("bf16", "f32"):
        config = RuntimeConfig(cache_dir=tmp_path, precision=precision)
        start, _ = next(Runtime(toy.model, config).run([batch]))
    np.testing.assert_array_equal(start, toy_model.START[batch.input_ids])


def test_a_damaged_cache_is_made_anew(toy: Model, tmp_path: Path) -> None:
    config = RuntimeConfig(cache_dir=tmp_path, precision="f32")
    batch = random_inputs(0)
    next(Runtime(toy.model, config).run([batch]))
    (blob,) = tmp_path.glob("*.blob")
    blob.write_bytes(blob.read_bytes()[:1000])
    start, _ = next(Runtime(toy.model, config).run([batch]))
    np.testing.assert_array_equal(start, toy_model.START[batch.input_ids])


def test_a_cache_that_cannot_be_written(toy: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    runtime = Runtime(toy.model, RuntimeConfig(cache_dir=tmp_path / "file" / "cache"))
    expected = f"compiled models are not kept: {tmp_path / 'file' / 'cache'}: Not a directory"
    with pytest.warns(RuntimeWarning, match=f"^{re.escape(expected)}$") as caught:
        next(runtime.run([random_inputs(0)]))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("when", ["before the first question", "after it"])
def test_forked_children(tmp_path: Path, when: str) -> None:
    """In a process of its own, since a hang would take the tests with it."""
    script = tmp_path / "fork.py"
    script.write_text(
        textwrap.dedent("""
            import os, pathlib, sys, warnings
            import toy_model
            from spanjet import Reader, RuntimeConfig, WindowConfig

            warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads
            model = toy_model.load(pathlib.Path(sys.argv[1]))
            windows = WindowConfig(max_length=48, doc_stride=16)
            reader = Reader(model, window_config=windows, runtime_config=RuntimeConfig(cache_dir=None))
            document = reader.prepare("paris has a tower near the river")

            def ask():
                return reader.ask_many(["who built the tower?"] * 200, document), reader.ask("when", "paris")

            refused = sys.argv[2] == "after it"
            if refused:
                ask()
            child = os.fork()
            if child == 0:
                try:
                    ask()
                except RuntimeError as error:
                    sys.exit(0 if refused and "forked" in str(error) else 3)
                sys.exit(4 if refused else 0)
            _, status = os.waitpid(child, 0)
            ask()
            sys.exit(os.waitstatus_to_exitcode(status))
        """)
    )
    paths = [str(Path(toy_model.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(script), str(tmp_path), when]
    assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == 0
