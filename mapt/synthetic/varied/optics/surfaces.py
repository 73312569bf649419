"""Describes how surfaces answer light."""

from __future__ import annotations

from dataclasses import dataclass

from mapt.synthetic.rendering.canvas import Points


@dataclass(frozen=True)
class Finish:
    """How a surface answers light.

    Attributes:
        gloss: share of the mirror image of the surroundings, 0 to 1.
        glow: radiance of its own, as a multiple of its colour.
        leafy: 1 if light and shade are in its colour already, as in pictures of plants.
    """

    gloss: float = 0.0
    glow: float = 0.0
    leafy: float = 0.0


MATT = Finish()
LEAVES = Finish(leafy=1.0)


@dataclass(frozen=True)
class Bulge:
    """Bends the normals of flat facets, so that they look like a curved body.

    Attributes:
        centre: (3,) of the body, world.
        flat: change of the normal by each metre from the centre, horizontally.
        steep: the same vertically.
    """

    centre: Points
    flat: float
    steep: float
