"""A step as a generator, which stops where it wants its image perceived.

A camera's step perceives its own image, and a group perceives those of several cameras at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from mapt.runtime.frame import PanopticFrame
from mapt.runtime.perception.pipeline import Clock, Perception


@dataclass(frozen=True)
class Wanted:
    """An image that a step wants perceived.

    Attributes:
        tensor: (1,H,W,3) uint8, the network's input.
        clock: of the step.
    """

    tensor: Any
    clock: Clock


Stepping = Generator[Wanted, Perception, PanopticFrame]


def run_step(stepping: Stepping, perceive: Callable[[Wanted], Perception]) -> PanopticFrame:
    """Run a step to its end.

    Args:
        stepping: just begun.
        perceive: what it raises, the step raises.
    """
    try:
        wanted = next(stepping)
    except StopIteration as end:  # the native core perceives its image itself
        frame: PanopticFrame = end.value
        return frame
    return end_step(stepping, lambda: perceive(wanted))


def end_step(stepping: Stepping, perceived: Callable[[], Perception]) -> PanopticFrame:
    """Run a step to its end that has stopped for its image.

    Args:
        stepping: a step that has given what it wants.
        perceived: gives the answer; what it raises, the step raises.
    """
    try:
        seen = perceived()
    except BaseException as error:
        stepping.throw(error)
        raise AssertionError("a step went on after an error") from error
    try:
        stepping.send(seen)
    except StopIteration as end:
        frame: PanopticFrame = end.value
        return frame
    raise AssertionError("a step wants its image twice")
