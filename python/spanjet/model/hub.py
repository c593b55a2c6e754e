"""Download models from the Hugging Face hub with its own client and cache."""

import re
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path, PurePosixPath
from typing import Any

from spanjet.extras import import_extra

__all__ = ["HubModel"]

# Files that a model may have beside its weights; of a repository nothing else is downloaded.
_COMPANIONS = (
    "config.json",
    "card.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "spm.model",
    "LICENSE",
    "README.md",
)
# Forms of weights, of which the first one that the repository has is downloaded: a file by which it is known,
# and patterns of the others. The order is that in which `load_model` takes them.
_FORMS = {
    "openvino_model.xml": ("openvino_model.bin",),
    "model.safetensors": (),
    "model.safetensors.index.json": ("model-*-of-*.safetensors",),
    "pytorch_model.bin": (),
    "pytorch_model.bin.index.json": ("pytorch_model-*-of-*.bin",),
    "model.onnx": ("model.onnx_data",),
}
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
_PART = r"\w[\w.-]*"
# As git has them; two dots could leave the cache's folder of revisions.
_REVISION = r"(?!.*\.\.)\w[\w.+-]*(?:/\w[\w.+-]*)*"
# The hub's first models have no organisation: bert-base-uncased.
_ID = re.compile(
    rf"(?P<repository>(?:{_PART}/)?{_PART})(?P<subfolder>(?:/{_PART})*)(?:@(?P<revision>{_REVISION}))?",
    re.ASCII,
)
# A URL, also one of whose slashes a path has kept a single one.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)
_PAGE = re.compile(
    rf"(?:(?:www\.)?(?:huggingface\.co|hf\.co)/(?:models/)?)?(?P<repository>(?:{_PART}/)?{_PART})"
    rf"(?:/(?P<view>tree|blob|resolve)/(?P<revision>refs/pr/\d+|[^/?#]+)(?P<subfolder>(?:/{_PART})*))?(?:[/?#].*)?",
    re.ASCII,
)
_IDS = "the id of a model on the Hugging Face hub, ORG/NAME, ORG/NAME@REVISION or ORG/NAME/SUBFOLDER@REVISION"


@dataclass(frozen=True)
class HubModel:
    """Repository of the hub, at a revision.

    Attributes:
        repository: ``organisation/name``, or the bare name of one of the hub's first models.
        revision: a commit, tag, branch or pull request (``refs/pr/1``); None: the main branch as it is now.
        subfolder: folder of the repository that holds the model; "": the repository itself does.
    """

    repository: str
    revision: str | None = None
    subfolder: str = ""

    @classmethod
    def parse(cls, text: str) -> "HubModel":
        """Parse ``organisation/name``, or a bare name, followed by ``/subfolder`` and ``@revision``.

        Raises:
            FileNotFoundError: it has another form, so that it can only be a directory, and there is none.
            ValueError: it is a URL; the message says the id that stands for it.
        """
        match = _ID.fullmatch(text)
        if match is not None:
            return cls(match["repository"], match["revision"], match["subfolder"][1:])
        if (url := _URL.fullmatch(text)) is not None:
            page = _PAGE.fullmatch(url["rest"])
            on_hub = page is not None and (
                "huggingface.co/" in text or "hf.co/" in text or url["scheme"] == "hf"
            )
            known = f": {_shown_on(page)}" if page is not None and on_hub else ""
            raise ValueError(f"{url['scheme']}://{url['rest']}: a URL, expected a directory or {_IDS}{known}")
        local = not text or text[0] in "/.~"
        raise FileNotFoundError(
            ENOENT, "no such directory" if local else f"no such directory, nor {_IDS}", text
        )

    @property
    def name(self) -> str:
        """The repository and the subfolder, without the revision."""
        return f"{self.repository}/{self.subfolder}" if self.subfolder else self.repository

    def __str__(self) -> str:
        return self.name if self.revision is None else f"{self.name}@{self.revision}"

    def download(self) -> Path:
        """Download missing files, and return the model's directory in the client's cache.

        Of several forms of weights one is downloaded: OpenVINO's, or else safetensors, or else torch's, or
        else ONNX. The client reads its own settings from the environment: ``HF_HUB_OFFLINE=1`` for the cache
        alone, ``HF_HOME`` for its place, ``HF_TOKEN`` for private repositories.

        Raises:
            ImportError: the client is not installed.
            FileNotFoundError: there is no such repository, revision or cached copy, or it holds no weights
                that are read.
            OSError: the hub cannot be reached, or the cache cannot be written.
        """
        purpose = f"{self}: no such directory, and to read it from the Hugging Face hub needs its client"
        client = import_extra("huggingface_hub", extra="hub", purpose=purpose)
        names, refusal = self._list(client)
        # Without a list, files in the cache are all there is, and loading them tells what is missing.
        wanted = ["config.json"] if names is None else self._choose(names)
        try:
            snapshot = client.snapshot_download(
                self.repository,
                revision=self.revision,
                allow_patterns=[str(PurePosixPath(self.subfolder, name)) for name in wanted],
                local_files_only=names is None,
            )
        except Exception as error:  # those of the client's network libraries have no common base
            # What the hub said says most, unless it was not reached.
            reason = error if refusal is None or _is_unreached(refusal) else refusal
            raise self._error(reason) from reason
        directory = Path(snapshot, self.subfolder)
        if any((directory / name).is_file() for name in _FORMS):
            return directory
        lacking = (
            "it lacks the weights, which the hub has"
            if refusal is None
            else f"it holds no weights, and {_known_reason(refusal) or _first_line(refusal)}"
        )
        raise FileNotFoundError(ENOENT, f"the copy in the hub's cache is incomplete: {lacking}", str(self))

    def _list(self, client: Any) -> tuple[list[str] | None, Exception | None]:
        """List the model's files; None where the hub does not answer, and why.

        Raises:
            FileNotFoundError: the hub says that there is no such revision, which may still be cached.
        """
        try:
            # Asked once: without a network, list_repo_files would try again for half a minute.
            about = client.model_info(self.repository, revision=self.revision)
        except Exception as error:  # as above
            if "RevisionNotFoundError" in _kinds(error):
                raise self._error(error) from error
            return None, error
        names = [file.rfilename for file in about.siblings or ()]
        folder = f"{self.subfolder}/" if self.subfolder else ""
        return [name.removeprefix(folder) for name in names if name.startswith(folder)], None

    def _choose(self, names: list[str]) -> list[str]:
        """Choose the files to download of those of the model, as names and patterns.

        Raises:
            FileNotFoundError: there are no weights that are read.
        """
        for name, others in _FORMS.items():
            if name in names:
                return [*_COMPANIONS, name, *others]
        other = [name for name in sorted(names) if name.endswith(_OTHER_WEIGHTS)]
        found = f"but {', '.join(other[:3])}" if other else "nor any others"
        place = f"the folder {self.subfolder} of the repository" if self.subfolder else "the repository"
        reason = f"{place} holds no weights that are read ({', '.join(_FORMS)}), {found}"
        raise FileNotFoundError(ENOENT, reason, str(self))

    def _error(self, error: Exception) -> OSError:
        """Say in the user's terms why the client has no files."""
        if (known := _known_reason(error)) is None:
            return OSError(f"{self}: not read from the Hugging Face hub: {_first_line(error)}")
        hint = "" if "/" in self.repository else "; most ids there have the form ORG/NAME"
        reason = f"no such directory, and not found on the Hugging Face hub: {known}{hint}"
        return FileNotFoundError(ENOENT, reason, str(self))


def _shown_on(page: re.Match[str]) -> HubModel:
    """Return the model of a page of the hub, of which a folder or a file is shown."""
    folder = PurePosixPath((page["subfolder"] or "/")[1:])
    if page["view"] != "tree":
        folder = folder.parent
    return HubModel(page["repository"], page["revision"], "" if folder == PurePosixPath() else str(folder))


def _kinds(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _is_unreached(error: Exception) -> bool:
    return _known_reason(error) is None or "OfflineModeIsEnabled" in _kinds(error)


def _known_reason(error: Exception) -> str | None:
    """Say in the user's terms what an error of the client means; None: it is not one of the known ones."""
    kinds = _kinds(error)
    return next((reason for name, reason in _REASONS.items() if name in kinds), None)


def _first_line(error: Exception) -> str:
    """Return what an error says, without the names of classes that the client puts before it."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "for no reason given")
    return re.sub(r"^(?:Got: )?(?:\w+(?:Error|Exception|Timeout): )*", "", text)
