"""Runs the deployed tracker over a dataset, with PyTorch as its backend."""
