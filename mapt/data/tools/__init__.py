"""Checks, converts and measures datasets for `mapt data`."""
