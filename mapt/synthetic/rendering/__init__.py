"""Renders a street to pixels and exact labels."""
