"""Builds one side of a street: verges, sidewalks, second carriageways, car parks and houses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.varied.ground.ground_map import SPAN
from mapt.synthetic.varied.site import LENGTH, Lane, ParkingRow, Site
from mapt.synthetic.varied.things.fixtures import Front, Plant
from mapt.synthetic.varied.things.palette import Palette
from mapt.synthetic.varied.things.posts import FURNITURE, random_fixture

GREEN = ("grass",) * 5 + ("meadow",) * 3 + ("earth", "gravel")


class Roadside:
    """Builds a side (-1 or 1) of a street, outwards from the kerb.

    Args:
        rng: draws the side.
        site: receives it.
        palette: the street's pictures.
        side: -1 for the left, 1 for the right.
    """

    def __init__(self, rng: np.random.Generator, site: Site, palette: Palette, side: float) -> None:
        self.rng = rng
        self.site = site
        self.palette = palette
        self.side = side
        self.edge = site.half
        self.paved = "slabs" if rng.random() < 0.5 else "pavement"
        self.leafy = float(rng.choice([0.2, 1.0, 1.6]))

    def build(self, kind: str) -> None:
        """Build the side: urban, alley, dual, lot, park, rural or works."""
        getattr(self, f"_{kind}")()
        self._lamps()

    def _strip(self, width: float, kind: str, ragged: float = 0.0) -> float:
        """Cover the next `width` metres with a material; return the d of their middle."""
        start = self.side * self.edge
        self.edge += width
        self.site.ground.band(start, self.side * self.edge, kind, ragged)
        return start + self.side * width / 2

    def _kerb(self) -> None:
        if self.rng.random() < 0.85:
            self._strip(float(self.rng.uniform(0.1, 0.3)), "kerb")

    def _walk(self, low: float = 1.3, high: float = 3.5) -> None:
        start = self.edge
        middle = self._strip(float(self.rng.uniform(low, high)), self.paved)
        width = (self.edge - start) / 2
        self.site.walks.append((middle - width, middle + width))

    def _verge(self, low: float, high: float, trees: float) -> None:
        """Lay a green strip, perhaps with a row of trees and bushes."""
        rng = self.rng
        kind = str(rng.choice(GREEN))
        width = float(rng.uniform(low, high))
        middle = self._strip(width, kind, 0.04)
        if rng.random() < trees:
            self._tree_row(middle, width)
        if rng.random() < 0.3:
            self._bushes(middle, width * 0.3, float(rng.uniform(0.02, 0.25)))

    def _parking(self, share: float | None = None) -> None:
        """Lay a strip on which cars park along the road or across."""
        rng = self.rng
        taken = share if share is not None else float(rng.choice([0.3, 0.7, 0.95]))
        across = rng.random() < 0.3
        width = float(rng.uniform(4.6, 5.2) if across else rng.uniform(2.0, 2.5))
        middle = self._strip(width, str(rng.choice(["bay", "asphalt"])))
        yaw, pitch = self._angle(across)
        self.site.rows.append(ParkingRow(middle, -15.0, LENGTH * 0.8, pitch, yaw, taken))

    def _angle(self, across: bool) -> tuple[float, float]:
        """Return the yaw of parked cars and the distance of their places."""
        rng = self.rng
        if not across:
            return (np.pi if self.side < 0 else 0.0), float(rng.uniform(5.0, 6.3))
        slant = float(rng.choice([np.pi / 2, np.pi / 2, np.pi / 3]))
        return self.side * slant, float(rng.uniform(2.4, 2.9))

    def _urban(self) -> None:
        rng = self.rng
        if rng.random() < 0.65:
            self._parking()
        self._kerb()
        if rng.random() < 0.25:
            self._verge(0.8, 1.8, 0.8)
        self._walk()
        if rng.random() < 0.35:
            self._trees_in_pits()
        self._houses(float(rng.uniform(0.6, 1.0)), float(rng.choice([0.0, 0.0, 3.0])))
        self._furniture(float(rng.uniform(0.01, 0.12)))

    def _tree_row(self, d: float, width: float) -> None:
        """Plant a row of trees of one species, or two."""
        rng = self.rng
        first = int(rng.integers(len(self.palette.trees)))
        spacing = float(rng.uniform(6, 18))
        size = float(np.exp(rng.normal(np.log(10.5), 0.3)))
        s = -8 + float(rng.uniform(0, spacing))
        while s < LENGTH:
            if not self.site.in_crossing(s, 2.0) and rng.random() < 0.9:
                which = first if rng.random() < 0.8 else int(rng.integers(len(self.palette.trees)))
                self._tree(
                    s,
                    d + float(rng.normal(0, width * 0.08)),
                    size * float(rng.uniform(0.8, 1.2)),
                    which,
                )
            s += spacing * float(rng.uniform(0.85, 1.15))

    def _tree(self, s: float, d: float, height: float, which: int) -> None:
        species, picture, shade = self.palette.trees[which]
        width = height * float(self.rng.uniform(0.85, 1.25))
        trunk = species.trunk * width
        bare = height * species.bare * 0.75
        self.site.plants.append(Plant(s, d, height, width, picture, shade, bare, trunk))

    def _bushes(self, d: float, spread: float, density: float) -> None:
        rng = self.rng
        for s in np.arange(-8, LENGTH * 0.8, 1.0):
            if rng.random() < density and not self.site.in_crossing(float(s), 1.5):
                height = float(rng.uniform(0.6, 2.4))
                self._bush(float(s), d + float(rng.normal(0, max(spread, 0.05))), height)

    def _bush(self, s: float, d: float, height: float) -> None:
        picture = self.palette.bushes[int(self.rng.integers(len(self.palette.bushes)))]
        width = height * float(self.rng.uniform(1.1, 2.0))
        self.site.plants.append(
            Plant(s, d, height, width, picture, self.palette.shades[0], height * 0.3, 0.0)
        )

    def _trees_in_pits(self) -> None:
        """Plant trees in squares of earth on the sidewalk."""
        d = self.side * (self.edge - float(self.rng.uniform(0.7, 1.5)))
        before = len(self.site.plants)
        self._tree_row(d, 0.5)
        for plant in self.site.plants[before:]:
            self.site.ground.rectangle(
                (plant.s - 0.7, plant.s + 0.7), (plant.d - 0.6, plant.d + 0.6), "earth"
            )

    def _alley(self) -> None:
        """Build a verge with a row of trees, and a sidewalk behind it."""
        if self.rng.random() < 0.3:
            self._parking()
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
            self._barrier(self.palette.rail)
        self._kerb()
        lanes = int(rng.choice([1, 2, 2]))
        width = float(rng.uniform(2.8, 3.6))
        direction = -1.0 if self.side < 0 else 1.0
        for _ in range(lanes):
            start = self.edge
            middle = self._strip(width, "patched")
            self.site.lanes.append(Lane(middle, direction, False))
            if start > self.site.half + 12:
                continue
            for s in np.arange(-10, LENGTH, 9.0):
                self.site.ground.line((float(s), float(s) + 3), self.side * self.edge, 0.12, 220.0)
        if rng.random() < 0.7:
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
            self._barrier(self.palette.walls[int(rng.choice([0, 3, 4, 5, 6]))])
        for _ in range(int(rng.integers(1, 4))):
            middle = self._strip(5.0, "bay")
            yaw, pitch = self._angle(True)
            share = float(rng.uniform(0.3, 1.0))
            flip = np.pi * float(rng.integers(2))
            self.site.rows.append(
                ParkingRow(middle, -10.0, LENGTH * 0.75, pitch, yaw + flip, share)
            )
            for s in np.arange(-10, LENGTH * 0.75, pitch):
                self.site.ground.mark(_box(float(s) + pitch / 2, middle, 0.1, 4.6), 200.0)
            self._strip(float(rng.choice([0.3, 5.5])), "patched")
        self._behind()

    def _park(self) -> None:
        """Build a green with trees and a path."""
        rng = self.rng
        self._kerb()
        if rng.random() < 0.6:
            self._walk(1.2, 2.5)
        self._verge(2, 6, 0.6)
        self._strip(10, str(rng.choice(["grass", "grass", "meadow", "earth"])))
        self._forest(float(rng.uniform(0.12, 0.6)))
        self._furniture(0.02)

    def _rural(self) -> None:
        """Build a shoulder, perhaps with a rail, and meadows or a forest."""
        rng = self.rng
        self._strip(
            float(rng.uniform(0.3, 1.5)), str(rng.choice(["gravel", "asphalt", "meadow"])), 0.06
        )
        self._strip(0.8, "meadow")
        if rng.random() < 0.55:
            self._barrier(self.palette.walls[int(rng.choice([6, 6, 7]))])
        self._strip(float(rng.uniform(2, 20)), str(rng.choice(["meadow", "grass", "earth"])))
        self._forest(float(rng.choice([0.08, 0.25, 0.6])))

    def _works(self) -> None:
        """Build a sidewalk, walls, fences and halls."""
        rng = self.rng
        if rng.random() < 0.35:
            self._parking()
        self._kerb()
        self._walk()
        self._low_walls(0.8)
        self._strip(float(rng.uniform(2, 10)), str(rng.choice(["bay", "gravel", "grass"])))
        self._houses(float(rng.uniform(0.3, 0.8)), 2.0)

    def _behind(self) -> None:
        """Build what closes a side: houses, walls, hedges or trees."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.45:
            self._houses(float(rng.uniform(0.4, 1.0)), float(rng.uniform(0, 5)))
        elif draw < 0.7:
            self._low_walls(float(rng.uniform(0.5, 1.0)))
            self._forest(float(rng.uniform(0.1, 0.35)))
        else:
            self._forest(float(rng.uniform(0.2, 0.6)))

    def _forest(self, density: float) -> None:
        """Plant trees and bushes in depth, over a dark undergrowth."""
        rng = self.rng
        line = self.edge
        if density > 0.2:
            label, _, picture = self.palette.walls[5]
            d = self.side * min(line + 14.0, SPAN - 2)
            dark = [(t * 0.45).astype(np.uint8) for t in picture]
            for s in np.arange(-15.0, LENGTH, 14.0):
                if not self.site.in_crossing(float(s) + 7, 8.0):
                    self.site.fronts.append(Front(float(s), float(s) + 14, d, 5.5, dark, label))
        for s in np.arange(-10.0, LENGTH, 2.5):
            depth = line + float(rng.uniform(0.5, 16))
            if (
                rng.random() < density * 0.8
                and depth < SPAN
                and not self.site.in_crossing(float(s), 3.0)
            ):
                height = float(rng.uniform(5, 15))
                self._tree(
                    float(s), self.side * depth, height, int(rng.integers(len(self.palette.trees)))
                )
            if rng.random() < density * 0.8 and not self.site.in_crossing(float(s), 2.0):
                self._bush(
                    float(s),
                    self.side * (line + float(rng.uniform(0.3, 6))),
                    float(rng.uniform(0.8, 3.2)),
                )

    def _barrier(self, what: tuple[int, float, list[NDArray[np.uint8]]]) -> None:
        """Set a wall, fence or rail along the whole side, except at crossings."""
        label, height, picture = what
        d = self.side * (self.edge - 0.15)
        for s in np.arange(-14.0, LENGTH, 7.0):
            if not self.site.in_crossing(float(s) + 3.5, 5.0):
                half = [t[:, : t.shape[1] // 2] if t.shape[1] > 4 else t for t in picture]
                self.site.fronts.append(Front(float(s), float(s) + 7, d, height, half, label, 0.08))

    def _low_walls(self, share: float) -> None:
        rng = self.rng
        s = -15.0
        while s < LENGTH:
            length = float(rng.uniform(8, 40))
            what = self.palette.walls[int(rng.integers(6))]
            if rng.random() < share:
                self._wall_run(s, s + length, what)
            s += length + float(rng.choice([0.0, 3.0]))

    def _wall_run(
        self, start: float, stop: float, what: tuple[int, float, list[NDArray[np.uint8]]]
    ) -> None:
        label, height, picture = what
        d = self.side * (self.edge + float(self.rng.uniform(0.05, 0.6)))
        for s in np.arange(start, stop - 3.5, 7.0):
            if not self.site.in_crossing(float(s) + 3.5, 4.5):
                half = [t[:, : t.shape[1] // 2] if t.shape[1] > 4 else t for t in picture]
                self.site.fronts.append(
                    Front(float(s), min(float(s) + 7, stop), d, height, half, label, 0.25)
                )

    def _houses(self, share: float, garden: float) -> None:
        """Line the side with houses, behind gardens of some metres."""
        rng = self.rng
        if garden > 1:
            if rng.random() < 0.6:
                self._low_walls(0.7)
            line = self.edge
            self._strip(garden, str(rng.choice(["grass", "slabs", "earth"])))
            for s in np.arange(-10, LENGTH * 0.7, 6.0):
                if rng.random() < 0.25 * self.leafy and not self.site.in_crossing(float(s), 2.0):
                    self._bush(
                        float(s),
                        self.side * (line + float(rng.uniform(0.4, garden))),
                        float(rng.uniform(0.8, 2.5)),
                    )
        s = -18.0
        while s < LENGTH:
            length = float(rng.uniform(8, 16))
            stop = min([a for a, _ in self.site.crossings if a > s] + [s + length])
            if not self.site.in_crossing(s + 0.5, 0.0) and stop - s > 3 and rng.random() < share:
                height, picture, roof = self.palette.houses[int(rng.integers(5))]
                d = self.side * (self.edge + float(rng.choice([0.0, 0.0, rng.uniform(0, 4)])))
                ends = self.palette.gables[int(rng.integers(2))] if rng.random() < 0.6 else []
                self.site.fronts.append(
                    Front(s, stop, d, height, picture, 2, 11.0, 0.0, roof, 0.12, ends)
                )
            elif rng.random() < 0.3 * self.leafy and not self.site.in_crossing(s, 3.0):
                self._tree(
                    s,
                    self.side * (self.edge + float(rng.uniform(2, 9))),
                    float(rng.uniform(5, 12)),
                    int(rng.integers(len(self.palette.trees))),
                )
            s = max(stop, s + 2)

    def _lamps(self) -> None:
        """Set lamps, signs and lights near the kerb."""
        rng = self.rng
        kerb = self.side * (self.site.half + float(rng.uniform(0.3, 1.0)))
        fixtures = self.site.fixtures
        if rng.random() < 0.8:
            lamp = random_fixture(rng, "lamp", 0.0, kerb)
            for s in np.arange(rng.uniform(-5, 20), LENGTH, rng.uniform(16, 40)):
                fixtures.append(
                    type(lamp)(
                        float(s),
                        kerb,
                        "lamp",
                        lamp.height,
                        lamp.width,
                        lamp.colour,
                        lamp.variant,
                        [],
                    )
                )
        for _ in range(int(rng.integers(1, 12))):
            d = kerb + self.side * float(rng.uniform(0, 0.8))
            fixtures.append(random_fixture(rng, "sign", float(rng.uniform(4, LENGTH)), d))
        for a, _ in self.site.crossings:
            if rng.random() < 0.55:
                fixtures.append(random_fixture(rng, "light", a - float(rng.uniform(0.5, 4)), kerb))
        if rng.random() < 0.3:
            for _ in range(int(rng.integers(1, 4))):
                d = self.side * min(self.edge + 1.0, self.site.half + float(rng.uniform(4, 14)))
                fixtures.append(random_fixture(rng, "panel", float(rng.uniform(15, 150)), d))
        if rng.random() < 0.3:
            spacing = float(rng.uniform(1.5, 6))
            post = random_fixture(rng, "bollard", 0.0, kerb)
            start = float(rng.uniform(0, 120))
            for s in np.arange(start, start + float(rng.uniform(10, 60)), spacing):
                fixtures.append(
                    type(post)(
                        float(s),
                        kerb,
                        "bollard",
                        post.height,
                        post.width,
                        post.colour,
                        post.variant,
                        [],
                    )
                )
        self._furniture(float(rng.choice([0.0, 0.01, 0.05])))

    def _furniture(self, density: float) -> None:
        """Set bins, cabinets, columns and the like on the sidewalks."""
        rng = self.rng
        walks = [w for w in self.site.walks if w[0] * self.side > 0]
        if not walks:
            return
        for s in np.arange(2, LENGTH * 0.6, 1.0):
            if rng.random() < density and not self.site.in_crossing(float(s), 1.0):
                low, high = walks[int(rng.integers(len(walks)))]
                d = float(rng.choice([low + 0.3, high - 0.3, rng.uniform(low, high)]))
                kind = str(rng.choice(list(FURNITURE)))
                self.site.fixtures.append(random_fixture(rng, kind, float(s), d))


def _box(s: float, d: float, along: float, across: float) -> NDArray[np.float64]:
    a, b = along / 2, across / 2
    return np.array([(s - a, d - b), (s + a, d - b), (s + a, d + b), (s - a, d + b)])
