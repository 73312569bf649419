"""Reads a bundle from disk, and checks it before anything in it is used."""
