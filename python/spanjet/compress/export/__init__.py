"""Export a network to a checkpoint directory, which can be trained further elsewhere."""

from spanjet.compress.export.checkpoint import LOADER, write_checkpoint

__all__ = ["LOADER", "write_checkpoint"]
