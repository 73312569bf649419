"""Draws people and two-wheelers as jointed figures in planes that face the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mapt.synthetic.rendering.canvas import Canvas, Colour, Points
from mapt.synthetic.scene.vehicle_style import scale

BICYCLE = 18
MOTORCYCLE = 17
RIDER = 12


@dataclass(frozen=True)
class Figure:
    """The appearance of a person.

    Attributes:
        height: metres.
        build: relative width of the body.
        skin: RGB colour.
        hair: RGB colour.
        top: RGB colour of the upper clothes.
        legs: RGB colour of the trousers.
        coat: wears a coat.
        bag: carries a bag.
    """

    height: float
    build: float
    skin: Colour
    hair: Colour
    top: Colour
    legs: Colour
    coat: bool
    bag: bool


def random_figure(rng: np.random.Generator) -> Figure:
    """Draw the appearance of a person. One in eight is a child."""
    height = float(rng.uniform(1.0, 1.4) if rng.random() < 0.12 else rng.normal(1.71, 0.09))
    tone = rng.uniform(0.35, 1.0)

    def cloth() -> Colour:
        value = rng.uniform(15, 200)
        r, g, b = np.clip(
            value * (1 + rng.normal(0, 0.3 if rng.random() < 0.6 else 0.05, 3)), 5, 245
        )
        return float(r), float(g), float(b)

    hair = scale((70.0, 50.0, 35.0), float(rng.uniform(0.2, 2.2)))
    return Figure(
        height,
        float(rng.uniform(0.85, 1.25)),
        scale((225.0, 180.0, 150.0), tone),
        hair,
        cloth(),
        cloth(),
        bool(rng.random() < 0.4),
        bool(rng.random() < 0.3),
    )


def draw_person(
    canvas: Canvas,
    figure: Figure,
    foot: Points,
    heading: Points,
    phase: float,
    gain: float,
    tag: int,
) -> None:
    """Draw a walking person.

    Args:
        canvas: receives the person.
        figure: the person's appearance.
        foot: (3,) world point between the feet.
        heading: (3,) unit vector of the walk. The limbs swing along its part across the view.
        phase: of the stride, radians. It is constant for a person who stands.
        gain: brightness.
        tag: label.
    """
    h = figure.height
    b = figure.build
    width = 0.36 * h / 1.7 * b
    ground = np.array([foot[0] + 0.05, 0.0, foot[2]])
    canvas.shade(
        np.array(
            [
                ground + [dx, 0, dz]
                for dx, dz in ((-0.3, -0.15), (0.45, -0.15), (0.45, 0.2), (-0.3, 0.2))
            ]
        ),
        0.6,
    )
    hip = foot + [0, 0.5 * h, 0]
    shoulder = foot + [0, 0.82 * h, 0]
    across = abs(float(heading[2]))  # 1 if the person walks away or towards the camera
    spread = np.array([width * (0.25 + 0.25 * across), 0.0, 0.0])
    swing = 0.24 * h * np.sin(phase)
    legs = scale(figure.legs, gain)
    sleeves = scale(figure.top, gain * 0.88)
    for sign in (1.0, -1.0):
        stride = heading * swing * sign
        knee = hip + (stride * 0.55 + spread * sign * 0.5) + [0, -0.24 * h, 0]
        ankle = foot + stride + spread * sign * 0.5 + [0, 0.03 * h, 0]
        canvas.limb(
            hip + spread * sign * 0.4, knee, 0.17 * b * h / 1.7, scale(legs, 0.9 + 0.1 * sign), tag
        )
        canvas.limb(knee, ankle, 0.13 * b * h / 1.7, scale(legs, 0.85 + 0.1 * sign), tag)
        canvas.disc(ankle + heading * 0.06, (0.09, 0.05), (25.0, 22.0, 20.0), tag)
    arm = -swing * 0.7
    canvas.limb(shoulder - spread, hip - spread * 1.3 + heading * arm, 0.1 * b, sleeves, tag)
    low = hip + [0, -0.16 * h, 0] if figure.coat else hip + [0, -0.02 * h, 0]
    half = np.array([width / 2 * (0.62 + 0.38 * across), 0.0, 0.0])
    canvas.polygon(
        np.stack((shoulder - half, shoulder + half, low + half * 0.95, low - half * 0.95)),
        scale(figure.top, gain),
        tag,
    )
    canvas.limb(
        shoulder + spread, hip + spread * 1.3 - heading * arm, 0.1 * b, scale(sleeves, 0.95), tag
    )
    if figure.bag:
        canvas.disc(
            shoulder - heading * 0.15 + [0, -0.15 * h, 0],
            (0.13, 0.22),
            scale(figure.legs, gain * 0.6),
            tag,
        )
    draw_head(canvas, figure, shoulder, gain, tag)


def draw_head(canvas: Canvas, figure: Figure, shoulder: Points, gain: float, tag: int) -> None:
    """Draw neck, hair and face above the shoulders, a world point (3,)."""
    h = figure.height
    canvas.limb(shoulder, shoulder + [0, 0.06 * h, 0], 0.11, scale(figure.skin, gain * 0.85), tag)
    canvas.disc(shoulder + [0, 0.115 * h, 0.01], (0.095, 0.12), scale(figure.hair, gain), tag)
    canvas.disc(shoulder + [0, 0.1 * h, -0.01], (0.075, 0.095), scale(figure.skin, gain), tag)


def draw_two_wheeler(
    canvas: Canvas,
    figure: Figure,
    foot: Points,
    heading: Points,
    motor: bool,
    ridden: bool,
    phase: float,
    gain: float,
) -> None:
    """Draw a bicycle or motorcycle, with or without its rider.

    Args:
        canvas: receives both, with the classes of the vehicle and of a rider.
        figure: the rider's appearance.
        foot: (3,) world point on the ground.
        heading: (3,) unit vector of the ride.
        motor: a motorcycle instead of a bicycle.
        ridden: with a rider. Otherwise it is parked.
        phase: of the pedals, radians.
        gain: brightness.
    """
    machine = MOTORCYCLE if motor else BICYCLE
    radius, base = (0.32, 0.65) if motor else (0.34, 0.52)
    paint = scale(figure.top, gain * 0.7)
    flat = max(0.12, abs(float(heading[0])))  # a wheel that is seen edge-on is thin
    for sign in (-1.0, 1.0):
        hub = foot + heading * base * sign + [0, radius, 0]
        canvas.disc(hub, (radius * flat, radius), (22.0, 22.0, 24.0), machine)
        canvas.disc(
            hub, (radius * flat * 0.78, radius * 0.78), scale((105.0, 105.0, 105.0), gain), machine
        )
    seat = foot + [0, 0.92, 0] - heading * 0.2
    bars = foot + [0, 1.0, 0] + heading * 0.42
    crank = foot + [0, 0.3, 0]
    tube = 0.3 if motor else 0.05
    for a, b in (
        (seat, crank),
        (crank, bars),
        (seat, bars),
        (bars, foot + heading * base + [0, radius, 0]),
    ):
        canvas.limb(a, b, tube if b is not bars or motor else 0.05, paint, machine)
    canvas.limb(seat, foot - heading * base + [0, radius, 0], 0.05, paint, machine)
    canvas.limb(bars - [0.25, 0, 0], bars + [0.25, 0, 0], 0.05, (30.0, 30.0, 30.0), machine)
    if not ridden:
        return
    shoulder = seat + [0, 0.55, 0] + heading * 0.22
    for sign in (1.0, -1.0):
        pedal = crank + heading * 0.16 * np.sin(phase) * sign + [0, 0.16 * np.cos(phase) * sign, 0]
        knee = (seat + pedal) / 2 + heading * 0.2
        canvas.limb(seat, knee, 0.17, scale(figure.legs, gain), RIDER)
        canvas.limb(knee, pedal, 0.13, scale(figure.legs, gain * 0.9), RIDER)
    half = np.array([0.2 * figure.build, 0.0, 0.0])
    canvas.polygon(
        np.stack((shoulder - half, shoulder + half, seat + half * 0.8, seat - half * 0.8)),
        scale(figure.top, gain),
        RIDER,
    )
    canvas.limb(shoulder, bars + [0, 0.05, 0], 0.11, scale(figure.top, gain * 0.85), RIDER)
    draw_head(canvas, figure, shoulder, gain, RIDER)
