"""Download models from the Hugging Face hub with its own client and cache."""

import re
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path

__all__ = ["HubModel"]

# Files that a model may consist of; nothing else of a repository is downloaded.
_FILES = [
    "config.json",
    "card.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "LICENSE",
    "README.md",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*-of-*.safetensors",
    "openvino_model.xml",
    "openvino_model.bin",
    "model.onnx",
    "model.onnx_data",
]
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "openvino_model.xml", "model.onnx")
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_ID = re.compile(rf"(?P<repository>{_PART}/{_PART})(?:@(?P<revision>[A-Za-z0-9][\w./-]*))?")


@dataclass(frozen=True)
class HubModel:
    """Repository of the hub, at a revision.

    Attributes:
        repository: ``organisation/name``.
        revision: commit, tag or branch; None: the current main branch.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> "HubModel | None":
        """Parse ``organisation/name`` or ``organisation/name@revision``; None if the text is neither."""
        match = _ID.fullmatch(text)
        return None if match is None else cls(match["repository"], match["revision"])

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"

    def download(self) -> Path:
        """Download missing files, and return the repository's directory in the client's cache.

        The client reads its own settings from the environment: ``HF_HUB_OFFLINE=1`` for the cache alone,
        ``HF_HOME`` for its place, ``HF_TOKEN`` for private repositories.

        Raises:
            ImportError: the client is not installed.
            FileNotFoundError: there is no such repository, revision or cached copy, or it holds no weights
                that are read.
            OSError: the hub cannot be reached, or the cache cannot be written.
        """
        try:
            import huggingface_hub  # noqa: PLC0415  (an extra)
            from huggingface_hub import errors  # noqa: PLC0415  (an extra)
        except ImportError as error:
            raise ImportError(
                f"{self}: no such directory, and to read it from the Hugging Face hub needs its client: "
                "pip install 'spanjet[hub]'"
            ) from error
        absent = (
            errors.LocalEntryNotFoundError,
            errors.RepositoryNotFoundError,
            errors.RevisionNotFoundError,
        )
        try:
            snapshot = huggingface_hub.snapshot_download(
                self.repository, revision=self.revision, allow_patterns=_FILES
            )
        except absent as error:
            reason = f"no such directory, and not found on the Hugging Face hub: {_first_line(error)}"
            raise FileNotFoundError(ENOENT, reason, str(self)) from error
        except (OSError, ValueError) as error:
            raise OSError(f"{self}: not read from the Hugging Face hub: {_first_line(error)}") from error
        directory = Path(snapshot)
        if not any((directory / name).is_file() for name in _WEIGHTS):
            raise FileNotFoundError(
                ENOENT,
                f"the repository holds no weights that are read ({', '.join(_WEIGHTS)}); pickled ones "
                "(pytorch_model.bin) can run code, so they are not",
                str(self),
            )
        return directory


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
