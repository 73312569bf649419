"""Runs the same work on many tasks: in this process, in several of this machine, or on Ray."""
