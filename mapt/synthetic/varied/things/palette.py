"""Draws a street's stock of pictures: trees, bushes, buildings and walls."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class House:
    """A building's height in metres, front, and roof, which is empty for a flat one."""

    height: float
    picture: list[NDArray[np.uint8]]
    roof: list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Enclosure:
    """A wall's, fence's, hedge's or rail's class, height in metres, and picture."""

    label: int
    height: float
    picture: list[NDArray[np.uint8]]


class Palette:
    """The pictures of which a street is made, each with its halved copies.

    Attributes:
        trees: species, picture, and shadow.
        bushes: pictures.
        shades: shadows of bushes.
        thickets: pictures of undergrowth.
        houses: buildings.
        gables: ends of buildings.
        walls: four kinds of walls and fences, a fence, a hedge, a rail and a barrier.
    """

    def __init__(self, rng: np.random.Generator, sun: Points) -> None:
        season = float(rng.choice([0.0, 0.0, 0.3, 1.0]))
        kinds = [plants.random_species(rng, season) for _ in range(3)]
        self.trees = [
            (kind, halved(plants.tree(rng, kind, sun)), plants.dapple(rng, kind.density))
            for kind in (kinds[i] for i in (0, 0, 0, 1, 1, 2))
        ]
        wild = [plants.random_species(rng, season * 0.5) for _ in range(4)]
        self.bushes = [halved(plants.bush(rng, species, sun)) for species in wild]
        self.shades = [plants.dapple(rng, 1.5)]
        self.thickets = [
            halved(plants.thicket(rng, species, float(rng.uniform(0.3, 0.9))))
            for species in wild[:2]
        ]
        self.houses = [_house(rng) for _ in range(5)]
        self.gables = [pyramid(facades.wall(rng, 12.0, 8.0)) for _ in range(2)]
        self.walls = [_enclosure(rng, index) for index in range(len(_ENCLOSURES))]


def _house(rng: np.random.Generator) -> House:
    height = float(rng.choice([rng.uniform(3.5, 7), rng.uniform(6, 18)]))
    pitched = height < 11 and rng.random() < 0.6
    roof = pyramid(facades.roof(rng, BLOCK)) if pitched else []
    return House(height, pyramid(facades.building(rng, BLOCK, height)), roof)


# Class, painter, and the least and the greatest height in metres.
_ENCLOSURES = (
    (3, facades.wall, 0.5, 2.8),
    (3, facades.wall, 1.0, 3.5),
    (4, textures.fence, 0.9, 2.0),
    (4, facades.railing, 0.9, 2.2),
    (4, facades.railing, 0.9, 1.3),
    (8, plants.hedge, 0.8, 2.6),
    (4, facades.guard_rail, 0.7, 0.85),
    (3, facades.concrete_barrier, 0.7, 1.1),
)


def _enclosure(rng: np.random.Generator, index: int) -> Enclosure:
    label, paint, low, high = _ENCLOSURES[index]
    height = float(rng.uniform(low, high))
    picture = paint(rng, BLOCK, height)
    return Enclosure(label, height, halved(picture) if picture.shape[2] == 4 else pyramid(picture))
