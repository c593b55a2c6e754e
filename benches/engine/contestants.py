"""The engines, each by its own documented interface for many questions."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, ClassVar

MAX_LENGTH, DOC_STRIDE, MAX_ANSWER_LENGTH = 384, 128, 30
BATCHES = (1, 8, 16)

Pairs = tuple[list[str], list[str]]
"""Questions, and the context of each."""


class Contestant(ABC):
    """One engine with one model.

    Args:
        model: directory of the model.
        threads: how many it may use.
    """

    package: ClassVar[str]
    settings: ClassVar[Mapping[str, Mapping[str, Any]]]
    """What it is tried with, by name."""

    def __init__(self, model: Path, threads: int) -> None:
        self.model = model
        self.threads = threads
        self.load()

    @abstractmethod
    def load(self) -> None:
        """Import the package and load what all settings share."""

    @abstractmethod
    def answers(self, pairs: Pairs, setting: str) -> list[str]:
        """The best answer to each question."""

    @classmethod
    def version(cls) -> str:
        return metadata.version(cls.package)


class Spanjet(Contestant):
    package = "spanjet"
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {"stream": {}, "ask_many": {}}

    @classmethod
    def version(cls) -> str:
        return str(import_module("spanjet").__version__)

    def load(self) -> None:
        spanjet = import_module("spanjet")
        self.reader = spanjet.Reader(
            self.model,
            threshold=None,  # the peers give a span always
            window_config=spanjet.WindowConfig(
                max_length=MAX_LENGTH, doc_stride=DOC_STRIDE, convention="overlap", max_question_length=None
            ),
            decode_config=spanjet.DecodeConfig(max_answer_length=MAX_ANSWER_LENGTH),
            runtime_config=spanjet.RuntimeConfig(threads=self.threads),
        )

    def answers(self, pairs: Pairs, setting: str) -> list[str]:
        if setting == "ask_many":
            found = self.reader.ask_many(*pairs)
        else:
            found = self.reader.stream(zip(*pairs, strict=True))
        return [answers[0].text for answers in found]


class Pipeline(Contestant):
    """An engine behind the question-answering pipeline of ``transformers``."""

    def load(self) -> None:
        # Peers warn about what does not concern the comparison, and would ask the network for it.
        warnings.simplefilter("ignore")
        os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        self.transformers = import_module("transformers")
        self.transformers.logging.set_verbosity_error()
        self.tokenizer = self.transformers.AutoTokenizer.from_pretrained(str(self.model))
        self.pipelines = cache(self._pipeline)

    @abstractmethod
    def network(self, kind: str) -> Any:
        """The model as a kind of setting asks for it."""

    def answers(self, pairs: Pairs, setting: str) -> list[str]:
        options = self.settings[setting]
        items = [{"question": question, "context": context} for question, context in zip(*pairs, strict=True)]
        found = self.pipelines(options["kind"])(
            items,
            batch_size=options["batch"],
            max_seq_len=min(MAX_LENGTH, self.tokenizer.model_max_length),
            doc_stride=DOC_STRIDE,
            max_answer_len=MAX_ANSWER_LENGTH,
        )
        # One question is answered with one answer, several with a list of them.
        return [answer["answer"] for answer in (found if isinstance(found, list) else [found])]

    def _pipeline(self, kind: str) -> Any:
        return self.transformers.pipeline(
            "question-answering", model=self.network(kind), tokenizer=self.tokenizer, device="cpu"
        )


class Transformers(Pipeline):
    package = "transformers"
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **{f"batch {batch}": {"kind": "float32", "batch": batch} for batch in BATCHES},
        "bfloat16, batch 1": {"kind": "bfloat16", "batch": 1},
    }

    def load(self) -> None:
        self.torch = import_module("torch")
        self.torch.set_num_threads(self.threads)
        super().load()

    def network(self, kind: str) -> Any:
        model = self.transformers.AutoModelForQuestionAnswering
        return model.from_pretrained(str(self.model), dtype=getattr(self.torch, kind)).eval()


class OptimumIntel(Pipeline):
    """With an OpenVINO model as it is, or a checkpoint that optimum-intel exports itself."""

    package = "optimum-intel"
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        f"{hint.lower()}, batch {batch}": {"kind": hint, "batch": batch}
        for hint in ("LATENCY", "THROUGHPUT")
        for batch in BATCHES
    }

    def load(self) -> None:
        import_module("spanjet.runtime.openvino")  # OpenVINO is not to report itself
        self.optimum = import_module("optimum.intel")
        import_module("torch").set_num_threads(self.threads)
        super().load()

    def network(self, kind: str) -> Any:
        return self.optimum.OVModelForQuestionAnswering.from_pretrained(
            str(self.model),
            export=not (self.model / "openvino_model.xml").is_file(),
            ov_config={"PERFORMANCE_HINT": kind, "INFERENCE_NUM_THREADS": self.threads},
        )
