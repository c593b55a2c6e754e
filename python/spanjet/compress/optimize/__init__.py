"""A checkpoint to a smaller one that this CPU runs faster, under an accuracy floor."""

import spanjet.runtime.openvino  # noqa: F401
