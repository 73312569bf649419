"""Renders a sequence in one of the styles of streets.

`plain` streets are those of older releases, byte for byte: benchmarks and published numbers are on
them. `varied` streets differ far more in light, place, plants, ground and traffic, and are meant
for training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from mapt.synthetic.rendering.render import SyntheticFrame, render_plain
from mapt.synthetic.varied.render import render_varied

Style = Literal["plain", "varied"]
STYLES: tuple[Style, ...] = get_args(Style)
PLAIN_SHARE = 0.08  # of the varied sequences look like plain ones


def render_sequence(
    seed: int,
    index: int,
    frames: int,
    size: tuple[int, int],
    fps: float = 10.0,
    rare: float = 0.0,
    style: Style = "plain",
) -> Iterator[SyntheticFrame]:
    """Render a sequence.

    Args:
        seed: the dataset's seed.
        index: the sequence's number. Seed, index and style together determine the scene.
        frames: number of frames.
        size: height and width, pixels. As in KITTI, the focal length is 0.58 of the width in plain
            streets. In varied ones it is 0.5 to 0.85.
        fps: frames per second.
        rare: 0 for usual traffic, up to 1 for many trucks, buses, trams and two-wheelers.
        style: `plain` or `varied`.

    Yields:
        The frames in order.
    """
    rng = np.random.default_rng((seed, index))
    if style == "varied" and rng.random() >= PLAIN_SHARE:
        for image, label in render_varied(rng, frames, size, fps, rare):
            yield SyntheticFrame(image, (label & 255).astype(np.uint8), label >> 8)
        return
    yield from render_plain(rng, frames, size, fps, rare)
