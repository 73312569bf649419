"""Compares PyTorch and a bundle on the same frames."""
