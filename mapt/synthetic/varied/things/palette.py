"""Draws a street's stock of pictures: trees, bushes, buildings and walls."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering import textures
from mapt.synthetic.rendering.canvas import Points
from mapt.synthetic.rendering.textures import pyramid
from mapt.synthetic.varied.optics.pictures import Rgba
from mapt.synthetic.varied.things import facades, plants

BLOCK = 14.0  # metres of a building's picture


def halved(picture: Rgba) -> list[Rgba]:
    """Return a picture (h,w,4) and its halved copies, in which hidden colours do not count."""
    out = [picture]
    while len(out) < 6 and min(out[-1].shape[:2]) > 12:
        last = out[-1].astype(np.float32)
        alpha = last[..., 3:] / 255
        small = cv2.resize(
            np.dstack((last[..., :3] * alpha, last[..., 3])),
            (last.shape[1] // 2, last.shape[0] // 2),
            interpolation=cv2.INTER_AREA,
        )
        cover = np.maximum(small[..., 3:] / 255, 1e-3)
        # Thin parts would fade with the distance: the cover is sharpened.
        alpha8 = np.clip(small[..., 3:] * 1.15, 0, 255)
        out.append(np.dstack((np.clip(small[..., :3] / cover, 0, 255), alpha8)).astype(np.uint8))
    return out


class Palette:
    """The pictures of which a street is made.

    Attributes:
        trees: species, picture with its halved copies, and shadow.
        bushes: picture with its halved copies.
        shades: shadows of bushes.
        houses: height, picture with its halved copies, and roof.
        walls: train id, height, and picture of a low wall, fence, rail or hedge.
    """

    def __init__(self, rng: np.random.Generator, sun: Points) -> None:
        season = float(rng.choice([0.0, 0.0, 0.3, 1.0]))
        kinds = [plants.random_species(rng, season) for _ in range(3)]
        order = (0, 0, 0, 1, 1, 2)
        self.trees = [
            (
                kinds[i],
                halved(plants.tree(rng, kinds[i], sun)),
                plants.dapple(rng, kinds[i].density),
            )
            for i in order
        ]
        self.bushes = [
            halved(plants.bush(rng, plants.random_species(rng, season * 0.5), sun))
            for _ in range(4)
        ]
        self.shades = [plants.dapple(rng, 1.5)]
        self.houses = []
        for _ in range(5):
            height = float(rng.choice([rng.uniform(3.5, 7), rng.uniform(6, 18)]))
            roof = pyramid(facades.roof(rng, BLOCK)) if height < 11 and rng.random() < 0.6 else []
            self.houses.append((height, pyramid(facades.building(rng, BLOCK, height)), roof))
        self.gables = [pyramid(facades.wall(rng, 12.0, 8.0)) for _ in range(2)]
        self.walls: list[tuple[int, float, list[NDArray[np.uint8]]]] = []
        for label, make, low, high in (
            (3, facades.wall, 0.5, 2.8),
            (3, facades.wall, 1.0, 3.5),
            (4, textures.fence, 0.9, 2.0),
            (4, facades.railing, 0.9, 2.2),
            (4, facades.railing, 0.9, 1.3),
            (8, textures.hedge, 0.8, 2.6),
            (4, facades.guard_rail, 0.7, 0.85),
            (3, facades.concrete_barrier, 0.7, 1.1),
        ):
            height = float(rng.uniform(low, high))
            picture = make(rng, BLOCK, height)
            levels = halved(picture) if picture.shape[2] == 4 else pyramid(picture)
            self.walls.append((label, height, levels))

    @property
    def rail(self) -> tuple[int, float, list[NDArray[np.uint8]]]:
        """The guard rail."""
        return self.walls[6]
