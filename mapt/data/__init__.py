"""Datasets, synthetic scenes and the pair loader."""
