"""Defines a varied street: its ground, what stands on it, and what moves along it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Points
from mapt.synthetic.varied.ground.ground_map import GroundMap
from mapt.synthetic.varied.optics.shadow_map import ShadowMap
from mapt.synthetic.varied.things.figures import Dress
from mapt.synthetic.varied.things.fixtures import Front, Plant, Slab
from mapt.synthetic.varied.things.posts import Fixture
from mapt.synthetic.varied.vehicles.car_shapes import CarDesign
from mapt.synthetic.varied.vehicles.heavy_shapes import HeavyDesign

LENGTH = 320.0  # metres of street ahead of the start


@dataclass(frozen=True)
class Agent:
    """A vehicle or a person.

    Attributes:
        key: instance id of a car or person, and 0 of all others.
        label: train id.
        s: position along the road at time 0, metres.
        d: position across the road at time 0, metres.
        vs: speed along the road, metres per second.
        vd: speed across the road, metres per second.
        design: look of a vehicle.
        dress: look of a person or rider.
        motor: a two-wheeler is a motorcycle instead of a bicycle.
        ridden: a two-wheeler has a rider.
        seated: a person sits.
        stops: start and end of the interval in which it stands, seconds.
        phase: of the stride at time 0, radians.
        yaw: angle between a vehicle and the road, radians.
    """

    key: int
    label: int
    s: float
    d: float
    vs: float = 0.0
    vd: float = 0.0
    design: CarDesign | HeavyDesign | None = None
    dress: Dress | None = None
    motor: bool = False
    ridden: bool = True
    seated: bool = False
    stops: tuple[float, float] = (0.0, 0.0)
    phase: float = 0.0
    yaw: float = 0.0

    @property
    def stands(self) -> bool:
        """Whether it never moves."""
        return not self.vs and not self.vd

    def moved(self, t: float) -> float:
        """Return for how many of the seconds from 0 to `t` it moves."""
        start, stop = self.stops
        return t - max(0.0, min(t, stop) - start) if t > start else t

    def at(self, t: float) -> tuple[float, float]:
        """Return its position (s, d) in metres at the time `t` in seconds."""
        moved = self.moved(t)
        return self.s + self.vs * moved, self.d + self.vd * moved

    def cast(self, shadows: ShadowMap, t: float) -> None:
        """Cast its shadow at the time `t` in seconds."""
        s, d = self.at(t)
        if self.design is None:
            height = self.dress.height if self.dress else 1.6
            for low, high, w in ((0.0, 0.5, 0.16), (0.5, 0.85, 0.24), (0.85, 1.0, 0.1)):
                outline = np.array([(-w, -w * 0.6), (w, -w * 0.6), (w, w * 0.6), (-w, w * 0.6)])
                shadows.prism(outline + [d, s], low * height, high * height, 0.35)
            return
        rear, front = self.design.ends
        half = self.design.half
        if isinstance(self.design, CarDesign):
            levels = self.design.levels
            belt = float(levels[self.design.belt, 0])
            slices = [
                (rear, front, half, 0.25, belt * 0.85),
                (
                    float(levels[-1, 1]) - 0.25,
                    float(levels[-1, 2]) + 0.45,
                    half * 0.85,
                    belt,
                    self.design.height,
                ),
            ]
        else:
            slices = [(rear, front, half, 0.4, self.design.height)]
        forward = np.array([np.sin(self.yaw), np.cos(self.yaw)])
        right = np.array([np.cos(self.yaw), -np.sin(self.yaw)])
        for back, ahead, w, low, high in slices:
            outline = np.array(
                [
                    back * forward - w * right,
                    ahead * forward - w * right,
                    ahead * forward + w * right,
                    back * forward + w * right,
                ]
            )
            shadows.prism(outline + [d, s], low, high, 0.4)


@dataclass(frozen=True)
class Lane:
    """A lane at d, whose traffic drives away (1) or comes towards the camera (-1)."""

    d: float
    direction: float
    own: bool


@dataclass(frozen=True)
class ParkingRow:
    """Places for cars along a line.

    Attributes:
        d: of the cars' middles, metres.
        start: of the row along the road, metres.
        stop: of the row along the road, metres.
        pitch: distance of the places, metres.
        yaw: of the cars, radians.
        share: of the places that are taken.
    """

    d: float
    start: float
    stop: float
    pitch: float
    yaw: float
    share: float


@dataclass
class Site:
    """A street with all its objects.

    Attributes:
        ground: materials and markings.
        fronts: buildings, walls, fences and rails.
        plants: trees and bushes.
        fixtures: posts and furniture.
        slabs: bridges and gantries.
        agents: vehicles and people.
        lanes: where vehicles drive.
        rows: where cars park.
        walks: bands (from, to) of d on which people walk.
        crossings: intervals (from, to) of s in which a street crosses, metres.
        half: distance from the road's middle to its kerb, metres.
        ego_d: the camera's position across the road, metres.
        ego_speed: the camera's speed at each frame, metres per second.
        curvature: the road's curvature at each metre, radians per metre.
        sun: (3,) direction of the sun.
    """

    ground: GroundMap
    sun: Points
    fronts: list[Front] = field(default_factory=list)
    plants: list[Plant] = field(default_factory=list)
    fixtures: list[Fixture] = field(default_factory=list)
    slabs: list[Slab] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    rows: list[ParkingRow] = field(default_factory=list)
    walks: list[tuple[float, float]] = field(default_factory=list)
    crossings: list[tuple[float, float]] = field(default_factory=list)
    half: float = 3.5
    ego_d: float = 0.0
    ego_speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    curvature: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def in_crossing(self, s: float, margin: float = 1.0) -> bool:
        """Tell whether a crossing is within `margin` metres of `s`."""
        return any(a - margin < s < b + margin for a, b in self.crossings)
