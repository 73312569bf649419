"""Writes a bundle and compares it with PyTorch."""
