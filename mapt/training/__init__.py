"""Trains networks: configuration, loop, checkpoints, checks before the start, and reports."""
