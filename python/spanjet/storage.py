"""A directory that appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EEXIST, ENOENT, ENOTEMPTY
from pathlib import Path

__all__ = ["check_free", "staged"]


def check_free(path: Path, *, mark: str, overwrite: bool) -> None:
    """Check that a directory may be written to a path, before the work for it is done.

    Args:
        path: where the directory is to be.
        mark: a file by which a directory of this kind is known; no other kind is ever replaced.
        overwrite: whether a directory of this kind may be replaced.

    Raises:
        FileExistsError: there is something that may not be replaced.
        FileNotFoundError: the parent directory does not exist.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(ENOENT, "no such directory", str(path.parent))
    if not path.exists() and not path.is_symlink():
        return
    if not overwrite:
        raise FileExistsError(EEXIST, "exists already", str(path))
    if path.is_symlink() or not (path / mark).is_file():
        raise FileExistsError(EEXIST, f"holds no {mark}, so it is not overwritten", str(path))


@contextmanager
def staged(path: Path, *, mark: str, overwrite: bool) -> Iterator[Path]:
    """A new directory under a hidden name beside ``path``, renamed when the block ends well.

    Raises:
        FileExistsError: see `check_free`; also when another process was faster.
    """
    check_free(path, mark=mark, overwrite=overwrite)
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


def _hidden(path: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))


def _exchange(stage: Path, path: Path) -> None:
    """Put ``stage`` in the place of ``path``; the old directory is put back if that fails."""
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
