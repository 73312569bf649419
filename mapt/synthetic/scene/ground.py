"""Draws the ground: road, markings, sidewalks, verges and crossings.

The road is a curve. A ground point is (s, d), in metres along the road and to the right of its
middle. s is constant within an image row, so a row is one look-up of classes and colours by d.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Canvas
from mapt.synthetic.rendering.textures import noise

ROAD = 0
SIDEWALK = 1
TERRAIN = 9
STEP = 0.05  # metres per table entry
SPAN = 60.0  # metres to either side
TILE = 512  # texture pixels
TILE_METRES = 16.0


@dataclass(frozen=True)
class Strip:
    """The cross-section of a street.

    Attributes:
        lane: width of a lane, metres.
        lanes: number of lanes in both directions together.
        parking: width of the parking strip on either side, metres.
        walk: width of a sidewalk, metres.
        beyond: class of the ground behind the sidewalk, sidewalk or terrain.
    """

    lane: float
    lanes: int
    parking: float
    walk: float
    beyond: int

    @property
    def half(self) -> float:
        """Distance from the middle to the kerb, metres."""
        return self.lane * self.lanes / 2 + self.parking

    @property
    def building_line(self) -> float:
        """Distance from the middle to the house fronts, metres."""
        return self.half + self.walk + (0.0 if self.beyond == SIDEWALK else 3.0)


class Ground:
    """The tables of classes and colours of a scene's ground, and its texture tiles."""

    def __init__(self, rng: np.random.Generator, strip: Strip) -> None:
        self.strip = strip
        d = np.arange(-SPAN, SPAN, STEP)
        self.classes = np.full(len(d), strip.beyond, np.uint8)
        self.classes[np.abs(d) < strip.half + strip.walk] = SIDEWALK
        self.classes[np.abs(d) < strip.half] = ROAD
        asphalt = np.array([1.0, 1.0, 1.03]) * rng.uniform(60, 135)
        warm = rng.uniform(0.0, 0.14)
        pavement = np.array([1.0, 1.0 - warm / 2, 1.0 - warm]) * asphalt[0] * rng.uniform(0.9, 1.9)
        grass = np.array([rng.uniform(70, 120), rng.uniform(85, 130), rng.uniform(45, 75)])
        palette = {ROAD: asphalt, SIDEWALK: pavement, TERRAIN: grass}
        self.colours = np.stack([palette[int(c)] for c in self.classes]).astype(np.float32)
        self.colours[(np.abs(np.abs(d) - strip.half) < 0.09)] = pavement * 1.15  # kerb
        wheel = np.abs((np.abs(d) % strip.lane) - strip.lane / 2)
        self.colours[(self.classes == ROAD) & (np.abs(wheel - 0.8) < 0.25)] *= 0.93
        self.crossing = np.where(self.classes[:, None] == TERRAIN, self.colours, asphalt).astype(
            np.float32
        )
        paint = rng.uniform(170, 240)
        self.solid, self.dashed, self.zebra = (self.colours.copy() for _ in range(3))
        edges = np.abs(np.abs(d) - (strip.lane * strip.lanes / 2 - 0.15)) < 0.07
        if rng.random() < 0.6:
            for table in (self.solid, self.dashed):
                table[edges] = paint
        for line in np.arange(-strip.lanes / 2 + 1, strip.lanes / 2) * strip.lane:
            if rng.random() < 0.9:
                self.dashed[np.abs(d - line) < 0.075] = paint
        self.zebra[(self.classes == ROAD) & (np.floor(d / 0.5).astype(int) % 2 == 0)] = paint
        self.dash = rng.uniform(2, 5)
        self.gap = rng.uniform(3, 9)
        fine = noise(rng, TILE, TILE, (3, 8), wrap=True)
        coarse = noise(rng, TILE, TILE, (64, 24), wrap=True)
        self.tile = np.clip(128 + 14 * fine + 12 * coarse, 0, 255).astype(np.uint8)
        cloud = noise(rng, TILE, TILE, (96, 40, 16), wrap=True)
        self.shadow = cv2.GaussianBlur(
            ((cloud > rng.uniform(0.3, 1.4)) * np.uint8(255)), (0, 0), 2.0
        )
        self.shadow_keep = rng.uniform(0.4, 0.8) if rng.random() < 0.6 else 1.0

    def paint(
        self,
        canvas: Canvas,
        centre: NDArray[np.float64],
        s0: float,
        crossings: list[tuple[float, float]],
        gain: float,
    ) -> None:
        """Fill everything below the horizon.

        Args:
            canvas: receives the ground.
            centre: (rows,) x in metres of the road's middle at the distance of each row, see
                `rows`.
            s0: the camera's position along the road, metres.
            crossings: intervals (from, to) of s in which a street crosses, metres.
            gain: brightness.
        """
        top, z = self.rows(canvas)
        camera = canvas.camera
        columns = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal
        d = columns[None] * z[:, None] - centre[:, None]  # (rows,width)
        index = np.clip((d + SPAN) / STEP, 0, len(self.classes) - 1).astype(np.int32)
        s = s0 + z
        tables = np.stack((self.solid, self.dashed, self.crossing, self.zebra))
        kind = (s % (self.dash + self.gap) < self.dash).astype(np.int32)
        label_rows = np.zeros(len(z), bool)
        for start, stop in crossings:
            kind[(s >= start - 3.5) & (s < start - 0.8)] = 3
            inside = (s >= start) & (s < stop)
            kind[inside] = 2
            label_rows[inside] = True
        colour = tables.reshape(-1, 3)[index + kind[:, None] * len(self.classes)]  # (rows,width,3)
        label = self.classes[index]
        label[label_rows] = ROAD
        scale = TILE / TILE_METRES
        map_x = (d * scale % TILE).astype(np.float32)
        map_y = np.broadcast_to((s * scale % TILE)[:, None], d.shape).astype(np.float32)
        grain = cv2.remap(self.tile, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        fade = np.exp(-z / 25).astype(np.float32)[:, None]
        light = (1 + (grain.astype(np.float32) / 128 - 1) * fade) * gain
        if self.shadow_keep < 1:
            cast = cv2.remap(
                self.shadow, map_x * 0.5, map_y * 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
            )
            light *= 1 - cast.astype(np.float32) * ((1 - self.shadow_keep) / 255)
        clear = np.exp(-z / canvas.range).astype(np.float32)[:, None, None]
        shown = colour * (light[..., None] * clear) + np.array(canvas.haze, np.float32) * (
            1 - clear
        )
        canvas.image[top:] = np.clip(shown, 0, 255).astype(np.uint8)
        canvas.label[top:] = label

    @staticmethod
    def rows(canvas: Canvas) -> tuple[int, NDArray[np.float64]]:
        """Return the first image row on the ground, and the distance z of it and all below.

        Distances are in metres, and at most 400.
        """
        camera = canvas.camera
        top = int(np.clip(np.floor(camera.horizon) + 1, 0, camera.height - 1))
        below = np.arange(top, camera.height) + 0.5 - camera.horizon
        return top, np.minimum(camera.focal * camera.altitude / np.maximum(below, 0.05), 400.0)
