"""Training without a training framework: gradients of OpenVINO graphs, computed by OpenVINO."""
