"""Draws bicycles, motorcycles and their riders."""

from __future__ import annotations

import itertools

import numpy as np

from mapt.synthetic.rendering.canvas import Points
from mapt.synthetic.scene.people import BICYCLE, MOTORCYCLE, RIDER
from mapt.synthetic.scene.vehicle_style import scale
from mapt.synthetic.varied.optics.pictures import darken
from mapt.synthetic.varied.things.figures import DARK, Brush, Dress, draw_backpack, draw_head


def draw_cycle(
    brush: Brush,
    dress: Dress,
    foot: Points,
    heading: Points,
    motor: bool,
    ridden: bool,
    phase: float,
) -> None:
    """Draw a bicycle or motorcycle, with or without its rider, with their own classes."""
    machine = Brush(brush.raster, brush.sun, MOTORCYCLE if motor else BICYCLE)
    flat = np.array([(-0.7, 0, -0.2), (0.7, 0, -0.2), (0.7, 0, 0.2), (-0.7, 0, 0.2)])
    darken(brush.raster, foot + flat, 0.6)
    radius, base = (0.31, 0.66) if motor else (0.34, 0.52)
    paint = dress.shoes if not motor else scale(dress.top, 0.7)
    thin = max(0.14 if motor else 0.06, abs(float(heading[0])))
    for sign in (-1.0, 1.0) if heading[2] < 0 else (1.0, -1.0):
        hub = foot + heading * base * sign + [0, radius, 0]
        _wheel(machine, hub, radius, thin, motor)
    seat = foot + [0, 0.92 if not motor else 0.8, 0] - heading * 0.22
    bars = foot + [0, 1.02, 0] + heading * 0.4
    crank = foot + [0, 0.32, 0]
    for a, b in (
        (seat, crank),
        (crank, bars),
        (seat, bars),
        (bars, foot + heading * base + [0, radius, 0]),
        (crank, foot - heading * base + [0, radius, 0]),
        (seat, foot - heading * base + [0, radius, 0]),
    ):
        machine.limb(a, b, 0.045, paint)
    if motor:
        machine.limb(
            crank + [0, 0.15, 0] - heading * 0.3, crank + [0, 0.2, 0] + heading * 0.35, 0.36, paint
        )
        machine.limb(seat - heading * 0.4, bars - [0, 0.1, 0], 0.24, scale(paint, 0.7))
        machine.disc(bars + heading * 0.12 - [0, 0.12, 0], (0.1, 0.1), (225.0, 225.0, 215.0))
    machine.limb(bars - [0.24, 0, 0], bars + [0.24, 0, 0], 0.04, DARK)
    machine.limb(seat - [0.06, 0, 0], seat + [0.06, 0, 0], 0.07, DARK)
    if ridden:
        _rider(Brush(brush.raster, brush.sun, RIDER), dress, seat, bars, crank, heading, phase)


def _wheel(brush: Brush, hub: Points, radius: float, thin: float, motor: bool) -> None:
    """Draw a wheel as a ring: what is behind its spokes stays visible."""
    angle = np.linspace(0, 2 * np.pi, 13)
    ring = hub + np.stack((np.cos(angle) * radius * thin, np.sin(angle) * radius, angle * 0), 1)
    for a, b in itertools.pairwise(ring):
        brush.limb(a, b, 0.12 if motor else 0.045, DARK)
    brush.disc(
        hub, (radius * thin * 0.55, radius * 0.55) if motor else (0.05, 0.05), (90.0, 90.0, 92.0)
    )


def _rider(
    brush: Brush,
    dress: Dress,
    seat: Points,
    bars: Points,
    crank: Points,
    heading: Points,
    phase: float,
) -> None:
    unit = dress.height / 1.7
    lean = heading * 0.24
    neck = seat + [0, 0.56 * unit, 0] + lean
    width = 0.4 * unit * dress.build * (0.62 + 0.38 * abs(float(heading[2])))
    spread = np.array([width * 0.3, 0.0, 0.0])
    for sign in (1.0, -1.0):
        pedal = crank + heading * 0.16 * np.sin(phase) * sign + [0, 0.16 * np.cos(phase) * sign, 0]
        pedal = pedal + spread * sign * 0.6
        knee = (seat + pedal) / 2 + heading * 0.22 + spread * sign
        brush.limb(seat, knee, 0.16 * unit, dress.legs, 0.75)
        brush.limb(knee, pedal, 0.12 * unit, scale(dress.legs, 0.9), 0.7)
        brush.disc(pedal, (0.08, 0.045), dress.shoes)
    brush.limb(seat, neck - [0, 0.06, 0], width * 0.82, dress.top, 1.15)
    brush.limb(neck - [0, 0.08, 0], neck + [0, 0.01, 0], width, dress.top, 0.55)
    for sign in (1.0, -1.0):
        brush.limb(
            neck + spread * sign * 1.5 - [0, 0.06, 0], bars + spread * sign, 0.1, dress.top, 0.8
        )
    if dress.carries == "backpack":
        draw_backpack(brush, dress, neck - heading * 0.16)
    draw_head(brush, dress, neck, heading)
