"""Distil without a training framework: differentiate OpenVINO graphs and run the gradients in OpenVINO."""
