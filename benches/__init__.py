"""Ours against its peers: the same work on the same objects, equality asserted beside each timing.

Run ``pytest benches`` for the committed excerpt, ``pytest benches --squad dev-v1.1.json`` for a real
size, and ``pytest benches --benchmark-disable`` to check the equalities only.
"""
