"""Read the weights of checkpoints: safetensors and PyTorch's zip files, in one file or in shards."""

from spanjet.model.weights.find import SAFETENSORS, find_weights, has_weights
from spanjet.model.weights.weights import Weights

__all__ = ["SAFETENSORS", "Weights", "find_weights", "has_weights"]
