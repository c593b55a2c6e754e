"""The question-answering pipeline that transformers 5.3 removed, over spanjet's engine."""
