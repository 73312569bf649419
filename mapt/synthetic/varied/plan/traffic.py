"""Fills a varied street with parked and driving vehicles, people and riders."""

from __future__ import annotations

import numpy as np

from mapt.synthetic.varied.site import LENGTH, Agent, Lane, ParkingRow, Site
from mapt.synthetic.varied.things.figures import random_dress
from mapt.synthetic.varied.vehicles.car_shapes import CarDesign, random_car
from mapt.synthetic.varied.vehicles.heavy_shapes import LABELS, HeavyDesign, random_heavy

CAR = 13
PERSON = 11
RIDER = 12


class Crowd:
    """Fills a street with vehicles and people, and assigns instance ids.

    Args:
        rng: draws the traffic.
        site: receives the traffic.
        seconds: duration of the scene.
        rare: 0 for usual traffic. Otherwise this share of the driving vehicles is trucks, buses and
            trams in equal parts, and there are up to five times as many two-wheelers.
    """

    def __init__(
        self, rng: np.random.Generator, site: Site, seconds: float, rare: float = 0.0
    ) -> None:
        self.rng = rng
        self.site = site
        self.seconds = seconds
        self.rare = rare
        self.next_key = 1
        self.density = float(rng.choice([0.15, 0.5, 1.0], p=[0.3, 0.4, 0.3]))
        self.stock = [random_car(rng) for _ in range(26)]
        self.heavies: list[HeavyDesign] = []

    def fill(self) -> None:
        """Add parked and driving vehicles, pedestrians and riders."""
        for row in self.site.rows:
            self._park(row)
        for lane in self.site.lanes:
            self._drive(lane)
        self._cross()
        self._walk()
        self._ride()

    def _key(self) -> int:
        self.next_key += 1
        return self.next_key - 1

    def _car(self) -> CarDesign:
        """Take a car from the street's stock, so that look-alikes occur."""
        return self.stock[int(self.rng.integers(len(self.stock)))]

    def _heavy(self, kind: str) -> HeavyDesign:
        same = [design for design in self.heavies if design.kind == kind]
        if len(same) > 3:
            return same[int(self.rng.integers(len(same)))]
        self.heavies.append(random_heavy(self.rng, kind))
        return self.heavies[-1]

    def _kind(self) -> str:
        if self.rare and self.rng.random() < self.rare:
            return str(self.rng.choice(list(LABELS)))
        return str(self.rng.choice(["car", "truck", "bus", "tram"], p=[0.86, 0.09, 0.035, 0.015]))

    def _vehicle(
        self,
        kind: str,
        s: float,
        d: float,
        speed: tuple[float, float],
        yaw: float,
        stops: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        design = self._car() if kind == "car" else self._heavy(kind)
        key = self._key() if kind == "car" else 0
        label = LABELS.get(kind, CAR)
        self.site.agents.append(
            Agent(key, label, s, d, speed[0], speed[1], design=design, yaw=yaw, stops=stops)
        )

    def _park(self, row: ParkingRow) -> None:
        rng = self.rng
        s = row.start + float(rng.uniform(0, row.pitch))
        gaps = 0.0
        while s < row.stop:
            if gaps <= 0 and rng.random() < 0.04:
                gaps = float(rng.uniform(5, 25))
            gaps -= row.pitch
            if gaps <= 0 and rng.random() < row.share and not self.site.in_crossing(s, 3.5):
                kind = "truck" if rng.random() < 0.02 else "car"
                turn = np.pi if rng.random() < 0.25 else 0.0
                yaw = row.yaw + float(rng.normal(0, 0.025)) + turn
                self._vehicle(
                    kind,
                    s + float(rng.normal(0, 0.12)),
                    row.d + float(rng.normal(0, 0.12)),
                    (0.0, 0.0),
                    yaw,
                )
            s += row.pitch

    def _drive(self, lane: Lane) -> None:
        rng = self.rng
        ego = float(self.site.ego_speed.mean())
        oncoming = lane.direction < 0
        speed = (
            ego * rng.uniform(0.85, 1.15)
            if lane.own or (not oncoming and ego)
            else rng.uniform(4, 14)
        )
        queue = rng.random() < 0.2 and ego < 6
        if queue and not lane.own:
            speed = float(rng.choice([0.0, 1.5]))
        s = float(rng.uniform(7, 40)) if lane.own else float(rng.uniform(-25, 25))
        reach = LENGTH * 0.55 + (speed * self.seconds if oncoming else 0)
        density = 0.95 if queue else min(0.95, 0.6 * self.density)
        while s < reach:
            if rng.random() < density:
                kind = self._kind()
                long = {"car": 0.0, "truck": 8.0, "bus": 10.0, "tram": 22.0}[kind]
                v = lane.direction * max(0.0, speed + float(rng.normal(0, 0.4)) * (speed > 1))
                stops = (0.0, 0.0)
                if rng.random() < 0.15:
                    begin = float(rng.uniform(0, self.seconds))
                    stops = (begin, begin + float(rng.uniform(1, 4)))
                d = lane.d + float(rng.normal(0, 0.18))
                yaw = np.pi if oncoming else 0.0
                self._vehicle(
                    kind, s + long / 2, d, (v, 0.0), yaw + float(rng.normal(0, 0.015)), stops
                )
                s += long
            s += float(rng.uniform(6.5, 9)) if queue else float(rng.uniform(8, 30))

    def _cross(self) -> None:
        """Drive or wait in the crossing streets."""
        rng = self.rng
        for a, b in self.site.crossings:
            for _ in range(int(rng.poisson(1.6 * self.density))):
                sign = float(rng.choice([-1, 1]))
                s = (a + b) / 2 + sign * 1.7
                if rng.random() < 0.5:
                    d = -sign * (self.site.half + float(rng.uniform(3, 25)))
                    self._vehicle(self._kind(), s, d, (0.0, 0.0), sign * np.pi / 2)
                    continue
                speed = float(rng.uniform(3, 10))
                start = -sign * float(rng.uniform(0, speed * self.seconds + 15))
                self._vehicle(self._kind(), s, start, (0.0, sign * speed), sign * np.pi / 2)

    def _walk(self) -> None:
        """Let people walk, stand and sit on the sidewalks, alone and in groups."""
        rng = self.rng
        slow = float(self.site.ego_speed.mean()) < 8  # slow streets have more people
        rate = float(rng.choice([1.0, 6.0, 18.0, 36.0], p=[0.25, 0.35, 0.28, 0.12]))
        for _ in range(int(rng.poisson(rate if slow else rate * 0.4))):
            if not self.site.walks:
                break
            low, high = self.site.walks[int(rng.integers(len(self.site.walks)))]
            s = 4 + float(rng.uniform(0, 1)) ** 1.3 * 85
            d = float(rng.uniform(low + 0.2, max(low + 0.3, high - 0.2)))
            speed = float(rng.choice([0.0, 1.0])) * float(
                rng.uniform(0.8, 1.7) * rng.choice([-1, 1])
            )
            for _ in range(1 + int(rng.random() < 0.35) + int(rng.random() < 0.15) * 2):
                shift = rng.normal(0, [0.45, 0.4])
                seated = bool(not speed and rng.random() < 0.12)
                self._person(s + float(shift[0]), d + float(shift[1]), (speed, 0.0), seated)
        for a, _ in self.site.crossings[:3]:
            for _ in range(int(rng.poisson(0.6))):
                sign = float(rng.choice([-1, 1]))
                start = -sign * float(rng.uniform(0, self.site.half + 4))
                self._person(
                    a - float(rng.uniform(0.9, 4)),
                    start,
                    (0.0, sign * float(rng.uniform(0.9, 1.7))),
                )

    def _person(self, s: float, d: float, speed: tuple[float, float], seated: bool = False) -> None:
        dress = random_dress(self.rng)
        phase = float(self.rng.uniform(0, 6))
        self.site.agents.append(
            Agent(self._key(), PERSON, s, d, *speed, dress=dress, phase=phase, seated=seated)
        )

    def _ride(self) -> None:
        rng = self.rng
        for _ in range(int(rng.poisson(2.0 * (1 + 4 * self.rare)))):
            side = float(rng.choice([-1, 1]))
            ridden = bool(rng.random() < 0.6)
            walks = [w for w in self.site.walks if w[0] * side > 0]
            d = side * (self.site.half - 0.5)
            if (not ridden or rng.random() < 0.3) and walks:
                d = float(rng.uniform(*walks[0]))
            speed = side * float(rng.uniform(2.5, 7)) if ridden else 0.0
            self.site.agents.append(
                Agent(
                    0,
                    RIDER,
                    float(rng.uniform(5, 80)),
                    d,
                    speed,
                    dress=random_dress(rng, 0.05),
                    motor=bool(rng.random() < 0.35),
                    ridden=ridden,
                    phase=float(rng.uniform(0, 6)),
                )
            )
