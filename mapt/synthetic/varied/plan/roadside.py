"""Builds one side of a street: verges, sidewalks, second carriageways, car parks and houses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.varied.plan.enclosure import Mason
from mapt.synthetic.varied.plan.furnishing import clutter, furnish
from mapt.synthetic.varied.plan.planting import Gardener
from mapt.synthetic.varied.plan.yards import Yards
from mapt.synthetic.varied.site import LENGTH, Lane, ParkingRow, Site
from mapt.synthetic.varied.things.palette import Palette

GREEN = ("grass",) * 5 + ("meadow",) * 3 + ("earth", "gravel")


class Roadside:
    """Builds a side (-1 or 1) of a street, outwards from the kerb.

    Args:
        rng: draws the side.
        site: receives it.
        palette: the street's pictures.
        yards: fill what lies behind hedges and walls.
        side: -1 for the left, 1 for the right.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        site: Site,
        palette: Palette,
        yards: Yards,
        side: float,
    ) -> None:
        self.rng = rng
        self.site = site
        self.palette = palette
        self.yards = yards
        self.side = side
        self.edge = site.half
        self.paved = "slabs" if rng.random() < 0.5 else "pavement"
        self.leafy = float(rng.choice([0.2, 1.0, 1.6]))
        self.gardener = Gardener(rng, site, palette, side)
        self.mason = Mason(rng, site, palette, self.gardener)

    def build(self, kind: str) -> None:
        """Build the side: urban, alley, dual, lot, park, rural or works."""
        kinds = {
            "urban": self._urban,
            "alley": self._alley,
            "dual": self._dual,
            "lot": self._lot,
            "park": self._park,
            "rural": self._rural,
            "works": self._works,
        }
        kinds[kind]()
        furnish(self.rng, self.site, self.side, self.edge)
        clutter(self.rng, self.site, self.side, float(self.rng.choice([0.0, 0.01, 0.05])))

    def _one_of(self, *names: str) -> str:
        return str(self.rng.choice(names))

    def _uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def _strip(self, width: float, kind: str, ragged: float = 0.0) -> float:
        """Cover the next `width` metres with a material; return the d of their middle."""
        start = self.side * self.edge
        self.edge += width
        self.site.ground.band(start, self.side * self.edge, kind, ragged)
        return start + self.side * width / 2

    def _kerb(self) -> None:
        if self.rng.random() < 0.85:
            self._strip(self._uniform(0.1, 0.3), "kerb")

    def _walk(self, low: float = 1.3, high: float = 3.5) -> None:
        width = self._uniform(low, high)
        middle = self._strip(width, self.paved)
        self.site.walks.append((middle - width / 2, middle + width / 2))

    def _verge(self, low: float, high: float, trees: float) -> None:
        """Lay a green strip, perhaps with a row of trees, bushes and parked cars."""
        width = self._uniform(low, high)
        middle = self._strip(width, self._one_of(*GREEN), 0.04)
        if self.rng.random() < trees:
            self.gardener.tree_row(middle, width)
        if self.rng.random() < 0.3:
            self.gardener.bushes(middle, width * 0.3, self._uniform(0.02, 0.25))

    def _parking(self, share: float | None = None) -> None:
        """Lay a strip on which cars park along the road or across."""
        taken = share if share is not None else float(self.rng.choice([0.3, 0.7, 0.95]))
        across = self.rng.random() < 0.3
        width = self._uniform(4.6, 5.2) if across else self._uniform(2.0, 2.5)
        middle = self._strip(width, self._one_of("bay", "asphalt"))
        yaw, pitch = self._angle(across)
        self.site.rows.append(ParkingRow(middle, -15.0, LENGTH * 0.8, pitch, yaw, taken))

    def _on_kerb(self) -> None:
        """Let cars park half on the kerb, where there are no bays."""
        d = self.side * (self.edge + self._uniform(-0.7, 0.6))
        yaw, pitch = self._angle(False)
        start = self._uniform(-15, 60)
        stop = start + self._uniform(20, 150)
        self.site.rows.append(ParkingRow(d, start, stop, pitch, yaw, self._uniform(0.3, 0.95)))

    def _angle(self, across: bool) -> tuple[float, float]:
        """Return the yaw of parked cars and the distance of their places."""
        if not across:
            return (np.pi if self.side < 0 else 0.0), self._uniform(5.0, 6.3)
        slant = float(self.rng.choice([np.pi / 2, np.pi / 2, np.pi / 3]))
        return self.side * slant, self._uniform(2.4, 2.9)

    def _urban(self) -> None:
        """Build a sidewalk before a row of houses."""
        rng = self.rng
        if rng.random() < 0.65:
            self._parking()
        elif rng.random() < 0.4:
            self._on_kerb()
        self._kerb()
        if rng.random() < 0.25:
            self._verge(0.8, 1.8, 0.8)
        self._walk(1.5, 4.5)
        if rng.random() < 0.35:
            self._trees_in_pits()
        self._houses(self._uniform(0.6, 1.0), float(rng.choice([0.0, 0.0, 3.0])))
        clutter(rng, self.site, self.side, self._uniform(0.01, 0.12))

    def _trees_in_pits(self) -> None:
        """Plant trees in squares of earth on the sidewalk."""
        d = self.side * (self.edge - self._uniform(0.7, 1.5))
        for plant in self.gardener.tree_row(d, 0.5):
            s = (plant.s - 0.7, plant.s + 0.7)
            self.site.ground.rectangle(s, (plant.d - 0.6, plant.d + 0.6), "earth")

    def _alley(self) -> None:
        """Build a verge with a row of trees, and a sidewalk behind it."""
        if self.rng.random() < 0.3:
            self._parking()
        elif self.rng.random() < 0.3:
            self._on_kerb()
        self._kerb()
        self._verge(1.2, 5.0, 1.0)
        self._walk()
        if self.rng.random() < 0.4:
            self._verge(0.8, 3.0, 0.5)
        self._behind()

    def _dual(self) -> None:
        """Build a median, a second carriageway, and what is behind it."""
        rng = self.rng
        self._kerb()
        self._verge(1.5, 8.0, 0.85)
        if rng.random() < 0.25:
            self.mason.rail(self.edge - 0.15)
        self._kerb()
        lanes = int(rng.choice([1, 2, 2]))
        width = self._uniform(2.8, 3.6)
        for lane in range(lanes):
            if lane:
                for s in np.arange(-10.0, LENGTH, 9.0).tolist():
                    self.site.ground.line((s, s + 3), self.side * self.edge, 0.12, 220.0)
            middle = self._strip(width, "patched")
            self.site.lanes.append(Lane(middle, self.side, False))
        if rng.random() < 0.75:
            self._parking(float(rng.choice([0.5, 0.8, 0.97])))
        self._kerb()
        if rng.random() < 0.5:
            self._verge(1.0, 4.0, 0.7)
        self._walk()
        self._behind()

    def _lot(self) -> None:
        """Build a car park behind a verge or sidewalk."""
        rng = self.rng
        self._kerb()
        if rng.random() < 0.6:
            self._verge(1.0, 3.5, 0.7)
        self._walk()
        if rng.random() < 0.6:
            self._verge(0.6, 2.5, 0.5)
        if rng.random() < 0.4:
            what = self.palette.walls[int(rng.choice([0, 3, 4, 5, 6]))]
            self.mason.barrier(self.edge - 0.15, what, (-14.0, LENGTH), 0.1)
        for _ in range(int(rng.integers(1, 4))):
            self._bays()
            self._strip(float(rng.choice([0.3, 5.5])), "patched")
        self._behind()

    def _bays(self) -> None:
        """Build a row of a car park."""
        middle = self._strip(5.0, "bay")
        yaw, pitch = self._angle(True)
        turn = np.pi * float(self.rng.integers(2))
        share = self._uniform(0.3, 1.0)
        stop = LENGTH * 0.75
        self.site.rows.append(ParkingRow(middle, -10.0, stop, pitch, yaw + turn, share))
        for s in np.arange(-10.0, stop, pitch).tolist():
            self.site.ground.mark(_box(s + pitch / 2, middle, 0.1, 4.6), 200.0)

    def _park(self) -> None:
        """Build a green with trees and a path."""
        self._kerb()
        if self.rng.random() < 0.6:
            self._walk(1.2, 2.5)
        self._verge(2, 6, 0.6)
        self._strip(10, self._one_of("grass", "grass", "meadow", "earth"))
        self.gardener.forest(self.edge, self._uniform(0.12, 0.6))
        self.yards.fill(self.side, self.edge + 0.5, self.edge + 13)
        clutter(self.rng, self.site, self.side, 0.02)

    def _rural(self) -> None:
        """Build a shoulder, perhaps with a rail, and meadows or a forest."""
        rng = self.rng
        self._strip(self._uniform(0.3, 1.5), self._one_of("gravel", "asphalt", "meadow"), 0.06)
        self._strip(0.8, "meadow")
        if rng.random() < 0.55:
            self.mason.rail(self.edge - 0.15)
        self._strip(self._uniform(2, 20), self._one_of("meadow", "grass", "earth"))
        self.gardener.forest(self.edge, float(rng.choice([0.08, 0.25, 0.6])))
        self.yards.fill(self.side, self.edge + 0.5, self.edge + 13, 0.3)

    def _works(self) -> None:
        """Build a sidewalk, walls, fences and halls."""
        if self.rng.random() < 0.35:
            self._parking()
        elif self.rng.random() < 0.5:
            self._on_kerb()
        self._kerb()
        self._walk()
        self.mason.low_walls(self.edge, 0.8)
        line = self.edge
        self._strip(self._uniform(2, 10), self._one_of("bay", "gravel", "grass"))
        self.yards.fill(self.side, line + 1, self.edge, 2.0)
        self._houses(self._uniform(0.3, 0.8), 2.0)

    def _behind(self) -> None:
        """Build what closes a side: houses, walls, hedges or trees."""
        draw = self.rng.random()
        if draw < 0.45:
            self._houses(self._uniform(0.4, 1.0), self._uniform(0, 5))
        elif draw < 0.7:
            self.mason.low_walls(self.edge, self._uniform(0.5, 1.0))
            self.gardener.forest(self.edge, self._uniform(0.1, 0.35))
            self.yards.fill(self.side, self.edge + 1.2, self.edge + 13, 2.0)
        else:
            self.gardener.forest(self.edge, self._uniform(0.2, 0.6))
            self.yards.fill(self.side, self.edge + 0.5, self.edge + 13)

    def _houses(self, share: float, garden: float) -> None:
        """Line the side with houses, behind gardens of some metres."""
        if garden > 1:
            if self.rng.random() < 0.6:
                self.mason.low_walls(self.edge, 0.7)
            line = self.edge
            self._strip(garden, self._one_of("grass", "slabs", "earth"))
            self.mason.gardens(line, garden, self.leafy)
            self.yards.fill(self.side, line + 0.8, self.edge)
        self.mason.houses(self.edge, share, self.leafy)


def _box(s: float, d: float, along: float, across: float) -> NDArray[np.float64]:
    a = along / 2
    b = across / 2
    return np.array([(s - a, d - b), (s + a, d - b), (s + a, d + b), (s - a, d + b)])
