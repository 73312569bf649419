"""Finds the trained weights that come with the project."""

from __future__ import annotations

from pathlib import Path

from mapt.errors import InputError

WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "nano.safetensors"


def shipped_weights() -> Path:
    """The shipped nano weights.

    Raises:
        InputError: they are not there, as in an installed package.
    """
    if not WEIGHTS.is_file():
        raise InputError(
            f"{WEIGHTS}: the shipped weights are missing; run from a checkout, or name a --model"
        )
    return WEIGHTS
