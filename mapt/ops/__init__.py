"""Operators with a fixed name and meaning, whatever implements them."""
