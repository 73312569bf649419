"""Builds nothing compiled yet; pyproject.toml holds the package's description."""

from setuptools import setup

setup()
