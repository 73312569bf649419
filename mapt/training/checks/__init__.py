"""Checks a run before its first step."""
