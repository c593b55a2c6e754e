"""Files and directories that are written whole or not at all."""

import os
import subprocess
import sys
import threading
from errno import ENOSPC
from pathlib import Path

import pytest
from spanjet.storage import (
    beside,
    check_free,
    check_readable,
    check_writable,
    directory_digest,
    file_digest,
    lock,
    replace_file,
    staged,
)


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"old", b"", b"new"):
        replace_file(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match=r"No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    """Each content is whole: no writer sees the half-written file of another."""
    path = tmp_path / "file"
    contents = [f"{index}".encode() * 100_000 for index in range(8)]
    writers = [threading.Thread(target=replace_file, args=(path, content)) for content in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_writable(tmp_path: Path) -> None:
    check_writable(tmp_path / "file")
    with pytest.raises(IsADirectoryError, match=r"is a directory"):
        check_writable(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no such directory"):
        check_writable(tmp_path / "nowhere" / "file")


def test_devices_and_links_are_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    replace_file(tmp_path / "pipe", b"new")
    assert os.read(reading, 10) == b"new"
    os.close(reading)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("there/file")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_bytes() == b"new"


def test_a_redirected_stream_is_written_behind_what_it_holds(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, spanjet.storage as s; os.write(1, b'before '); "
        "s.replace_file(pathlib.Path('/dev/stdout'), b'content '); os.write(1, b'after')"
    )
    out = tmp_path / "out"
    with out.open("ab") as file:
        subprocess.run([sys.executable, "-c", program], stdout=file, check=True)
    assert out.read_bytes() == b"before content after"


def test_what_can_be_read_only_once_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"/pipe: a pipe or a device, .* expected a file$"):
        check_readable(tmp_path / "pipe")
    (tmp_path / "file").touch()
    check_readable(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        check_readable(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError):
        check_readable(tmp_path)


def test_what_stands_beside_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path / "model")
    assert beside(Path("a/b"), ".new") == Path("a/b.new")
    assert (beside(Path("a/b"), ""), beside(Path(), "").name) == (Path("a/b"), "model")
    for path in (Path(), Path("../model/../model/")):
        assert beside(path, ".new").resolve() == tmp_path / "model.new"


def test_a_write_that_fails_names_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*/file'"):
        replace_file(tmp_path / "file", b"new")
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        replace_file(Path("/dev/full"), b"new")
    assert list(tmp_path.iterdir()) == []


def test_what_may_not_be_written_is_refused_early(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"no permission to write: '.*/file'"):
        check_writable(tmp_path / "file")


def test_directories_above_an_output_are_made_with_it(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "today" / "out"
    with pytest.raises(RuntimeError, match=r"stop"), staged(out, mark="mark", overwrite=False):
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []
    with staged(out, mark="mark", overwrite=False) as stage:
        (stage / "mark").touch()
    assert (out / "mark").is_file()
    with pytest.raises(FileNotFoundError, match=r"no such directory: '.*/mark'"):
        check_free(out / "mark" / "deeper" / "out", mark="mark", overwrite=False)


@pytest.mark.parametrize("path", [".", "/", ""])
def test_a_directory_without_one_above(path: str) -> None:
    with pytest.raises(FileExistsError, match=r"exists already"):
        check_free(Path(path), mark="mark", overwrite=False)
    with pytest.raises(FileExistsError, match=r"holds no mark"):
        check_free(Path(path), mark="mark", overwrite=True)


def test_one_holder_of_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock(path), pytest.raises(BlockingIOError, match=r"another process is using this run"), lock(path):
        pass
    with lock(path):
        pass


def test_digests(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "a").write_bytes(b"1")
    (model / "b").write_bytes(b"2")
    first = directory_digest(model)
    (model / ".hidden").write_bytes(b"3")
    (model / "sub").mkdir()
    assert directory_digest(model) == first
    (model / "b").write_bytes(b"3")
    assert directory_digest(model) != first
    # sha256sum of the two bytes
    assert file_digest(model / "a") == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
