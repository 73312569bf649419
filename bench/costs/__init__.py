"""Counts parameters and multiply-adds, and measures the machine's limits."""
