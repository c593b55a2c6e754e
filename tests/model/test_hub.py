"""Hub ids: what is one, what is downloaded, and what the errors say; no network is needed."""

import os
import re
import shutil
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import checkpoints
import huggingface_hub
import pytest
import torch_files
from checkpoints import TINY
from huggingface_hub import errors
from spanjet import Reader, RuntimeConfig
from spanjet.cli import app
from spanjet.compress.card import describe_source
from spanjet.model import load_model
from spanjet.model.hub import HubModel
from spanjet.runtime.openvino import ov
from typer.testing import CliRunner

DISTILBERT = "distilbert-base-cased-distilled-squad"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def known(name: str) -> Exception:
    """One of the client's errors, which some versions do not have and some make of a response."""
    kind: type[Exception] = getattr(errors, name, type(name, (Exception,), {}))
    return kind.__new__(kind, "404 Client Error. (Request ID: 1)")


def about(names: list[str]) -> SimpleNamespace:
    """The hub's description of a repository, as far as its files go."""
    return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Downloads that were asked for; each gives the tiny checkpoint."""
    made: list[dict[str, Any]] = []

    def download(repository: str, **options: Any) -> str:
        made.append({"repository": repository, **options})
        return str(TINY)

    def listed(*_: Any, **__: Any) -> SimpleNamespace:
        return about([file.name for file in TINY.iterdir()])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub, "model_info", listed)
    return made


class FakeHub:
    """Repositories by id and revision, of which files are downloaded into a cache as the client does it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        self.reached = True

    def add(self, identity: str) -> Path:
        """The directory of a new repository, at a revision."""
        (self.root / "hub" / identity).mkdir(parents=True)
        return self.root / "hub" / identity

    def _directory(self, repository: str, revision: str | None) -> Path:
        if not self.reached:
            raise errors.OfflineModeIsEnabled("offline")
        self.asked.append(f"{repository}@{revision or 'main'}")
        directory = self.root / "hub" / self.asked[-1]
        if not directory.is_dir():
            raise known("RevisionNotFoundError")
        return directory

    def _names(self, repository: str, revision: str | None) -> list[str]:
        directory = self._directory(repository, revision)
        return [str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()]

    def model_info(self, repository: str, *, revision: str | None) -> SimpleNamespace:
        return about(self._names(repository, revision))

    def snapshot_download(
        self, repository: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool
    ) -> str:
        snapshot = self.root / "cache" / f"{repository}@{revision or 'main'}" / "snapshots" / COMMIT
        if local_files_only:
            if not snapshot.is_dir():
                raise errors.LocalEntryNotFoundError("not in the cache")
            return str(snapshot)
        blobs = snapshot.parents[1] / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        for name in self._names(repository, revision):
            if any(fnmatch(name, pattern) for pattern in allow_patterns):
                blob, link = blobs / name.replace("/", "+"), snapshot / name
                link.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._directory(repository, revision) / name, blob)
                link.unlink(missing_ok=True)
                link.symlink_to(os.path.relpath(blob, link.parent))
        return str(snapshot)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    made = FakeHub(tmp_path)
    monkeypatch.setattr(huggingface_hub, "model_info", made.model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.snapshot_download)
    return made


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the client's own form, with one repository in it, and no way to the network."""
    repository = tmp_path / "hub" / "models--team--tiny"
    snapshot, blobs = repository / "snapshots" / COMMIT, repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    whole = Path(shutil.copytree(TINY, tmp_path / "whole"))
    checkpoints.split(whole)
    for file in sorted(whole.iterdir()):
        blob = blobs / f"{abs(hash(file.name)):x}"
        shutil.copyfile(file, blob)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    (repository / "refs").mkdir()
    for name in ("main", "v1.0"):
        (repository / "refs" / name).write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return snapshot


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deepset/roberta-base-squad2", HubModel("deepset/roberta-base-squad2")),
        ("a/b@main", HubModel("a/b", "main")),
        (f"a/b.c_d-e@{COMMIT}", HubModel("a/b.c_d-e", COMMIT)),
        ("a/b@refs/pr/1", HubModel("a/b", "refs/pr/1")),
        ("a/b/onnx", HubModel("a/b", None, "onnx")),
        ("a/b/models/v1.0-best@refs/pr/12", HubModel("a/b", "refs/pr/12", "models/v1.0-best")),
        ("_a/_b/_c@_d", HubModel("_a/_b", "_d", "_c")),
        ("a/b@feature/v1.0+cpu", HubModel("a/b", "feature/v1.0+cpu")),
        ("bert-base-uncased", HubModel("bert-base-uncased")),
        ("distilbert-base-cased-distilled-squad@v1.0", HubModel(DISTILBERT, "v1.0")),
    ],
)
def test_parse(text: str, expected: HubModel) -> None:
    assert HubModel.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "a/b/../c",
        "a/b//c",
        "a/b/.c",
        "/a/b",
        "./a/b",
        "../b",
        "~/b",
        "a/..",
        "a/b@",
        "a/b@../c",
        "a/b@refs/pr/../3",
        "a/b@refs/../../../c",
        "a/b@c..d",
        "a/b@c//d",
        "a/b@c/",
        "a/b@c/.d",
        "a/b@c@d",
        "a/\u00e4",
        "a/b@\u00e4",
        "a/b\n",
        "a\\b",
        "a\n/b",
        "a b",
        "a/b/",
        "",
    ],
)
def test_other_forms_are_directories(calls: list[dict[str, Any]], text: str) -> None:
    local = not text or text[0] in "/.~"
    expected = "no such directory" if local else "no such directory, nor the id of a model .* ORG/NAME, ORG"
    with pytest.raises(FileNotFoundError, match=expected) as caught:
        HubModel.parse(text)
    assert (caught.value.filename, "ORG/NAME" in str(caught.value)) == (text, not local)
    with pytest.raises(FileNotFoundError, match=expected if text else "an empty path, expected a directory"):
        load_model(text)
    assert calls == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://huggingface.co/deepset/roberta-base-squad2", ": deepset/roberta-base-squad2"),
        ("https:/huggingface.co/deepset/roberta-base-squad2", ": deepset/roberta-base-squad2"),
        ("http://www.huggingface.co/a/b/tree/v1.0", ": a/b@v1.0"),
        ("https://huggingface.co/a/b/tree/v1.0/onnx/best", ": a/b/onnx/best@v1.0"),
        ("https://huggingface.co/a/b/blob/main/onnx/model.onnx?x=1", ": a/b/onnx@main"),
        ("https://huggingface.co/a/b/tree/refs/pr/3", ": a/b@refs/pr/3"),
        ("https://huggingface.co/a/b/resolve/main/model.safetensors?download=true", ": a/b@main"),
        ("https://hf.co/a/b/", ": a/b"),
        ("https://huggingface.co/bert-base-uncased", ": bert-base-uncased"),
        ("hf://a/b", ": a/b"),
        ("https://example.org/model.zip", ""),
        ("s3://bucket/model", ""),
        ("file:///models/a", ""),
    ],
)
def test_urls(calls: list[dict[str, Any]], text: str, expected: str) -> None:
    whole = text if "://" in text else text.replace(":/", "://")
    shown = whole.replace("///", "//")
    forms = "ORG/NAME, ORG/NAME@REVISION or ORG/NAME/SUBFOLDER@REVISION"
    tail = f"a URL, expected a directory or the id of a model on the Hugging Face hub, {forms}{expected}"
    with pytest.raises(ValueError, match=f"^{re.escape(shown)}: {re.escape(tail)}$"):
        load_model(text)
    result = CliRunner().invoke(app, ["ask", "who?", "--model", text], input="by clara")
    assert (result.exit_code, result.stderr) == (2, f"spanjet: {shown.rstrip('/')}: {tail}\n")
    assert calls == []


@pytest.mark.parametrize("as_path", [False, True])
def test_download(calls: list[dict[str, Any]], as_path: bool) -> None:
    text = "team/tiny@v1.0"
    loaded = load_model(Path(text) if as_path else text)
    assert (loaded.path, loaded.vocab_size) == (TINY, 159)
    (call,) = calls
    assert (call["repository"], call["revision"]) == ("team/tiny", "v1.0")
    patterns = set(call["allow_patterns"])
    assert {"config.json", "tokenizer.json", "vocab.txt"} < patterns
    assert not any("bin" in pattern or "openvino" in pattern or "onnx" in pattern for pattern in patterns)
    assert (call["local_files_only"], "model.safetensors" in patterns) == (False, True)


def test_a_reader_takes_an_id(calls: list[dict[str, Any]]) -> None:
    reader = Reader("team/tiny", runtime_config=RuntimeConfig(cache_dir=None))
    assert reader.model.path == TINY
    assert calls[0]["revision"] is None


FORMS = [
    ("openvino_model.xml", "openvino_model.bin"),
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"),
    ("model.onnx", "model.onnx_data"),
]
OTHERS = ("tf_model.h5", "training_args.bin", "optimizer.pt", "onnx/model.onnx", "sub/pytorch_model.bin")


@pytest.mark.parametrize("subfolder", ["", "models/best"])
@pytest.mark.parametrize("first", range(len(FORMS)))
def test_one_form_of_weights_is_downloaded(hub: FakeHub, first: int, subfolder: str) -> None:
    repository = hub.add("team/tiny@main")
    kept = {"config.json", "tokenizer.json"}
    for name in (*kept, *OTHERS, *(name for form in FORMS[first:] for name in form)):
        file = repository / subfolder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    directory = HubModel("team/tiny", None, subfolder).download()
    found = {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}
    assert found == {*kept, *FORMS[first]}
    hub.reached = False
    assert HubModel("team/tiny", None, subfolder).download() == directory


def test_torch_weights(hub: FakeHub) -> None:
    repository = hub.add("team/tiny@main")
    shutil.copytree(TINY, repository, dirs_exist_ok=True)
    expected = Reader(TINY, threshold=None).ask("who?", "by clara and others")
    torch_files.to_torch(repository)
    loaded = load_model("team/tiny")
    assert [file.name for file in loaded.weights] == ["pytorch_model.bin"]
    assert Reader(loaded, threshold=None).ask("who?", "by clara and others") == expected
    hub.reached = False
    assert load_model("team/tiny").weights == loaded.weights


@pytest.mark.parametrize("to_shards", [checkpoints.split, torch_files.split])
def test_shards_in_a_subfolder(hub: FakeHub, tmp_path: Path, to_shards: Callable[[Path], Path]) -> None:
    """Their links lead from the folder of a snapshot into the cache."""
    to_shards(Path(shutil.copytree(TINY, hub.add("team/tiny@main") / "qa" / "best")))
    loaded = load_model("team/tiny/qa/best")
    assert len(loaded.weights) == 3
    assert all(file.is_symlink() for file in loaded.weights)
    assert (loaded.repository, loaded.path.name) == ("team/tiny/qa/best", "best")
    source = describe_source(loaded)
    assert (source["name"], source["revision"]) == ("team/tiny/qa/best", COMMIT)
    (tmp_path / "secret").write_bytes(loaded.weights[1].read_bytes())
    loaded.weights[1].unlink()
    loaded.weights[1].symlink_to(tmp_path / "secret")
    hub.reached = False
    with pytest.raises(ValueError, match="a link that leads out of the checkpoint"):
        load_model("team/tiny/qa/best")


def test_a_pull_request_is_read_where_it_is_asked_for(hub: FakeHub) -> None:
    """Anyone can open one, so that none is taken in place of what the main branch lacks."""
    (hub.add("team/tiny@main") / "config.json").write_text("{}")
    shutil.copytree(TINY, hub.add("team/tiny@refs/pr/7"), dirs_exist_ok=True)
    with pytest.raises(FileNotFoundError, match=r"holds no weights that are read \(.*pytorch_model\.bin.*\)"):
        load_model("team/tiny")
    assert hub.asked == ["team/tiny@main"]
    assert load_model("team/tiny@refs/pr/7").vocab_size == 159
    assert set(hub.asked[1:]) == {"team/tiny@refs/pr/7"}


def test_a_subfolder_without_weights(hub: FakeHub) -> None:
    shutil.copytree(TINY, hub.add("team/tiny@main"), dirs_exist_ok=True)
    with pytest.raises(
        FileNotFoundError, match=r"the folder qa of the repository holds no weights .*team/tiny/qa"
    ):
        load_model("team/tiny/qa")


def test_what_is_in_the_cache_serves_where_the_hub_refuses(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(TINY, hub.add("team/tiny@main"), dirs_exist_ok=True)
    first = load_model("team/tiny").path

    def refuse(*_: Any, **__: Any) -> SimpleNamespace:
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "model_info", refuse)
    assert load_model("team/tiny").path == first


def test_a_directory_comes_first(
    tmp_path: Path, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(TINY, tmp_path / "team" / "tiny")
    monkeypatch.chdir(tmp_path)
    assert load_model("team/tiny").path == Path("team/tiny")
    assert calls == []


@pytest.mark.parametrize("revision", ["", "@main", "@v1.0", f"@{COMMIT}"])
def test_offline(cache: Path, revision: str) -> None:
    """The client's own code finds the snapshot, whose files are links, without asking the hub."""
    loaded = load_model(f"team/tiny{revision}")
    assert loaded.path == cache
    assert len(loaded.weights) == 3
    assert all(file.is_symlink() for file in loaded.weights)


@pytest.mark.parametrize("text", ["team/other", "team/tiny@v2.0"])
def test_offline_and_not_there(cache: Path, text: str) -> None:
    assert cache.is_dir()
    with pytest.raises(FileNotFoundError, match=f"no such directory, and not found on the .* hub.*{text}"):
        load_model(text)


def test_an_exported_model_in_the_cache(cache: Path) -> None:
    for file in cache.glob("model*"):
        file.unlink()
    blobs = cache.parent.parent / "blobs"
    (blobs / "onnx").write_bytes((checkpoints.ARCHITECTURES / "electra-onnx" / "model.onnx").read_bytes())
    (cache / "model.onnx").symlink_to("../../blobs/onnx")
    loaded = load_model("team/tiny")
    assert loaded.weights == (cache / "model.onnx",)
    for kind in ("xml", "bin"):
        (cache / f"openvino_model.{kind}").symlink_to(f"../../blobs/{kind}")
    ov.save_model(loaded.model, blobs / "ir.xml")
    for kind in ("xml", "bin"):
        (blobs / f"ir.{kind}").rename(blobs / kind)
    assert load_model("team/tiny").weights == (cache / "openvino_model.bin",)


def test_a_link_of_the_cache_to_elsewhere(cache: Path, tmp_path: Path) -> None:
    shard = cache / "model-00001-of-00003.safetensors"
    content = shard.read_bytes()
    shard.unlink()
    (tmp_path / "secret").write_bytes(content)
    shard.symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="a link that leads out of the checkpoint"):
        load_model("team/tiny")


@pytest.mark.parametrize(
    ("error", "kind", "expected"),
    [
        (
            errors.LocalEntryNotFoundError("gone\nand more"),
            FileNotFoundError,
            r"not found on the .* hub: it was not reached \(no network, or HF_HUB_OFFLINE\)",
        ),
        (known("RepositoryNotFoundError"), FileNotFoundError, "no such model, or it is private"),
        (known("GatedRepoError"), FileNotFoundError, "restricted: accept its terms"),
        (known("RevisionNotFoundError"), FileNotFoundError, "no such revision"),
        (known("IncompleteSnapshotError"), FileNotFoundError, "the copy in its cache is incomplete"),
        (ConnectionError("no network"), OSError, r"^team/tiny: not read from the .* hub: no network$"),
        (PermissionError(13, "denied"), OSError, r"^team/tiny: not read from the .* hub: .*denied$"),
        (ValueError("bad name"), OSError, r"^team/tiny: not read from the .* hub: bad name$"),
        (Exception("Got: ProxyError: refused"), OSError, r"^team/tiny: not read from the .* hub: refused$"),
        (Exception(), OSError, r"^team/tiny: not read from the .* hub: for no reason given$"),
    ],
)
def test_errors(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[OSError], expected: str
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "model_info", fail)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(kind, match=expected) as caught:
        load_model("team/tiny")
    assert caught.value.__cause__ is error
    assert "Error: " not in str(caught.value)


def test_a_bare_name_that_the_hub_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise known("RepositoryNotFoundError")

    monkeypatch.setattr(huggingface_hub, "model_info", fail)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    result = CliRunner().invoke(app, ["ask", "who?", "--model", "nowhere"], input="by clara")
    assert (result.exit_code, result.stderr) == (
        2,
        "spanjet: nowhere: no such directory, and not found on the Hugging Face hub: there is no such model, "
        "or it is private and needs HF_TOKEN; most ids there have the form ORG/NAME\n",
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            ["config.json", "pytorch_model.pt"],
            r"no weights that are read \(.*\), but pytorch_model\.pt",
        ),
        (["config.json", "onnx/model.onnx", "tf_model.h5"], r"but onnx/model\.onnx, tf_model\.h5"),
        (["config.json"], r"no weights that are read \(.*\), nor any others"),
        (
            ["config.json", "model.safetensors"],
            "cache is incomplete: it lacks the weights, which the hub has",
        ),
        (ConnectionError("no network"), "cache is incomplete: it holds no weights, and no network"),
        (errors.OfflineModeIsEnabled("x"), r"holds no weights, and the client is offline \(HF_HUB_OFFLINE\)"),
    ],
)
def test_a_snapshot_without_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str] | Exception, expected: str
) -> None:
    def listed(*_: Any, **__: Any) -> SimpleNamespace:
        if isinstance(files, Exception):
            raise files
        return about(files)

    shutil.copyfile(TINY / "config.json", tmp_path / "config.json")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "model_info", listed)
    with pytest.raises(FileNotFoundError, match=f"{expected}.*team/tiny"):
        load_model("team/tiny")


def test_an_incomplete_snapshot_offline(cache: Path) -> None:
    """The client's own code gives what there is."""
    for file in cache.glob("model*"):
        file.unlink()
    result = CliRunner().invoke(app, ["ask", "who?", "--model", "team/tiny"], input="by clara")
    assert (result.exit_code, result.stderr) == (
        2,
        "spanjet: team/tiny: the copy in the hub's cache is incomplete: it holds no weights, and the client "
        "is offline (HF_HUB_OFFLINE)\n",
    )


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model-00002-of-00003.safetensors"])
@pytest.mark.parametrize("left", ["nothing", "a link"])
def test_a_snapshot_that_lacks_a_file(cache: Path, name: str, left: str) -> None:
    (cache / "vocab.txt").unlink()
    if left == "a link":
        (cache / name).resolve().unlink()
    else:
        (cache / name).unlink()
    if name == "tokenizer.json" and left == "nothing":
        name = str(cache)
    with pytest.raises(
        FileNotFoundError, match="copy of team/tiny in the hub's cache is incomplete"
    ) as caught:
        load_model("team/tiny")
    assert caught.value.filename.endswith(name)


def test_without_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for text in ("team/tiny", "nowhere"):
        with pytest.raises(ImportError, match=rf"{text}: no such directory.*pip install 'spanjet\[hub\]'"):
            load_model(text)
