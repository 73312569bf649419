"""Compares the compiled operators with other implementations."""
