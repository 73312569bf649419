"""Whole frames on a GPU: what they take, and where the time goes."""
