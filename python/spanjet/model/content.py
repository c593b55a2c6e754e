"""Tell files from what stands in their place: Git LFS pointers, web pages, directories, pipes."""

import stat
from errno import ENOENT
from pathlib import Path

__all__ = ["check_content"]

_PLACES = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_HEADS = (
    (b"version https://git-lfs", "a Git LFS pointer, expected the file itself: fetch it with `git lfs pull`"),
    (b"<!doctype html", "a web page, expected the file itself: download it again"),
    (b"<html", "a web page, expected the file itself: download it again"),
    (b"entry not found", "a server's refusal, expected the file itself: download it again"),
    (b"access to model", "a server's refusal, expected the file itself: download it again"),
    (b"invalid username or password", "a server's refusal, expected the file itself: download it again"),
)
_ZIP = (b"pk\x03\x04", "a zip archive, as torch.save writes it; expected the file that its name says")


def check_content(path: Path, *, is_zip: bool = False) -> None:
    """Refuse what is there in place of a file, before it is read as one; a pipe would never end.

    Args:
        path: the file.
        is_zip: it may be a zip archive.

    Raises:
        FileNotFoundError: there is nothing, or a link to nothing.
        ValueError: it is something else; the message says what.
    """
    if not path.exists():
        target = f"a link to {path.readlink()}, which is missing" if path.is_symlink() else "no such file"
        raise FileNotFoundError(ENOENT, target, str(path))
    mode = path.stat().st_mode
    for is_place, name in _PLACES:
        if is_place(mode):
            raise ValueError(f"{path}: {name}, expected a file")
    with path.open("rb") as file:
        head = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for begin, name in _HEADS if is_zip else (*_HEADS, _ZIP):
        if head.startswith(begin):
            raise ValueError(f"{path}: {name}")
