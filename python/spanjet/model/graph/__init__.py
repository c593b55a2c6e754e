"""Build OpenVINO graphs of the BERT family from their weights."""
