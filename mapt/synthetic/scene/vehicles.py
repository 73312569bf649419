"""Draws cars, vans, trucks, buses and trams.

A vehicle is an extruded side profile with windows, wheels, lights and plates.
"""

from __future__ import annotations

import itertools

import numpy as np

from mapt.synthetic.rendering.canvas import Canvas, Colour, Points
from mapt.synthetic.scene.vehicle_style import CAR_KINDS, Light, VehicleStyle, scale

# Side profiles: points (along, up) in metres, from the rear bottom over the roof to the front
# bottom. Two indices name the edges of the rear window and the windscreen. Edge i runs from point i
# to i + 1.
_PROFILES: dict[str, tuple[list[tuple[float, float]], int, int]] = {
    "sedan": (
        [(-2.2, 0.3), (-2.22, 0.75), (-2.1, 1.0), (-1.55, 1.04), (-0.9, 1.42), (0.25, 1.45),
         (1.0, 1.0), (1.95, 0.84), (2.2, 0.65), (2.2, 0.3)], 3, 5),
    "hatch": (
        [(-1.95, 0.3), (-2.0, 0.85), (-1.85, 1.05), (-1.35, 1.45), (0.3, 1.5), (1.0, 1.04),
         (1.75, 0.86), (1.97, 0.6), (1.95, 0.3)], 2, 4),
    "estate": (
        [(-2.25, 0.3), (-2.3, 0.8), (-2.2, 1.0), (-1.8, 1.42), (0.25, 1.47), (1.0, 1.02),
         (1.95, 0.86), (2.25, 0.65), (2.25, 0.3)], 2, 4),
    "suv": (
        [(-2.2, 0.4), (-2.25, 0.95), (-2.15, 1.15), (-1.8, 1.66), (0.2, 1.72), (0.95, 1.18),
         (1.95, 1.05), (2.2, 0.8), (2.2, 0.4)], 2, 4),
    "van": (
        [(-2.35, 0.35), (-2.4, 1.1), (-2.35, 1.25), (-2.2, 1.95), (0.9, 2.0), (1.7, 1.2),
         (2.25, 1.0), (2.4, 0.7), (2.4, 0.35)], 2, 4),
    "truck": (
        [(-4.2, 0.6), (-4.2, 1.4), (-4.2, 3.4), (-4.19, 3.45), (3.3, 3.45), (3.95, 1.6),
         (4.0, 1.5), (4.05, 0.8), (4.05, 0.5)], -1, 4),
    "bus": (
        [(-5.8, 0.4), (-5.8, 1.3), (-5.78, 2.6), (-5.6, 3.05), (5.6, 3.05), (5.85, 1.2),
         (5.88, 1.1), (5.9, 0.7), (5.9, 0.4)], 1, 4),
    "tram": (
        [(-9.0, 0.3), (-9.1, 1.2), (-8.7, 2.8), (-8.4, 3.3), (8.4, 3.3), (9.0, 1.3),
         (9.1, 1.2), (9.1, 0.7), (9.0, 0.3)], 1, 4),
}  # fmt: skip
_WIDTH = {
    "sedan": 1.78,
    "hatch": 1.7,
    "estate": 1.8,
    "suv": 1.88,
    "van": 1.92,
    "truck": 2.45,
    "bus": 2.5,
    "tram": 2.5,
}
_WHEEL = {"truck": 0.48, "bus": 0.48, "tram": 0.3, "suv": 0.37, "van": 0.34}


def draw_vehicle(
    canvas: Canvas, style: VehicleStyle, place: Points, yaw: float, light: Light, tag: int
) -> None:
    """Draw a vehicle.

    Args:
        canvas: receives the vehicle.
        style: the vehicle's appearance.
        place: (3,) world point on the ground below its middle.
        yaw: its heading, radians. A vehicle with 0 drives away from the camera.
        light: the scene's light.
        tag: label.
    """
    body = _Body(style, place, yaw)
    canvas.shade(body.at([(u, v, 0.0) for u, v in body.footprint(1.06)]), 0.35)
    faces = body.faces(light)
    for points, colour in sorted(
        faces, key=lambda face: -float(np.hypot(face[0][:, 0], face[0][:, 2]).mean())
    ):
        canvas.polygon(points, colour, tag)
    side = body.visible_side()
    if side:
        _draw_side(canvas, body, side, light, tag)
    _draw_end(canvas, body, body.visible_end(), light, tag)


class _Body:
    """A vehicle's body, with local coordinates (along, across, up) in metres."""

    def __init__(self, style: VehicleStyle, place: Points, yaw: float) -> None:
        points, self.rear_glass, self.front_glass = _PROFILES[style.kind]
        self.style = style
        self.place = place
        self.profile = np.array(points) * style.scale
        self.half = _WIDTH[style.kind] / 2 * style.scale
        self.belt = float(self.profile[2, 1]) if style.kind in CAR_KINDS else 99.0
        self.forward = np.array([np.sin(yaw), 0.0, np.cos(yaw)])
        self.right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
        self.up = np.array([0.0, 1.0, 0.0])

    def at(self, local: list[tuple[float, float, float]]) -> Points:
        """Convert local points to world points (n,3)."""
        u, v, y = np.array(local).T
        world: Points = (
            self.place + u[:, None] * self.forward + v[:, None] * self.right + y[:, None] * self.up
        )
        return world

    def across(self, up: float) -> float:
        """Return half the width at a height, in metres. The cabin leans inwards."""
        top = float(self.profile[:, 1].max())
        lean = max(0.0, up - self.belt) / max(top - self.belt, 0.1)
        return self.half * (1 - 0.17 * lean)

    def footprint(self, grow: float) -> list[tuple[float, float]]:
        """Return the corners (along, across) on the ground, with lengths multiplied by `grow`."""
        a = self.profile[:, 0].min() * grow
        b = self.profile[:, 0].max() * grow
        w = self.half * grow
        return [(a, -w), (b, -w), (b, w), (a, w)]

    def faces(self, light: Light) -> list[tuple[Points, Colour]]:
        """Return every outer face with its colour."""
        faces = []
        for i, ((u1, y1), (u2, y2)) in enumerate(zip(self.profile, self.profile[1:], strict=False)):
            w1 = self.across(y1)
            w2 = self.across(y2)
            normal = self.forward * (y1 - y2) + self.up * (u2 - u1)
            normal = normal / max(float(np.linalg.norm(normal)), 1e-6)
            glass = i in (self.rear_glass, self.front_glass)
            base = self.style.glass if glass else self.style.paint
            gain = light.on(normal) * (1.0 if not glass else 0.8 + 0.5 * max(0.0, float(normal[1])))
            faces.append(
                (
                    self.at([(u1, -w1, y1), (u1, w1, y1), (u2, w2, y2), (u2, -w2, y2)]),
                    scale(base, gain),
                )
            )
        for sign in (-1.0, 1.0):
            gain = light.on(self.right * sign)
            outline = [(u, sign * self.across(y), y) for u, y in self.profile]
            faces.append((self.at(outline), scale(self.style.paint, gain)))
        return faces

    def visible_side(self) -> float:
        """Return the flank that the camera sees, 1 or -1, or 0 if it looks along both."""
        offset = -float(self.place @ self.right)
        return 0.0 if abs(offset) < self.half * 0.9 else float(np.sign(offset))

    def visible_end(self) -> float:
        """Return the end that the camera sees: 1 for the front, -1 for the rear, 0 for none."""
        offset = -float(self.place @ self.forward)
        return (
            0.0 if abs(offset) < float(self.profile[:, 0].max()) * 0.9 else float(np.sign(offset))
        )


def _draw_side(canvas: Canvas, body: _Body, side: float, light: Light, tag: int) -> None:
    style = body.style
    profile = body.profile
    gain = light.on(body.right * side)
    low = float(profile[0, 1])
    top = float(profile[:, 1].max())
    rear = float(profile[:, 0].min())
    front = float(profile[:, 0].max())
    sill = [
        (u, side * body.half * 1.003, y)
        for u, y in (
            (rear + 0.1, low),
            (front - 0.1, low),
            (front - 0.15, low + 0.16),
            (rear + 0.15, low + 0.16),
        )
    ]
    canvas.polygon(body.at(sill), scale(style.paint, gain * 0.4), tag)
    belt = body.belt if body.belt < 90 else low + (top - low) * 0.45
    back = profile[body.rear_glass if body.rear_glass > 0 else 2, 0] + 0.22
    windscreen = profile[body.front_glass : body.front_glass + 2]
    head = top - 0.1 * style.scale - (0.25 if style.kind in ("bus", "tram") else 0)
    roof_back = profile[body.rear_glass + 1, 0] + 0.12 if body.rear_glass > 0 else back
    if style.kind == "truck":
        back = roof_back = front - 2.0
    posts = np.linspace(0, 1, 4 if style.kind in CAR_KINDS else 9)
    for a, b in itertools.pairwise(posts):
        gap = 0.02
        bottom = [back + (windscreen[1, 0] - 0.12 - back) * t for t in (a + gap, b - gap)]
        upper = [roof_back + (windscreen[0, 0] - 0.1 - roof_back) * t for t in (a + gap, b - gap)]
        corners = [(bottom[0], belt), (bottom[1], belt), (upper[1], head), (upper[0], head)]
        pane = body.at([(u, side * body.across(y) * 1.004, y) for u, y in corners])
        canvas.polygon(pane, scale(style.glass, gain * 0.9), tag)
    if style.kind in CAR_KINDS:
        for u in ((rear + front) / 2 - 0.1, (rear + front) / 2 + 0.95):
            line = [(u, side * body.half * 1.004, y) for y in (low + 0.15, belt)]
            a, b = body.at(line)
            canvas.limb(a, b, 0.02, scale(style.paint, gain * 0.6), tag)
    radius = _WHEEL.get(style.kind, 0.32) * style.scale
    for u in (rear + (front - rear) * 0.18, rear + (front - rear) * 0.81):
        for size, colour in (
            (1.12, (14.0, 14.0, 15.0)),
            (1.0, (28.0, 28.0, 30.0)),
            (0.62, (125.0, 126.0, 130.0)),
            (0.2, (50.0, 50.0, 52.0)),
        ):
            angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
            ring = [
                (
                    u + radius * size * np.cos(t),
                    side * body.half * 1.01,
                    radius * (1 + size * np.sin(t)),
                )
                for t in angle
            ]
            canvas.polygon(body.at(ring), scale(colour, 0.5 + 0.5 * gain), tag)


def _draw_end(canvas: Canvas, body: _Body, end: float, light: Light, tag: int) -> None:
    if not end:
        return
    style = body.style
    profile = body.profile
    rear = end < 0
    u = float(profile[:, 0].min() if rear else profile[:, 0].max()) * 1.002
    low = float(profile[0, 1])
    gain = light.on(body.forward * end)
    upper = float(profile[1, 1] if rear else profile[-2, 1])
    w = body.half

    def plate(v1: float, v2: float, y1: float, y2: float, colour: Colour) -> None:
        canvas.polygon(body.at([(u, v1, y1), (u, v2, y1), (u, v2, y2), (u, v1, y2)]), colour, tag)

    plate(
        -w * 0.98,
        w * 0.98,
        low,
        low + 0.2,
        scale(style.paint if style.scale > 1 else (60.0, 60.0, 62.0), gain * 0.55),
    )
    if not rear:
        plate(-w * 0.5, w * 0.5, low + 0.2, upper * 0.93, scale((28.0, 28.0, 30.0), gain))
    lamp: Colour = (
        (255.0, 40.0, 30.0)
        if rear and style.lit
        else (150.0, 18.0, 20.0)
        if rear
        else (255.0, 250.0, 235.0)
    )
    lamp = lamp if style.lit or rear else scale((205.0, 208.0, 210.0), gain)
    for sign in (-1.0, 1.0):
        plate(sign * w * 0.95, sign * w * 0.62, upper - 0.16, upper + 0.04, lamp)
    plate(-0.26, 0.26, low + 0.25, low + 0.36, scale((225.0, 222.0, 190.0), gain))
    if style.kind in ("truck", "bus", "tram") and rear:
        plate(
            -w * 0.9,
            w * 0.9,
            upper + 0.3,
            float(profile[2, 1]) - 0.1,
            scale(style.paint, gain * 0.85),
        )
