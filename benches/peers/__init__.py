"""Ours against every peer that installs here: ``python -m benches.peers`` (``make bench-peers``).

Each contestant works in a process of its own, pinned to one CPU unless it is to use all, so that one
that crashes or hangs is a line of the table and nothing more. In every round each contestant has one
turn, in a new order; a turn is as many runs as fit into a few hundredths of a second, and counts with
their median. Cold runs are the first of a fresh process, after imports and loading. Inputs are made
and results are compared and freed outside the clock.
"""
