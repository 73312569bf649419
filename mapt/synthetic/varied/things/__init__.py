"""Draws what stands and moves on a varied street."""
