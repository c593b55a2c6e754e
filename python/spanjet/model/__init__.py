"""Load checkpoints and model directories as OpenVINO models, without torch."""

from spanjet.model.directory import ModelDirectory, write_model_directory
from spanjet.model.graph.pair_layout import PairLayout
from spanjet.model.load import Model, load_model

__all__ = ["Model", "ModelDirectory", "PairLayout", "load_model", "write_model_directory"]
