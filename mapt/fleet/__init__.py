"""Tracks, compares and reports many recordings on an engine: processes of this machine, or Ray."""
