"""Compares two networks over an archive, recording by recording."""
