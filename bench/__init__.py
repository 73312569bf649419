"""Benchmarks: FLOPs, latency and parity."""
