"""The network that comes with the package as a bundle, and runs where nobody names another."""

from __future__ import annotations

from pathlib import Path

NAME = "nano-synthetic"
LICENCE = "Apache-2.0"
BUNDLES = Path(__file__).resolve().parent
BUNDLE = BUNDLES / NAME
