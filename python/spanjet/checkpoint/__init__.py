"""A Hugging Face checkpoint or a model directory on disk -> an OpenVINO model, without torch."""

import spanjet.telemetry  # noqa: F401
from spanjet.checkpoint.directory import ModelDirectory, write_model_directory
from spanjet.checkpoint.layout import PairLayout
from spanjet.checkpoint.load import LoadedModel, load_model

__all__ = ["LoadedModel", "ModelDirectory", "PairLayout", "load_model", "write_model_directory"]
