"""Measures time and memory of frames, steps and long runs."""
