"""The work directory of a long run: finished parts are kept, so that a run that was stopped goes on."""

import json
import shutil
from collections.abc import Callable
from errno import EEXIST
from pathlib import Path
from typing import Any, TypeVar

from spanjet.model.config_json import read_json
from spanjet.runtime.openvino import ov
from spanjet.storage import replace_file

__all__ = ["WorkDirectory"]

_T = TypeVar("_T")
_TASK, _RESULTS = "task.json", "results.json"


class WorkDirectory:
    """Results by name, each written when it is there, whole or not at all.

    Args:
        path: the directory; made, or continued.
        task: all that results depend on, ready for JSON.

    Raises:
        FileExistsError: there is something else, or the directory belongs to another task; the message
            names what differs.
        ValueError: a file of it is damaged; the message names it.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, task: dict[str, Any]) -> None:
        self.path = path
        task = json.loads(json.dumps(task))
        if (path / _TASK).is_file():
            _check_same(path, read_json(path / _TASK), task)
        elif path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
            raise FileExistsError(EEXIST, f"not a work directory (it holds no {_TASK}), move it", str(path))
        else:
            path.mkdir(exist_ok=True)
            self._write(_TASK, task)
        results = path / _RESULTS
        self._results = read_json(results) if results.is_file() else {}

    def __contains__(self, name: str) -> bool:
        """Whether there is a result of that name."""
        return name in self._results

    def result(self, name: str, make: Callable[[], _T]) -> _T:
        """A result, ready for JSON; made and kept if it is not there."""
        if name not in self._results:
            value = make()
            self._results[name] = value
            self._write(_RESULTS, self._results)
        kept: _T = self._results[name]
        return kept

    def value(self, name: str) -> Any:
        """A result that is there.

        Raises:
            KeyError: it is not.
        """
        return self._results[name]

    def model(self, name: str, make: Callable[[], ov.Model]) -> Path:
        """The ``.xml`` file of a model; made and kept, in full precision, if it is not there."""
        graph = self.path / f"{name}.xml"
        if not graph.is_file():
            model, stage = make(), self.path / f"{name}.new.xml"
            ov.save_model(model, stage, compress_to_fp16=False)
            stage.with_suffix(".bin").replace(graph.with_suffix(".bin"))
            stage.replace(graph)
        return graph

    def remove(self) -> None:
        """Remove the directory: its results are no longer needed."""
        shutil.rmtree(self.path)

    def _write(self, name: str, value: dict[str, Any]) -> None:
        replace_file(self.path / name, json.dumps(value, indent=1).encode())


def _check_same(path: Path, found: dict[str, Any], task: dict[str, Any]) -> None:
    for name in sorted(set(found) | set(task)):
        if found.get(name) != task.get(name):
            raise FileExistsError(
                EEXIST,
                f"an unfinished run with another {name} ({_short(found.get(name))}, now "
                f"{_short(task.get(name))}): repeat that run to finish it, or remove the directory",
                str(path),
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
