"""Warns of an input size that does not have the shape of the frames."""

from __future__ import annotations

import functools
import logging

from mapt.runtime.perception.preprocess import Letterbox

LEAST_USED = 0.8  # share of the input; below it, a fifth of the time is spent on nothing


@functools.lru_cache(maxsize=64)  # a step asks for every frame
def warn_of_waste(letterbox: Letterbox, height: int, width: int) -> None:
    """Log a warning to "mapt" if frames fill less than 80 % of the network's input.

    It is logged once a process for each size of frames.

    Args:
        letterbox: the frame's place in the input.
        height: of the input.
        width: of the input.
    """
    used = letterbox.inner_height * letterbox.inner_width / (height * width)
    if used >= LEAST_USED:
        return
    logging.getLogger("mapt").warning(
        "mapt: frames of %dx%d fill %.0f %% of the network's input %dx%d, and the rest costs time"
        " for nothing; a size of their shape: mapt export WEIGHTS --for VIDEO",
        letterbox.height,
        letterbox.width,
        100 * used,
        height,
        width,
    )
