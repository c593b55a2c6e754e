"""What each part of the optimiser is worth: the same time, with one part left out or replaced.

Runs on the stages of ``spanjet optimize``, and makes those that are not there.
"""
