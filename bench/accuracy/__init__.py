"""Measures the accuracy of the network, of the association and of baselines."""
