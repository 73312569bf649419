"""Stores state and recordings as bytes."""
