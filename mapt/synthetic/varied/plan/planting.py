"""Plants trees, bushes and forests along a side of a street."""

from __future__ import annotations

import numpy as np

from mapt.synthetic.varied.ground.ground_map import SPAN
from mapt.synthetic.varied.site import LENGTH, Site
from mapt.synthetic.varied.things.fixtures import Front, Plant
from mapt.synthetic.varied.things.palette import BLOCK, Palette

VEGETATION = 8


class Gardener:
    """Plants a side (-1 or 1) of a street.

    Args:
        rng: draws the plants.
        site: receives them.
        palette: the street's pictures.
        side: -1 for the left, 1 for the right.
    """

    def __init__(self, rng: np.random.Generator, site: Site, palette: Palette, side: float) -> None:
        self.rng = rng
        self.site = site
        self.palette = palette
        self.side = side

    def _free(self, s: float, margin: float) -> bool:
        return not self.site.in_crossing(s, margin)

    def any_tree(self) -> int:
        """Return the index of a tree's picture."""
        return int(self.rng.integers(len(self.palette.trees)))

    def tree(self, s: float, d: float, height: float, which: int) -> Plant:
        """Plant a tree at (s, d)."""
        species, picture, shade = self.palette.trees[which]
        width = height * float(self.rng.uniform(0.85, 1.25))
        bare = height * species.bare * 0.75
        plant = Plant(s, d, height, width, picture, shade, bare, species.trunk * width)
        self.site.plants.append(plant)
        return plant

    def bush(self, s: float, d: float, height: float) -> None:
        """Plant a bush at (s, d)."""
        picture = self.palette.bushes[int(self.rng.integers(len(self.palette.bushes)))]
        width = height * float(self.rng.uniform(1.1, 2.0))
        shade = self.palette.shades[0]
        self.site.plants.append(Plant(s, d, height, width, picture, shade, height * 0.3, 0.0))

    def tree_row(self, d: float, width: float) -> list[Plant]:
        """Plant a row of trees, most of one species, on a strip of some width."""
        rng = self.rng
        first = self.any_tree()
        spacing = float(rng.uniform(6, 18))
        size = float(np.exp(rng.normal(np.log(10.5), 0.3)))
        s = -8 + float(rng.uniform(0, spacing))
        row = []
        while s < LENGTH:
            if self._free(s, 2.0) and rng.random() < 0.9:
                which = first if rng.random() < 0.8 else self.any_tree()
                height = size * float(rng.uniform(0.8, 1.2))
                row.append(self.tree(s, d + float(rng.normal(0, width * 0.08)), height, which))
            s += spacing * float(rng.uniform(0.85, 1.15))
        return row

    def bushes(self, d: float, spread: float, density: float) -> None:
        """Plant bushes along a line, `density` to a metre."""
        rng = self.rng
        for s in np.arange(-8.0, LENGTH * 0.8, 1.0).tolist():
            if rng.random() < density and self._free(s, 1.5):
                height = float(rng.uniform(0.6, 2.4))
                self.bush(s, d + float(rng.normal(0, max(spread, 0.05))), height)

    def forest(self, line: float, density: float) -> None:
        """Plant trees and bushes from a distance on, before a dark thicket if they are dense."""
        rng = self.rng
        if density > 0.2:
            self.thicket(min(line + 14.0, SPAN - 2), float(rng.uniform(3, 8)))
        for s in np.arange(-10.0, LENGTH, 2.5).tolist():
            depth = line + float(rng.uniform(0.5, 16))
            if rng.random() < density * 0.8 and depth < SPAN and self._free(s, 3.0):
                self.tree(s, self.side * depth, float(rng.uniform(5, 15)), self.any_tree())
            if rng.random() < density * 0.8 and self._free(s, 2.0):
                place = self.side * (line + float(rng.uniform(0.3, 6)))
                self.bush(s, place, float(rng.uniform(0.8, 3.2)))

    def thicket(self, line: float, height: float) -> None:
        """Close a side by undergrowth along a line."""
        d = self.side * line
        for s in np.arange(-15.0, LENGTH, BLOCK).tolist():
            if self._free(s + BLOCK / 2, BLOCK / 2 + 1):
                picture = self.palette.thickets[int(self.rng.integers(2))]
                front = Front(s, s + BLOCK, d, height, picture, VEGETATION, 0.05)
                self.site.fronts.append(front)
