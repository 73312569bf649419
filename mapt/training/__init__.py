"""The training loop and evaluation with the PyTorch reference."""
