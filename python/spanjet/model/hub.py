"""Download models from the Hugging Face hub with its own client and cache."""

import re
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path

from spanjet.extras import import_extra

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
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".h5", ".msgpack", ".ot", ".onnx", ".safetensors", ".gguf")
# What the client's errors mean, by the names of their classes, which differ from version to version; kinds of
# another come before it.
_REASONS = {
    "GatedRepoError": "access to it is restricted: accept its terms on its page there and set HF_TOKEN",
    "RepositoryNotFoundError": "there is no such model, or it is private and needs HF_TOKEN",
    "RevisionNotFoundError": "the model has no such revision",
    "IncompleteSnapshotError": "the copy in its cache is incomplete, and the hub was not reached",
    "OfflineModeIsEnabled": "the client is offline (HF_HUB_OFFLINE)",
    "LocalEntryNotFoundError": "it was not reached (no network, or HF_HUB_OFFLINE), and its cache lacks it",
    "HFValidationError": "this is no id of a model",
}
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
# The hub's first models have no organisation: bert-base-uncased.
_ID = re.compile(rf"(?P<repository>(?:{_PART}/)?{_PART})(?:@(?P<revision>[A-Za-z0-9][\w./-]*))?")
# A URL, also one of whose slashes a path has kept a single one.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)
_PAGE = re.compile(
    rf"(?:(?:www\.)?(?:huggingface\.co|hf\.co)/(?:models/)?)?(?P<repository>(?:{_PART}/)?{_PART})"
    r"(?:/(?:tree|blob|resolve)/(?P<revision>[^/?#]+))?(?:[/?#].*)?"
)
_IDS = "the id of a model on the Hugging Face hub, ORG/NAME or ORG/NAME@REVISION"


@dataclass(frozen=True)
class HubModel:
    """Repository of the hub, at a revision.

    Attributes:
        repository: ``organisation/name``, or the bare name of one of the hub's first models.
        revision: a commit, tag or branch; None: the main branch as it is now.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> "HubModel":
        """Parse ``organisation/name``, ``organisation/name@revision``, or the same with a bare name.

        Raises:
            FileNotFoundError: it has another form, so that it can only be a directory, and there is none.
            ValueError: it is a URL; the message says the id that stands for it.
        """
        match = _ID.fullmatch(text)
        if match is not None:
            return cls(match["repository"], match["revision"])
        if (url := _URL.fullmatch(text)) is not None:
            page = _PAGE.fullmatch(url["rest"])
            on_hub = page is not None and (
                "huggingface.co/" in text or "hf.co/" in text or url["scheme"] == "hf"
            )
            known = f": {cls(page['repository'], page['revision'])}" if page is not None and on_hub else ""
            raise ValueError(f"{url['scheme']}://{url['rest']}: a URL, expected a directory or {_IDS}{known}")
        local = not text or text[0] in "/.~"
        raise FileNotFoundError(
            ENOENT, "no such directory" if local else f"no such directory, nor {_IDS}", text
        )

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
        purpose = f"{self}: no such directory, and to read it from the Hugging Face hub needs its client"
        huggingface_hub = import_extra("huggingface_hub", extra="hub", purpose=purpose)
        try:
            snapshot = huggingface_hub.snapshot_download(
                self.repository, revision=self.revision, allow_patterns=_FILES
            )
        except Exception as error:  # those of the client's network libraries have no common base
            if (known := _known_reason(error)) is None:
                raise OSError(f"{self}: not read from the Hugging Face hub: {_first_line(error)}") from error
            hint = "" if "/" in self.repository else "; most ids there have the form ORG/NAME"
            reason = f"no such directory, and not found on the Hugging Face hub: {known}{hint}"
            raise FileNotFoundError(ENOENT, reason, str(self)) from error
        directory = Path(snapshot)
        if not any((directory / name).is_file() for name in _WEIGHTS):
            raise FileNotFoundError(ENOENT, self._without_weights(), str(self))
        return directory

    def _without_weights(self) -> str:
        """Say why a snapshot has no weights: the repository has none, or the copy is in part."""
        import huggingface_hub  # noqa: PLC0415  (an extra)

        try:
            names = huggingface_hub.list_repo_files(self.repository, revision=self.revision)
        except Exception as error:  # as above
            reason = _known_reason(error) or _first_line(error)
            return f"the copy in the hub's cache is incomplete: it holds no weights, and {reason}"
        if set(names) & set(_WEIGHTS):
            return "the copy in the hub's cache is incomplete: it lacks the weights, which the hub has"
        others = [name for name in sorted(names) if name.endswith(_OTHER_WEIGHTS)]
        found = f"but {', '.join(others[:3])}" if others else "nor any others"
        return (
            f"the repository holds no weights that are read ({', '.join(_WEIGHTS)}), {found}; pickled ones "
            "(pytorch_model.bin) can run code, so they are not"
        )


def _known_reason(error: Exception) -> str | None:
    """Say in the user's terms what an error of the client means; None: it is not one of the known ones."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return next((reason for name, reason in _REASONS.items() if name in kinds), None)


def _first_line(error: Exception) -> str:
    """Return what an error says, without the names of classes that the client puts before it."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "for no reason given")
    return re.sub(r"^(?:Got: )?(?:\w+(?:Error|Exception|Timeout): )*", "", text)
