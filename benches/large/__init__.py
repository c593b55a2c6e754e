"""BERT-base and BERT-Large by shape: loaded, quantized and timed.

Only a small model comes with the package. To know what larger ones take, checkpoints of their shapes are
made of RANDOM WEIGHTS: their size, memory and speed are those of the real ones, their answers mean nothing.
"""
