"""Fills a street with parked and driving vehicles, pedestrians and riders."""

from __future__ import annotations

import numpy as np

from mapt.synthetic.scene.people import random_figure
from mapt.synthetic.scene.street import LENGTH, Mover, Street
from mapt.synthetic.scene.vehicle_style import CAR_KINDS, random_style


class Traffic:
    """Fills a street with vehicles and people, and assigns instance ids.

    Args:
        rng: draws the traffic.
        street: receives the traffic.
        seconds: duration of the scene.
        rare: 0 for usual traffic. Otherwise this share of the driving vehicles is trucks, buses and
            trams in equal parts, and there are up to five times as many two-wheelers.
    """

    def __init__(
        self, rng: np.random.Generator, street: Street, seconds: float, rare: float = 0.0
    ) -> None:
        self.rng = rng
        self.street = street
        self.seconds = seconds
        self.rare = rare
        self.next_key = 1
        self.density = float(rng.choice([0.3, 0.8, 1.3], p=[0.4, 0.4, 0.2]))

    def fill(self) -> None:
        """Add parked and driving vehicles, pedestrians and riders."""
        for side in (-1.0, 1.0):
            self._park(side)
        self._drive()
        self._cross()
        self._walk()
        self._ride()

    def _key(self) -> int:
        self.next_key += 1
        return self.next_key - 1

    def _vehicle(
        self, kind: str, s: float, d: float, vs: float, vd: float = 0.0, **more: object
    ) -> Mover:
        label = {"truck": 14, "bus": 15, "tram": 16}.get(kind, 13)
        style = more.pop("style", None) or random_style(self.rng, kind)
        key = self._key() if label == 13 else 0
        mover = Mover(key, label, s, d, vs, vd, style=style, **more)  # type: ignore[arg-type]
        self.street.movers.append(mover)
        return mover

    def _kind(self) -> str:
        draw = self.rng.random()
        if self.rare and self.rng.random() < self.rare:
            return str(self.rng.choice(("truck", "bus", "tram")))
        if draw < 0.86:
            return str(self.rng.choice(CAR_KINDS, p=[0.27, 0.33, 0.17, 0.15, 0.08]))
        return "truck" if draw < 0.94 else "bus" if draw < 0.98 else "tram"

    def _park(self, side: float) -> None:
        rng = self.rng
        strip = self.street.strip
        if not strip.parking and rng.random() < 0.6:
            return
        d = side * (strip.half - 1.05 if strip.parking else strip.half + min(0.6, strip.walk / 2))
        share = rng.uniform(0.15, 0.9) * min(1.0, self.density)
        s = -10.0
        last = None
        while s < LENGTH * 0.7:
            if rng.random() < share and not self.street.in_crossing(s, 4.0):
                kind = str(rng.choice(CAR_KINDS))
                alike = (
                    last is not None and rng.random() < 0.25
                )  # the same car again: look-alikes side by side
                yaw = rng.normal(0, 0.02) + (np.pi if side < 0 or rng.random() < 0.1 else 0.0)
                mover = self._vehicle(
                    kind,
                    s,
                    d + rng.normal(0, 0.08),
                    0.0,
                    style=last if alike else None,
                    yaw=float(yaw),
                )
                last = mover.style
            s += rng.uniform(5.2, 6.6)

    def _drive(self) -> None:
        rng = self.rng
        strip = self.street.strip
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
                        self._kind(),
                        s,
                        d + rng.normal(0, 0.15),
                        v,
                        stops=stop,
                        yaw=np.pi if oncoming else 0.0,
                    )
                s += rng.uniform(9, 28) / min(1.0, self.density + 0.3)

    def _cross(self) -> None:
        rng = self.rng
        for a, b in self.street.crossings[:3]:
            for _ in range(int(rng.poisson(1.2 * self.density))):
                sign = float(rng.choice([-1, 1]))
                speed = rng.uniform(3, 10)
                start = -sign * rng.uniform(0, speed * self.seconds + 15)
                self._vehicle(
                    self._kind(),
                    (a + b) / 2 + sign * 1.7,
                    start,
                    0.0,
                    sign * speed,
                    yaw=sign * np.pi / 2,
                )

    def _walk(self) -> None:
        rng = self.rng
        strip = self.street.strip
        slow = float(self.street.ego_speed.mean()) < 6  # slow streets have more people
        for _ in range(
            int(rng.poisson(rng.choice([1.0, 3.0, 9.0]) if slow else rng.choice([0.2, 1.5])))
        ):
            side = float(rng.choice([-1, 1]))
            s = rng.uniform(4, 45)
            d = side * (strip.half + rng.uniform(0.4, max(0.6, strip.walk - 0.3)))
            speed = float(rng.choice([0.0, 1.0])) * rng.uniform(0.8, 1.7) * rng.choice([-1, 1])
            for _ in range(1 + int(rng.random() < 0.3) + int(rng.random() < 0.1)):
                shift = rng.normal(0, [0.4, 0.4])
                self._person(s + shift[0], d + shift[1], speed, 0.0)
        for a, _ in self.street.crossings[:2]:
            for _ in range(int(rng.poisson(0.5))):
                sign = float(rng.choice([-1, 1]))
                self._person(
                    a - rng.uniform(0.9, 3.3),
                    -sign * rng.uniform(0, strip.half + 4),
                    0.0,
                    sign * rng.uniform(0.9, 1.7),
                )

    def _person(self, s: float, d: float, vs: float, vd: float) -> None:
        figure = random_figure(self.rng)
        phase = self.rng.uniform(0, 6)
        self.street.movers.append(Mover(self._key(), 11, s, d, vs, vd, figure=figure, phase=phase))

    def _ride(self) -> None:
        rng = self.rng
        strip = self.street.strip
        for _ in range(int(rng.poisson(1.5 * (1 + 4 * self.rare)))):
            side = float(rng.choice([-1, 1]))
            ridden = rng.random() < 0.65
            d = side * (strip.half - strip.parking - 0.5 if ridden else strip.half + 0.7)
            speed = side * rng.uniform(2.5, 7) if ridden else 0.0
            s = rng.uniform(5, 60)
            figure = random_figure(rng)
            motor = bool(rng.random() < 0.35)
            more = {"motor": motor, "ridden": bool(ridden), "phase": float(rng.uniform(0, 6))}
            rider = Mover(0, 12, s, d, speed, 0.0, figure=figure, **more)  # type: ignore[arg-type]
            self.street.movers.append(rider)
