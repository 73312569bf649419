"""The objects that stand and move along a street.

They are chosen once per scene. Their places can be computed for any time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering import textures
from mapt.synthetic.scene.ground import Strip
from mapt.synthetic.scene.people import Figure
from mapt.synthetic.scene.vehicles import VehicleStyle

LENGTH = 320.0  # metres of street ahead of the start


@dataclass(frozen=True)
class Block:
    """A facade, wall, fence or hedge along the road from s1 to s2 at offset d."""

    s1: float
    s2: float
    d: float
    height: float
    texture: list[textures.Texture]
    label: int
    depth: float  # how far it reaches away from the road; its end is drawn when above 0


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
        key: instance id for cars and people, 0 for the rest.
        label: train id.
        s, d: place at time 0, metres.
        vs, vd: speed along and across, metres per second.
        style: vehicles.
        figure: people and riders.
        motor: for riders, a motorcycle instead of a bicycle.
        stops: (time from, time to) in which it stands.
        phase: of the stride.
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
        """Seconds spent moving until `t`."""
        start, stop = self.stops
        return t - max(0.0, min(t, stop) - start) if t > start else t

    def at(self, t: float) -> tuple[float, float]:
        """(s, d) at time `t`."""
        moved = self.moved(t)
        return self.s + self.vs * moved, self.d + self.vd * moved


@dataclass
class Street:
    """Everything of one scene."""

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
        """Whether a crossing lies within `margin` metres of `s`."""
        return any(a - margin < s < b + margin for a, b in self.crossings)
