"""Run a question-answering model on CPUs with OpenVINO."""
