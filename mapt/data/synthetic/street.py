"""What stands and moves along a street: chosen once per scene, then asked for its place at any time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mapt.data.synthetic import textures
from mapt.data.synthetic.ground import SIDEWALK, TERRAIN, Strip
from mapt.data.synthetic.people import Figure, random_figure
from mapt.data.synthetic.vehicles import CAR_KINDS, Look, random_look

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
        look: vehicles.
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
    look: Look | None = None
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


def build_street(rng: np.random.Generator, frames: int, fps: float) -> Street:
    """A random street with its traffic, long enough for `frames` at `fps`."""
    lanes = int(rng.choice([2, 2, 2, 4]))
    strip = Strip(
        rng.uniform(2.9, 3.6), lanes, float(rng.choice([0.0, 2.1])), rng.uniform(1.4, 4.0),
        SIDEWALK if rng.random() < 0.5 else TERRAIN,
    )  # fmt: skip
    street = Street(strip)
    street.ego_d = strip.lane * (0.5 if lanes == 2 else float(rng.choice([0.5, 1.5])))
    s = rng.uniform(15, 60)
    while s < LENGTH:
        street.crossings.append((s, s + rng.uniform(7, 14)))
        s += rng.uniform(50, 140)
    _ego(rng, street, frames, fps)
    for side in (-1.0, 1.0):
        _line_the_street(rng, street, side)
        _furnish(rng, street, side)
    _Traffic(rng, street, frames / fps).fill()
    return street


def _ego(rng: np.random.Generator, street: Street, frames: int, fps: float) -> None:
    """Speed per frame and curvature per metre: driving, slowing down, standing."""
    cruise = float(rng.choice([0.0, rng.uniform(3, 8), rng.uniform(8, 16)], p=[0.15, 0.35, 0.5]))
    t = np.arange(frames + 1) / fps
    speed = np.full(frames + 1, cruise) + rng.normal(0, 0.4) * np.sin(t * rng.uniform(0.3, 1.0))
    if rng.random() < 0.35:
        middle = rng.uniform(0, t[-1])
        speed *= np.clip(np.abs(t - middle) / rng.uniform(1, 3), rng.choice([0.0, 0.3]), 1)
    street.ego_speed = np.maximum(speed, 0) if cruise else np.zeros(frames + 1)
    bends = rng.normal(0, float(rng.choice([0.0005, 0.004, 0.012])), 40)
    street.curvature = np.interp(np.arange(0, 800), np.arange(40) * 20, bends)


def _in_crossing(street: Street, s: float, margin: float = 1.0) -> bool:
    return any(a - margin < s < b + margin for a, b in street.crossings)


def _line_the_street(rng: np.random.Generator, street: Street, side: float) -> None:
    """Houses, walls, fences, hedges and gaps along one side, interrupted by crossings."""
    line = side * street.strip.building_line
    houses = [(h, textures.pyramid(textures.facade(rng, 14.0, h))) for h in (rng.uniform(5, 17) for _ in range(4))]
    low = [
        (label, h, textures.pyramid(make(rng, 14.0, h)))
        for label, make, h in (
            (3, textures.wall, rng.uniform(0.8, 2.6)), (4, textures.fence, rng.uniform(0.9, 1.9)),
            (8, textures.hedge, rng.uniform(1.0, 3.0)),
        )
    ]  # fmt: skip
    urban = rng.random()
    s = -20.0
    while s < LENGTH:
        length = rng.uniform(7, 18)
        stop = min([a for a, _ in street.crossings if a > s] + [s + length])
        if not _in_crossing(street, s + 0.5, 0.0) and stop - s > 2:
            choice = rng.random()
            if choice < urban:
                height, texture = houses[int(rng.integers(4))]
                street.blocks.append(Block(s, stop, line, height, texture, 2, 12.0))
            elif choice < urban + (1 - urban) * 0.75:
                label, height, texture = low[int(rng.integers(3))]
                inset = side * rng.uniform(0.0, 2.0)
                street.blocks.append(Block(s, stop, line - inset * 0.3, height, texture, label, 0.3))
                if rng.random() < 0.5:
                    tall, texture = houses[int(rng.integers(4))]
                    street.blocks.append(
                        Block(s + 1, stop - 1, line + side * rng.uniform(5, 12), tall, texture, 2, 10.0)
                    )
        s = max(stop, s + 2) + (rng.uniform(0, 8) if rng.random() < 0.3 else 0.0)


def _furnish(rng: np.random.Generator, street: Street, side: float) -> None:
    """Poles, lights, signs and trees along one side."""
    kerb = side * (street.strip.half + 0.5)
    crowns = [textures.crown(rng) for _ in range(4)]
    for s in np.arange(rng.uniform(0, 20), LENGTH, rng.uniform(14, 35)):
        grey = rng.uniform(40, 150)
        street.posts.append(Post(float(s), kerb, rng.uniform(5, 9), "lamp", (grey, grey, grey * 1.03), 0))
    for _ in range(int(rng.integers(4, 14))):
        colour = ((200.0, 30.0, 30.0), (30.0, 70.0, 180.0), (235.0, 235.0, 235.0), (235.0, 200.0, 40.0))[
            int(rng.integers(4))
        ]
        place = rng.uniform(5, LENGTH)
        street.posts.append(
            Post(place, kerb + side * rng.uniform(0, 0.8), rng.uniform(2.2, 3.4), "sign", colour, int(rng.integers(3)))
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
        d = side * (street.strip.half + 1.0 if near else street.strip.building_line + rng.uniform(1, 14))
        if not _in_crossing(street, s):
            height = rng.uniform(4, 12)
            street.trees.append(
                Tree(s, d, height, height * rng.uniform(0.5, 0.9), crowns[int(rng.integers(4))], rng.uniform(0.3, 0.5))
            )


class _Traffic:
    """Fills a street with vehicles and people and hands out instance ids."""

    def __init__(self, rng: np.random.Generator, street: Street, seconds: float) -> None:
        self.rng, self.street, self.seconds = rng, street, seconds
        self.next_key = 1
        self.density = float(rng.choice([0.3, 0.8, 1.3], p=[0.4, 0.4, 0.2]))

    def fill(self) -> None:
        """Parked and driving vehicles, walkers, riders."""
        for side in (-1.0, 1.0):
            self._park(side)
        self._drive()
        self._cross()
        self._walk()
        self._ride()

    def _key(self) -> int:
        self.next_key += 1
        return self.next_key - 1

    def _vehicle(self, kind: str, s: float, d: float, vs: float, vd: float = 0.0, **more: object) -> Mover:
        label = {"truck": 14, "bus": 15, "tram": 16}.get(kind, 13)
        look = more.pop("look", None) or random_look(self.rng, kind)
        mover = Mover(self._key() if label == 13 else 0, label, s, d, vs, vd, look=look, **more)  # type: ignore[arg-type]
        self.street.movers.append(mover)
        return mover

    def _kind(self) -> str:
        draw = self.rng.random()
        if draw < 0.86:
            return str(self.rng.choice(CAR_KINDS, p=[0.27, 0.33, 0.17, 0.15, 0.08]))
        return "truck" if draw < 0.94 else "bus" if draw < 0.98 else "tram"

    def _park(self, side: float) -> None:
        rng, strip = self.rng, self.street.strip
        if not strip.parking and rng.random() < 0.6:
            return
        d = side * (strip.half - 1.05 if strip.parking else strip.half + min(0.6, strip.walk / 2))
        share, s, last = rng.uniform(0.15, 0.9) * min(1.0, self.density), -10.0, None
        while s < LENGTH * 0.7:
            if rng.random() < share and not _in_crossing(self.street, s, 4.0):
                kind = str(rng.choice(CAR_KINDS))
                alike = last is not None and rng.random() < 0.25  # the same car again: look-alikes side by side
                yaw = rng.normal(0, 0.02) + (np.pi if side < 0 or rng.random() < 0.1 else 0.0)
                mover = self._vehicle(
                    kind, s, d + rng.normal(0, 0.08), 0.0, look=last if alike else None, yaw=float(yaw)
                )
                last = mover.look
            s += rng.uniform(5.2, 6.6)

    def _drive(self) -> None:
        rng, strip = self.rng, self.street.strip
        ego = float(self.street.ego_speed.mean())
        for lane in range(strip.lanes):
            d = (lane - strip.lanes / 2 + 0.5) * strip.lane
            oncoming = d < 0
            speed = rng.uniform(6, 14) if oncoming or not ego else ego * rng.uniform(0.9, 1.12)
            s = rng.uniform(9, 35) if abs(d - self.street.ego_d) < 1 else rng.uniform(-15, 20)
            reach = LENGTH * 0.4 + (speed * self.seconds if oncoming else 0)
            while s < reach:
                if rng.random() < min(0.95, 0.55 * self.density):
                    drift = rng.normal(0, 0.5)
                    v = -(speed + drift) if oncoming else max(0.0, speed + drift)
                    stop = (0.0, 0.0)
                    if rng.random() < 0.15:
                        begin = rng.uniform(0, self.seconds)
                        stop = (begin, begin + rng.uniform(1, 4))
                    self._vehicle(
                        self._kind(), s, d + rng.normal(0, 0.15), v, stops=stop, yaw=np.pi if oncoming else 0.0
                    )
                s += rng.uniform(9, 28) / min(1.0, self.density + 0.3)

    def _cross(self) -> None:
        rng = self.rng
        for a, b in self.street.crossings[:3]:
            for _ in range(int(rng.poisson(1.2 * self.density))):
                sign = float(rng.choice([-1, 1]))
                speed = rng.uniform(3, 10)
                start = -sign * rng.uniform(0, speed * self.seconds + 15)
                self._vehicle(self._kind(), (a + b) / 2 + sign * 1.7, start, 0.0, sign * speed, yaw=sign * np.pi / 2)

    def _walk(self) -> None:
        rng, strip = self.rng, self.street.strip
        slow = float(self.street.ego_speed.mean()) < 6  # where people are many, cars are slow
        for _ in range(int(rng.poisson(rng.choice([1.0, 3.0, 9.0]) if slow else rng.choice([0.2, 1.5])))):
            side = float(rng.choice([-1, 1]))
            s, d = rng.uniform(4, 45), side * (strip.half + rng.uniform(0.4, max(0.6, strip.walk - 0.3)))
            speed = float(rng.choice([0.0, 1.0])) * rng.uniform(0.8, 1.7) * rng.choice([-1, 1])
            for _ in range(1 + int(rng.random() < 0.3) + int(rng.random() < 0.1)):
                shift = rng.normal(0, [0.4, 0.4])
                self._person(s + shift[0], d + shift[1], speed, 0.0)
        for a, _ in self.street.crossings[:2]:
            for _ in range(int(rng.poisson(0.5))):
                sign = float(rng.choice([-1, 1]))
                self._person(
                    a - rng.uniform(0.9, 3.3), -sign * rng.uniform(0, strip.half + 4), 0.0, sign * rng.uniform(0.9, 1.7)
                )

    def _person(self, s: float, d: float, vs: float, vd: float) -> None:
        figure, phase = random_figure(self.rng), self.rng.uniform(0, 6)
        self.street.movers.append(Mover(self._key(), 11, s, d, vs, vd, figure=figure, phase=phase))

    def _ride(self) -> None:
        rng, strip = self.rng, self.street.strip
        for _ in range(int(rng.poisson(1.5))):
            side = float(rng.choice([-1, 1]))
            ridden = rng.random() < 0.65
            d = side * (strip.half - strip.parking - 0.5 if ridden else strip.half + 0.7)
            speed = side * rng.uniform(2.5, 7) if ridden else 0.0
            s, figure, motor = rng.uniform(5, 60), random_figure(rng), bool(rng.random() < 0.35)
            more = {"motor": motor, "ridden": bool(ridden), "phase": float(rng.uniform(0, 6))}
            self.street.movers.append(Mover(0, 12, s, d, speed, 0.0, figure=figure, **more))  # type: ignore[arg-type]
