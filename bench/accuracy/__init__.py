"""Accuracy of the network, of association and of its baselines."""
