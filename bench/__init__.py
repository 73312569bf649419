"""Benchmarks of an exported bundle: FLOPs, latency, accuracy and parity with PyTorch.

Every benchmark runs the bundle that is deployed. Parity compares it with the PyTorch reference.
"""
