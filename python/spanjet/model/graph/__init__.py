"""Build OpenVINO graphs of BERT-like encoders from their weights."""
