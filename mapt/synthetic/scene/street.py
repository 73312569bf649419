"""Defines the objects that stand and move along a street.

A scene's objects do not change, and their positions can be computed for any time. A position is
(s, d), in metres along the road and to the right of its middle.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering import textures
from mapt.synthetic.scene.ground import Strip
from mapt.synthetic.scene.people import Figure
from mapt.synthetic.scene.vehicle_style import VehicleStyle

LENGTH = 320.0  # metres of street ahead of the start


@dataclass(frozen=True)
class Block:
    """A facade, wall, fence or hedge along the road.

    Attributes:
        s1: its start, metres.
        s2: its end, metres.
        d: its distance to the right of the road's middle, metres.
        height: metres.
        texture: the texture and its halved copies.
        label: train id.
        depth: extent away from the road, metres. Its end is drawn only if this is above 0.
    """

    s1: float
    s2: float
    d: float
    height: float
    texture: list[textures.Texture]
    label: int
    depth: float


@dataclass(frozen=True)
class Post:
    """A pole, traffic light or sign at (s, d)."""

    s: float
    d: float
    height: float
    kind: str  # "lamp", "light", "sign"
    colour: tuple[float, float, float]
    shape: int


@dataclass(frozen=True)
class Tree:
    """A trunk and a crown at (s, d)."""

    s: float
    d: float
    height: float
    width: float
    crown: textures.Texture
    trunk: float


@dataclass(frozen=True)
class Mover:
    """A vehicle or a person.

    Attributes:
        key: instance id of a car or person, and 0 of all others.
        label: train id.
        s: position along the road at time 0, metres.
        d: position across the road at time 0, metres.
        vs: speed along the road, metres per second.
        vd: speed across the road, metres per second.
        style: appearance of a vehicle.
        figure: appearance of a person or rider.
        motor: a two-wheeler is a motorcycle instead of a bicycle.
        ridden: a two-wheeler has a rider.
        stops: start and end of the interval in which it stands, seconds.
        phase: of the stride at time 0, radians.
        yaw: angle between a vehicle and the road, radians.
    """

    key: int
    label: int
    s: float
    d: float
    vs: float
    vd: float
    style: VehicleStyle | None = None
    figure: Figure | None = None
    motor: bool = False
    ridden: bool = True
    stops: tuple[float, float] = (0.0, 0.0)
    phase: float = 0.0
    yaw: float = 0.0

    def moved(self, t: float) -> float:
        """Return for how many of the seconds from 0 to `t` it moves."""
        start, stop = self.stops
        return t - max(0.0, min(t, stop) - start) if t > start else t

    def at(self, t: float) -> tuple[float, float]:
        """Return its position (s, d) in metres at the time `t` in seconds."""
        moved = self.moved(t)
        return self.s + self.vs * moved, self.d + self.vd * moved


@dataclass
class Street:
    """A street with all its objects.

    Attributes:
        strip: its cross-section.
        blocks: houses, walls, fences and hedges.
        posts: poles, lights and signs.
        trees: trees.
        movers: vehicles and people.
        crossings: intervals (from, to) of s in which a street crosses, metres.
        ego_d: the camera's position across the road, metres.
        ego_speed: the camera's speed at each frame, metres per second.
        curvature: the road's curvature at each metre, radians per metre.
    """

    strip: Strip
    blocks: list[Block] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    movers: list[Mover] = field(default_factory=list)
    crossings: list[tuple[float, float]] = field(default_factory=list)
    ego_d: float = 0.0
    ego_speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    curvature: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def in_crossing(self, s: float, margin: float = 1.0) -> bool:
        """Tell whether a crossing is within `margin` metres of `s`."""
        return any(a - margin < s < b + margin for a, b in self.crossings)
