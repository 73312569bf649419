"""Covers the ground with materials, markings and stains."""
