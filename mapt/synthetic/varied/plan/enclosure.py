"""Closes a side of a street by houses, walls, fences, hedges and rails."""

from __future__ import annotations

import numpy as np

from mapt.synthetic.varied.plan.planting import Gardener
from mapt.synthetic.varied.site import LENGTH, Site
from mapt.synthetic.varied.things.fixtures import Front
from mapt.synthetic.varied.things.palette import BLOCK, Enclosure, Palette

HALF = BLOCK / 2  # metres of a wall that are drawn at once


class Mason:
    """Builds along a side (-1 or 1) of a street.

    Args:
        rng: draws what is built.
        site: receives it.
        palette: the street's pictures.
        gardener: plants what stands between houses.
    """

    def __init__(
        self, rng: np.random.Generator, site: Site, palette: Palette, gardener: Gardener
    ) -> None:
        self.rng = rng
        self.site = site
        self.palette = palette
        self.gardener = gardener
        self.side = gardener.side

    def any_wall(self) -> Enclosure:
        """Return a wall, fence or hedge."""
        return self.palette.walls[int(self.rng.integers(6))]

    def barrier(
        self, line: float, what: Enclosure, span: tuple[float, float], depth: float
    ) -> None:
        """Set a wall, fence, hedge or rail along a line, except at crossings.

        Args:
            line: its distance from the road's middle, metres.
            what: the wall.
            span: its start and end along the road, metres.
            depth: its thickness, metres.
        """
        half = [t[:, : t.shape[1] // 2] if t.shape[1] > 4 else t for t in what.picture]
        d = self.side * line
        for s in np.arange(span[0], span[1] - HALF / 2, HALF).tolist():
            if not self.site.in_crossing(s + HALF / 2, 4.7):
                stop = min(s + HALF, span[1])
                self.site.fronts.append(Front(s, stop, d, what.height, half, what.label, depth))

    def rail(self, line: float) -> None:
        """Set a guard rail or a concrete barrier along a line."""
        what = self.palette.walls[int(self.rng.choice([6, 6, 7]))]
        self.barrier(line, what, (-14.0, LENGTH), 0.08)

    def low_walls(self, line: float, share: float) -> None:
        """Set walls, fences and hedges in turn, with gaps."""
        rng = self.rng
        s = -15.0
        while s < LENGTH:
            length = float(rng.uniform(8, 40))
            if rng.random() < share:
                place = line + float(rng.uniform(0.05, 0.6))
                self.barrier(place, self.any_wall(), (s, s + length), 0.25)
            s += length + float(rng.choice([0.0, 3.0]))

    def gardens(self, line: float, depth: float, leafy: float) -> None:
        """Plant bushes before houses."""
        rng = self.rng
        for s in np.arange(-10.0, LENGTH * 0.7, 6.0).tolist():
            if rng.random() < 0.25 * leafy and not self.site.in_crossing(s, 2.0):
                place = line + float(rng.uniform(0.4, depth))
                self.gardener.bush(s, self.side * place, float(rng.uniform(0.8, 2.5)))

    def houses(self, line: float, share: float, leafy: float) -> None:
        """Line a side with houses and trees between them."""
        rng = self.rng
        s = -18.0
        while s < LENGTH:
            length = float(rng.uniform(8, 16))
            stop = min([a for a, _ in self.site.crossings if a > s] + [s + length])
            if not self.site.in_crossing(s + 0.5, 0.0) and stop - s > 3 and rng.random() < share:
                self._house(s, stop, line + float(rng.choice([0.0, 0.0, rng.uniform(0, 4)])))
            elif rng.random() < 0.3 * leafy and not self.site.in_crossing(s, 3.0):
                place = self.side * (line + float(rng.uniform(2, 9)))
                height = float(rng.uniform(5, 12))
                self.gardener.tree(s, place, height, self.gardener.any_tree())
            s = max(stop, s + 2)

    def _house(self, start: float, stop: float, line: float) -> None:
        rng = self.rng
        house = self.palette.houses[int(rng.integers(len(self.palette.houses)))]
        ends = self.palette.gables[int(rng.integers(2))] if rng.random() < 0.6 else []
        self.site.fronts.append(
            Front(
                start,
                stop,
                self.side * line,
                house.height,
                house.picture,
                2,
                depth=11.0,
                roof=house.roof,
                gloss=0.12,
                ends=ends,
            )
        )
