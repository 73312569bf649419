"""The --size option: HxW pixels, rounded up to what the network can take."""

from __future__ import annotations

import re

import typer

from mapt.config import LONGEST
from mapt.errors import InputError

MULTIPLE = 32


def parse_size(text: str) -> tuple[int, int]:
    """Parse HxW as (height, width).

    Raises:
        InputError: not two positive numbers with an x between.
    """
    found = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    if not found or 0 in (int(found[1]), int(found[2])):
        raise InputError(
            f"--size {text:.40}: is not HEIGHTxWIDTH in pixels; write e.g. --size 384x1248"
        )
    if max(int(found[1]), int(found[2])) > LONGEST:
        raise InputError(f"--size {text}: is too large; a side has at most {LONGEST} pixels")
    return int(found[1]), int(found[2])


def network_size(text: str | None) -> tuple[int, int] | None:
    """Round HxW up to multiples of 32, and report the change; None stays None."""
    if text is None:
        return None
    height, width = parse_size(text)
    rounded = -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE
    if rounded != (height, width):
        typer.echo(
            f"--size {text}: the network takes multiples of {MULTIPLE}, using"
            f" {rounded[0]}x{rounded[1]}"
        )
    return rounded


def check_rate(fps: float | None) -> None:
    """Refuse a frame rate that no camera has.

    Raises:
        InputError: not finite, or out of range.
    """
    if fps is not None and not 1e-3 <= fps <= 1e6:
        raise InputError(
            f"--fps {fps}: is no rate of frames; give frames per second within 0.001..1000000"
        )
