"""Places houses, walls, fences, hedges, poles, lights, signs and trees along a street."""

from __future__ import annotations

import numpy as np

from mapt.synthetic.rendering import textures
from mapt.synthetic.scene.street import LENGTH, Block, Post, Street, Tree


def line_the_street(rng: np.random.Generator, street: Street, side: float) -> None:
    """Place houses, walls, fences, hedges and gaps along a side (-1 or 1), except at crossings."""
    line = side * street.strip.building_line
    houses = [
        (h, textures.pyramid(textures.facade(rng, 14.0, h)))
        for h in (rng.uniform(5, 17) for _ in range(4))
    ]
    low = [
        (label, h, textures.pyramid(make(rng, 14.0, h)))
        for label, make, h in (
            (3, textures.wall, rng.uniform(0.8, 2.6)),
            (4, textures.fence, rng.uniform(0.9, 1.9)),
            (8, textures.hedge, rng.uniform(1.0, 3.0)),
        )
    ]
    urban = rng.random()
    s = -20.0
    while s < LENGTH:
        length = rng.uniform(7, 18)
        stop = min([a for a, _ in street.crossings if a > s] + [s + length])
        if not street.in_crossing(s + 0.5, 0.0) and stop - s > 2:
            choice = rng.random()
            if choice < urban:
                height, texture = houses[int(rng.integers(4))]
                street.blocks.append(Block(s, stop, line, height, texture, 2, 12.0))
            elif choice < urban + (1 - urban) * 0.75:
                label, height, texture = low[int(rng.integers(3))]
                inset = side * rng.uniform(0.0, 2.0)
                street.blocks.append(
                    Block(s, stop, line - inset * 0.3, height, texture, label, 0.3)
                )
                if rng.random() < 0.5:
                    tall, texture = houses[int(rng.integers(4))]
                    street.blocks.append(
                        Block(
                            s + 1,
                            stop - 1,
                            line + side * rng.uniform(5, 12),
                            tall,
                            texture,
                            2,
                            10.0,
                        )
                    )
        s = max(stop, s + 2) + (rng.uniform(0, 8) if rng.random() < 0.3 else 0.0)


def furnish(rng: np.random.Generator, street: Street, side: float) -> None:
    """Place poles, lights, signs and trees along a side (-1 or 1)."""
    kerb = side * (street.strip.half + 0.5)
    crowns = [textures.crown(rng) for _ in range(4)]
    for s in np.arange(rng.uniform(0, 20), LENGTH, rng.uniform(14, 35)):
        grey = rng.uniform(40, 150)
        street.posts.append(
            Post(float(s), kerb, rng.uniform(5, 9), "lamp", (grey, grey, grey * 1.03), 0)
        )
    for _ in range(int(rng.integers(4, 14))):
        colour = (
            (200.0, 30.0, 30.0),
            (30.0, 70.0, 180.0),
            (235.0, 235.0, 235.0),
            (235.0, 200.0, 40.0),
        )[int(rng.integers(4))]
        place = rng.uniform(5, LENGTH)
        street.posts.append(
            Post(
                place,
                kerb + side * rng.uniform(0, 0.8),
                rng.uniform(2.2, 3.4),
                "sign",
                colour,
                int(rng.integers(3)),
            )
        )
    for a, _ in street.crossings:
        if rng.random() < 0.6:
            street.posts.append(
                Post(
                    a - rng.uniform(0.5, 4),
                    kerb,
                    rng.uniform(2.8, 5.0),
                    "light",
                    (35.0, 38.0, 36.0),
                    int(rng.integers(3)),
                )
            )
    leafy = rng.uniform(0, 0.11)
    for _ in range(int(leafy * LENGTH)):
        s = rng.uniform(-5, LENGTH)
        near = rng.random() < 0.5
        d = side * (
            street.strip.half + 1.0 if near else street.strip.building_line + rng.uniform(1, 14)
        )
        if not street.in_crossing(s):
            height = rng.uniform(4, 12)
            street.trees.append(
                Tree(
                    s,
                    d,
                    height,
                    height * rng.uniform(0.5, 0.9),
                    crowns[int(rng.integers(4))],
                    rng.uniform(0.3, 0.5),
                )
            )
