"""The deployed tracker over a dataset, with PyTorch behind it."""
