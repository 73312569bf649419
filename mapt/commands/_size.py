"""The --size option: HxW pixels, rounded up to what the network can take."""

from __future__ import annotations

import re

import typer

from mapt.errors import InputError

MULTIPLE = 32


def parse_size(text: str) -> tuple[int, int]:
    """HxW to (height, width).

    Raises:
        InputError: not two positive numbers with an x between.
    """
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not found or 0 in (int(found[1]), int(found[2])):
        raise InputError(f"--size {text}: is not HEIGHTxWIDTH in pixels; write e.g. --size 384x1248")
    return int(found[1]), int(found[2])


def network_size(text: str | None) -> tuple[int, int] | None:
    """HxW rounded up to multiples of 32, saying so; None stays None."""
    if text is None:
        return None
    height, width = parse_size(text)
    rounded = -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE
    if rounded != (height, width):
        typer.echo(f"--size {text}: the network takes multiples of {MULTIPLE}, using {rounded[0]}x{rounded[1]}")
    return rounded
