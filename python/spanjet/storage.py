"""Write files and directories atomically and durably, lock them, and digest them."""

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EAGAIN, EEXIST, EISDIR, ENOENT, ENOTEMPTY
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = [
    "STAGE_SUFFIX",
    "beside",
    "check_free",
    "check_readable",
    "check_writable",
    "directory_digest",
    "file_digest",
    "lock",
    "replace_file",
    "staged",
    "sync",
]

STAGE_SUFFIX = ".new"
"""Suffix of a file that is being written; one left by a killed process may be removed."""

BLOCK = 1 << 20


def beside(path: Path, suffix: str) -> Path:
    """Return the path beside a file or directory that has its name and a suffix; also of ``.``."""
    named = path.resolve() if path.name in ("", "..") else path
    return named.with_name(f"{named.name}{suffix}")


def check_readable(path: Path) -> None:
    """Check that a file can be read, and more than once.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a pipe or a device.
    """
    if _is_device(path) and not path.is_dir():
        raise ValueError(f"{path}: a pipe or a device, whose content can be read only once; expected a file")
    with path.open("rb"):
        pass


def check_writable(path: Path) -> None:
    """Check in advance that a file may be written to a path.

    Raises:
        IsADirectoryError: the path is a directory.
        FileNotFoundError: the parent directory does not exist.
        PermissionError: it may not be written.
    """
    if path.is_dir():
        raise IsADirectoryError(EISDIR, "is a directory", str(path))
    _check_directory(path.parent)
    if not os.access(path if _is_device(path) else path.resolve().parent, os.W_OK):
        raise PermissionError(EACCES, "no permission to write", str(path))


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file atomically and durably.

    The content is written to a uniquely named hidden file beside ``path``, so that several processes may
    replace one file: the last wins. A device or a pipe is written to, as is what a standard stream was
    redirected to, behind what stands there; and a link keeps pointing to the file.

    Raises:
        OSError: the file cannot be written; the previous one is unchanged.
    """
    try:
        if _is_device(path) or _is_stream(path):
            with path.open("ab") as file:
                file.write(content)
        else:
            _replace(path.resolve(), content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _is_stream(path: Path) -> bool:
    """Tell whether a path names an open file of a process, such as /dev/stdout."""
    return str(path.parent) in ("/dev", "/dev/fd") or path.is_relative_to("/proc")


def _replace(path: Path, content: bytes) -> None:
    stage = path.with_name(f".{path.name}.{secrets.token_hex(4)}{STAGE_SUFFIX}")
    try:
        with stage.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        stage.replace(path)
    except BaseException:
        stage.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file's content, or a directory's entries, to disk."""
    if os.name != "nt":
        number = os.open(path, os.O_RDONLY)
    elif path.is_dir():  # Windows flushes entries itself, and files only through handles that can write
        return
    else:
        number = os.open(path, os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def lock(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is released when the process ends in any way.

    Args:
        path: lock file; created if it is missing, and never removed.
        wait: wait for another process that holds the lock.

    Raises:
        BlockingIOError: another process holds the lock, without ``wait``.
    """
    try:
        # It may be released by another thread than the one that took it.
        held = FileLock(path, timeout=-1 if wait else 0, thread_local=False).acquire()
    except Timeout:
        raise BlockingIOError(EAGAIN, "another process is using this run", str(path.parent)) from None
    with held:
        yield


def file_digest(path: Path) -> str:
    """Compute the hexadecimal SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def directory_digest(path: Path) -> str:
    """Compute the hexadecimal SHA-256 of a directory's file names and contents, without hidden files."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            digest.update(f"{file.name}\0{file_digest(file)}\n".encode())
    return digest.hexdigest()


def check_free(path: Path, *, mark: str, overwrite: bool) -> None:
    """Check in advance that a directory may be written to a path.

    The directories above it are made with it.

    Args:
        path: path of the directory.
        mark: name of a file that identifies a directory of this kind; no other directory is replaced.
        overwrite: allow replacing a directory of this kind.

    Raises:
        FileExistsError: the path exists and may not be replaced.
        FileNotFoundError: a file stands where a directory above it is to be.
    """
    above = path.absolute()
    _check_directory(next(parent for parent in (*above.parents, above) if parent.exists()))
    if not path.exists() and not path.is_symlink():
        return
    if not overwrite:
        raise FileExistsError(EEXIST, "exists already", str(path))
    if path.is_symlink() or not (path / mark).is_file():
        raise FileExistsError(EEXIST, f"holds no {mark}, so it is not overwritten", str(path))


@contextmanager
def staged(path: Path, *, mark: str, overwrite: bool) -> Iterator[Path]:
    """Yield a new hidden directory beside ``path``, renamed to it if the block succeeds.

    Raises:
        FileExistsError: see `check_free`; also if another process was faster.
    """
    check_free(path, mark=mark, overwrite=overwrite)
    above = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    stage = _hidden(path)
    try:
        mask = os.umask(0)
        os.umask(mask)
        stage.chmod(0o777 & ~mask)  # mkdtemp's directories are private
        yield stage
        if overwrite and path.exists():
            _exchange(stage, path)
        else:
            _rename(stage, path)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        for parent in above:
            with suppress(OSError):  # not empty
                parent.rmdir()


def _check_directory(path: Path) -> None:
    if not path.is_dir():
        raise FileNotFoundError(ENOENT, "no such directory", str(path))


def _hidden(path: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))


def _exchange(stage: Path, path: Path) -> None:
    """Replace ``path`` by ``stage``, and restore the old directory if that fails."""
    aside = _hidden(path)
    old = aside / path.name
    try:
        path.rename(old)
        try:
            _rename(stage, path)
        except OSError:
            old.rename(path)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _rename(stage: Path, path: Path) -> None:
    try:
        stage.rename(path)
    except OSError as error:
        if error.errno in (EEXIST, ENOTEMPTY):
            raise FileExistsError(EEXIST, "exists already", str(path)) from error
        raise
