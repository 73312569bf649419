"""Tracks sources, draws results, shows histories and writes other formats."""
