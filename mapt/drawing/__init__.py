"""Draws labelled frames with NumPy and OpenCV alone, for the runtime and everything above it."""
