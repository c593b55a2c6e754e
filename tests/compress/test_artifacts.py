"""Artifacts of a long run: known by what they were made from, made once, and anew where they are damaged."""

import json
from pathlib import Path

import numpy as np
import pytest
from spanjet.compress.artifacts import ArtifactStore, digest
from spanjet.runtime.openvino import ops, ov


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.stages"


class Maker:
    """Makes a value, and counts how often."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.calls = 0

    def number(self) -> float:
        self.calls += 1
        return self.value

    def arrays(self) -> dict[str, np.ndarray]:
        return {"a.b": np.full(3, self.number()), "c": np.eye(2)}

    def model(self) -> ov.Model:
        """Of more weights than the file loses when it is cut."""
        vectors = ops.parameter([-1, 8], np.float32, name="vectors")
        scaled = ops.multiply(vectors, ops.constant(np.full(8, self.number(), np.float32)))
        return ov.Model([ops.result(scaled)], [vectors], "scaled")


def weights(model: ov.Model) -> list[float]:
    (constant,) = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    return constant.data.ravel().tolist()  # type: ignore[no-any-return]


def test_results_are_known_by_what_they_were_made_from(path: Path) -> None:
    makers = [Maker(1), Maker(2), Maker(3)]
    store = ArtifactStore(path)
    assert store.value("one", {"seed": 0}, makers[0].number) == 1
    assert ArtifactStore(path).value("one", {"seed": 0}, makers[1].number) == 1
    assert ArtifactStore(path).value("one", {"seed": 1}, makers[2].number) == 3
    assert [maker.calls for maker in makers] == [1, 0, 1]
    arrays = store.arrays("two", 0, makers[0].arrays)
    again = ArtifactStore(path).arrays("two", 0, makers[1].arrays)
    assert sorted(again) == ["a.b", "c"]
    assert all((arrays[name] == again[name]).all() for name in again)
    assert weights(store.model("three", 0, makers[0].model)) == [1] * 8
    assert weights(ArtifactStore(path).model("three", 0, makers[1].model)) == [1] * 8
    assert makers[1].calls == 0
    assert store.file("four", 0) == path / f"four-{digest(0)}"


def test_models_are_read_anew(path: Path) -> None:
    """Whoever changes one does not change the next."""
    store, maker = ArtifactStore(path), Maker(1)
    first, second = (store.model("one", 0, maker.model) for _ in range(2))
    assert first is not second
    assert maker.calls == 1


@pytest.mark.parametrize("kind", ["value", "arrays", "model"])
def test_damaged_files_are_said_and_made_anew(path: Path, kind: str) -> None:
    makers = [Maker(1.5), Maker(2.5), Maker(3.5)]
    suffix = {"value": ".json", "arrays": ".npz", "model": ".bin"}[kind]

    def result(maker: Maker) -> float:
        store = ArtifactStore(path)
        if kind == "value":
            return float(store.value("one", 0, lambda: [maker.number()])[0])
        if kind == "arrays":
            return float(store.arrays("one", 0, maker.arrays)["a.b"][0])
        return weights(store.model("one", 0, maker.model))[0]

    assert result(makers[0]) == 1.5
    file = ArtifactStore(path).file("one", 0, suffix)
    file.write_bytes(file.read_bytes()[:-2])
    with pytest.warns(RuntimeWarning, match=r"one-.*: damaged; what was lost is computed again"):
        assert result(makers[1]) == 2.5
    assert result(makers[2]) == 2.5
    assert [maker.calls for maker in makers] == [1, 1, 0]


def test_measurements_are_appended(path: Path) -> None:
    store, makers = ArtifactStore(path), [Maker(0.1 + 1 / 3), Maker(2.0), Maker(3.0)]
    assert store.measurements("errors", 0) == {}
    assert store.measurement("errors", 0, "a", makers[0].number) == makers[0].value
    before = store.file("errors", 0, ".jsonl").read_bytes()
    assert store.measurement("errors", 0, "b", makers[1].number) == 2
    assert store.file("errors", 0, ".jsonl").read_bytes().startswith(before)
    again = ArtifactStore(path)
    assert again.measurements("errors", 0) == {"a": makers[0].value, "b": 2.0}
    assert again.measurement("errors", 0, "a", makers[2].number) == makers[0].value
    assert again.measurement("errors", 1, "a", makers[2].number) == 3
    assert [maker.calls for maker in makers] == [1, 1, 1]


@pytest.mark.parametrize("damage", ["half written", "garbage between", "a number without its name"])
def test_damaged_measurements_are_made_anew(path: Path, damage: str) -> None:
    """The others are kept, and what follows is whole."""
    store = ArtifactStore(path)
    for name in ("a", "b"):
        store.measurement("errors", 0, name, Maker(1).number)
    file = store.file("errors", 0, ".jsonl")
    first, last = file.read_bytes().splitlines(keepends=True)
    lines = {
        "half written": first + last[:-1],
        "garbage between": first + b"\x00\n",
        "a number without its name": first + b"7\n",
    }
    file.write_bytes(lines[damage])
    maker, store = Maker(5), ArtifactStore(path)
    with pytest.warns(RuntimeWarning, match=r"errors-.*\.jsonl: damaged; .*: 1 of 2 lines"):
        assert store.measurement("errors", 0, "a", maker.number) == 1
    assert store.measurement("errors", 0, "b", maker.number) == 5
    assert [json.loads(line) for line in file.read_text().splitlines()] == [["a", 1], ["b", 5]]
    assert ArtifactStore(path).measurements("errors", 0) == {"a": 1, "b": 5}


def test_two_runs_do_not_meet(path: Path) -> None:
    with (
        ArtifactStore(path).locked(),
        pytest.raises(BlockingIOError, match="another process is using this run"),
        ArtifactStore(path).locked(),
    ):
        pass


def test_what_a_killed_process_left_is_removed(path: Path) -> None:
    store = ArtifactStore(path)
    store.value("one", 0, Maker(1).number)
    before = sorted(path.iterdir())
    (path / ".network-0.123").mkdir()
    for name in ("one-0.json.new", "one-0.new.xml", "one-0.new.bin"):
        (path / name).touch()
    with store.locked():
        assert sorted(path.iterdir()) == sorted([*before, path / "lock"])
    store.remove()
    assert not path.exists()


def test_other_directories_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ArtifactStore(tmp_path / "other")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for name in ("foreign", "link", "file"):
        with pytest.raises(FileExistsError, match="not a work directory"):
            ArtifactStore(tmp_path / name)


def test_digest() -> None:
    assert digest({"a": 1, "b": [1.5]}) == digest(json.loads('{"b": [1.5], "a": 1}'))
    assert digest({"a": 1}) != digest({"a": 2})
