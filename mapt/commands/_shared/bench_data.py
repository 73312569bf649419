"""The synthetic frames of `mapt bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mapt.bench.suite_options import SUITES, names_of
from mapt.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from mapt.runtime.bundle.manifest import Bundle


def parse_seeds(text: str, suite: str) -> list[int]:
    """Return the seeds of `--seeds`, or the suite's default.

    Raises:
        InputError: they are no whole numbers, or several where the suite takes one.
    """
    several = SUITES[suite].many_seeds
    if not text:
        return [7, 8, 9] if several else [7]
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        raise InputError(
            f"--seeds {text:.60}: is not a list of whole numbers from 0 on; write e.g. --seeds"
            " 7,8,9"
        )
    if len(parts) > 1 and not several:
        raise InputError(
            f"--seeds {text}: several are for --suite {names_of(lambda other: other.many_seeds)},"
            f" not {suite}; give one"
        )
    return [int(part) for part in parts]


def filling_size(bundle: Bundle) -> tuple[int, int]:
    """Return the height and width of frames that fill the network's input at KITTI's aspect."""
    return bundle.info.height, min(bundle.info.width, round(bundle.info.height * 3.25))


def render_streets(
    size: tuple[int, int],
    roots: dict[int | None, Path],
    sequences: int,
    frames: int,
    fps: float,
    console: Console,
) -> None:
    """Render synthetic sequences (height, width), each seed into its own folder."""
    from mapt.bench.suites import SPLIT
    from mapt.synthetic import write_dataset

    console.print(
        f"data: {sequences} synthetic sequences of {frames} frames, {size[0]}x{size[1]}, {fps:g}"
        f" frames/s, seed {', '.join(map(str, roots))}",
        highlight=False,
    )
    for seed, folder in roots.items():
        if seed is not None:
            write_dataset(folder, sequences, frames, size, seed, fps, SPLIT)
