"""Weights of networks: which there are, where they lie, and how they get there.

Nothing is ever downloaded but by `fetch`, which only the command ``firstpass models fetch`` calls.
"""
