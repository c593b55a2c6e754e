"""Ours against whole engines, from text to answers: ``python -m benches.engine`` (``make bench-engine``).

Every engine works in a process of its own, which stays alive and is asked for one turn at a time: all
questions, once. After a turn to warm up, whose answers are scored, each setting has one turn in every
round, in a new order. A setting that is clearly slower than its engine's best one after the first round
sits out the others. All have the same questions, weights, threads, windows (384 tokens, neighbours share
128) and longest answer (30 tokens).
"""
