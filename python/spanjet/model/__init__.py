"""Load checkpoints and model directories as OpenVINO models, without torch."""

from spanjet.model.directory import ModelDirectory, write_model_directory
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.load import Model, load_model

__all__ = ["InputLayout", "Model", "ModelDirectory", "load_model", "write_model_directory"]
