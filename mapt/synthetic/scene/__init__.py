"""Builds streets: their objects, and how these move."""
