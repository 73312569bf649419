"""Fills what lies behind hedges, walls and trees with things that cars are confused with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.textures import pyramid
from mapt.synthetic.varied.ground.ground_map import SPAN
from mapt.synthetic.varied.site import LENGTH, Site
from mapt.synthetic.varied.things.facades import shed
from mapt.synthetic.varied.things.fixtures import BUILDING, Front

KINDS = 10


@dataclass(frozen=True)
class _Shed:
    """A shed's length and height in metres, how high it stands, its gloss, and its picture."""

    length: float
    height: float
    base: float
    gloss: float
    picture: list[NDArray[np.uint8]]


class Yards:
    """Sets sheds, containers, counters and lit corners of walls along a street.

    Most are as bright and as large as cars. Seen between trunks, above hedges and through railings,
    they teach that such a patch is not yet a car.

    Args:
        rng: draws the things.
        site: receives them.
    """

    def __init__(self, rng: np.random.Generator, site: Site) -> None:
        self.rng = rng
        self.site = site
        self.density = float(rng.choice([0.0, 0.08, 0.2, 0.4]))  # to a metre
        self._sheds = [_random_shed(rng) for _ in range(KINDS)]

    def fill(self, side: float, low: float, high: float, share: float = 1.0) -> None:
        """Set things on a side (-1 or 1), at a distance of `low` to `high` metres.

        Args:
            side: -1 for the left, 1 for the right.
            low: the least distance from the road's middle, metres.
            high: the greatest, metres.
            share: how many of the usual number.
        """
        rng = self.rng
        high = min(high, SPAN - 3)
        if high <= low:
            return
        for s in np.arange(-8.0, LENGTH * 0.7, 1.0).tolist():
            if rng.random() >= self.density * share:
                continue
            what = self._sheds[int(rng.integers(KINDS))]
            d = float(rng.uniform(low, high))
            if self.site.in_crossing(s + what.length / 2, what.length / 2 + 1.5):
                continue
            self.site.fronts.append(
                Front(
                    s,
                    s + what.length,
                    side * d,
                    what.base + what.height,
                    what.picture,
                    BUILDING,
                    depth=min(what.length, float(rng.uniform(0.3, 2.5))),
                    base=what.base,
                    gloss=what.gloss,
                )
            )


def _random_shed(rng: np.random.Generator) -> _Shed:
    length = float(np.clip(np.exp(rng.normal(0.9, 0.6)), 0.6, 8))
    height = float(np.clip(np.exp(rng.normal(0.35, 0.45)), 0.4, 3.2))
    base = float(rng.choice([0.0, 0.0, 0.0, rng.uniform(0.3, 1.5)]))
    gloss = float(rng.choice([0.0, 0.0, rng.uniform(0.1, 0.5)]))
    return _Shed(length, height, base, gloss, pyramid(shed(rng, length, height)))
