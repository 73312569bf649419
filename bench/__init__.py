"""Benchmarks: FLOPs, latency, accuracy and parity with the PyTorch reference, from the bundle that is deployed."""
