"""Renders a street frame by frame.

It draws sky, ground and houses, and then everything else from far to near. Last, it applies the
camera's faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering import textures
from mapt.synthetic.rendering.canvas import Camera, Canvas, Points
from mapt.synthetic.rendering.conditions import random_conditions
from mapt.synthetic.rendering.furniture import VEGETATION, draw_block, draw_post, draw_tree
from mapt.synthetic.scene.build import build_street
from mapt.synthetic.scene.ground import Ground
from mapt.synthetic.scene.people import draw_person, draw_two_wheeler
from mapt.synthetic.scene.street import Mover, Street
from mapt.synthetic.scene.vehicles import draw_vehicle

FAR = 150.0  # metres; objects that are farther away are not drawn
BUILDING = 2
SKY = 10
PERSON = 11
# Annotators leave out distant objects and slivers. In KITTI-MOTS, the smallest tenth of the cars is
# up to 20 pixels high and of people up to 39, with areas above 300 pixels. Farther or smaller
# objects keep their class but lose their id, which makes them a crowd that metrics ignore.
REACH = {13: 58.0, 11: 36.0}  # metres
MIN_VISIBLE = 60  # pixels at a width of 1248


@dataclass(frozen=True)
class SyntheticFrame:
    """A rendered frame.

    Attributes:
        image: (H,W,3) uint8 RGB.
        semantic: (H,W) uint8 train ids.
        instance: (H,W) int32 ids, 0 without an object.
    """

    image: NDArray[np.uint8]
    semantic: NDArray[np.uint8]
    instance: NDArray[np.int32]


def render_plain(
    rng: np.random.Generator, frames: int, size: tuple[int, int], fps: float, rare: float
) -> Iterator[SyntheticFrame]:
    """Render a plain street, see `mapt.synthetic.sequences`."""
    scene = _Scene(rng, build_street(rng, frames, fps, rare), size, fps)
    for frame in range(frames):
        yield scene.render(frame)


class _Scene:
    """A street, and all properties of its camera that do not change."""

    def __init__(
        self, rng: np.random.Generator, street: Street, size: tuple[int, int], fps: float
    ) -> None:
        self.street = street
        self.size = size
        self.fps = fps
        self.conditions = random_conditions(rng)
        self.ground = Ground(rng, street.strip)
        height, width = size
        self.sky = textures.sky(rng, height // 2 + 40, 2 * width)
        self.skyline = _skyline(rng, 3 * width, height)
        self.altitude = rng.uniform(1.5, 1.75)
        self.pitch = rng.normal(0, 0.012)
        self.travel = np.concatenate(([0.0], np.cumsum(street.ego_speed / fps)))
        self.heading = np.concatenate(([0.0], np.cumsum(street.curvature)))  # radians by metre
        self.shakes = rng.normal(0, 1, (len(self.travel), 2))
        self.grain_seed = int(rng.integers(1 << 30))
        self.flicker = 1 + np.cumsum(rng.normal(0, 0.006, len(self.travel)))

    def render(self, frame: int) -> SyntheticFrame:
        height, width = self.size
        focal = 0.58 * width
        moving = min(1.0, float(self.street.ego_speed[frame]) / 3)
        tilt = self.pitch + self.conditions.shake * moving * self.shakes[frame, 0]
        camera = Camera(width, height, focal, height * 0.46 + focal * tilt, self.altitude)
        image = np.empty((height, width, 3), np.uint8)
        canvas = Canvas(
            camera,
            image,
            np.full((height, width), SKY, np.int32),
            self.conditions.haze,
            self.conditions.range,
        )
        s0 = float(self.travel[frame])
        bend = self._bend(s0)
        self._background(canvas, s0)
        _, z = Ground.rows(canvas)
        centre = np.interp(z, np.arange(len(bend)), bend) - self.street.ego_d
        self.ground.paint(canvas, centre, s0, self.street.crossings, self.conditions.gain)
        self._things(canvas, s0, bend, frame / self.fps)
        return self._develop(canvas, frame)

    def _bend(self, s0: float) -> NDArray[np.float64]:
        """Return the x of the road's middle for each metre ahead.

        It is relative to the tangent at the camera.
        """
        ahead = np.arange(int(s0), int(s0) + 420)
        heading = self.heading[np.clip(ahead, 0, len(self.heading) - 1)]
        return np.concatenate(([0.0], np.cumsum(heading - self._heading_at(s0))))

    def _heading_at(self, s: float) -> float:
        """Return the road's direction at s, radians."""
        return float(np.interp(s, np.arange(len(self.heading)), self.heading))

    def _background(self, canvas: Canvas, s0: float) -> None:
        camera = canvas.camera
        gain = self.conditions.exposure
        turn = self._heading_at(s0) * camera.focal
        horizon = int(np.clip(camera.horizon, 1, camera.height - 1))
        start = int(self.sky.shape[1] / 4 + turn) % (self.sky.shape[1] - camera.width)
        rows = self.sky[max(0, self.sky.shape[0] - horizon - 1) :, start : start + camera.width]
        canvas.image[: len(rows)] = rows
        canvas.image[len(rows) :] = rows[-1]
        colours, labels = self.skyline
        start = int(labels.shape[1] / 3 + turn) % (labels.shape[1] - camera.width)
        top = horizon + 1 - labels.shape[0]
        part = slice(max(0, -top), labels.shape[0])
        window = slice(max(0, top), horizon + 1)
        label = labels[part, start : start + camera.width]
        seen = label > 0
        air = np.array(self.conditions.haze, np.float32)
        clear = float(np.exp(-120 / self.conditions.range)) * 0.8
        picture = np.clip(
            colours[part, start : start + camera.width] * (clear * gain) + air * (1 - clear), 0, 255
        )
        canvas.image[window][seen] = picture[seen].astype(np.uint8)
        canvas.label[window][seen] = label[seen]

    def _things(self, canvas: Canvas, s0: float, bend: NDArray[np.float64], t: float) -> None:
        """Draw houses and everything behind them, and then furniture and traffic.

        Both groups are drawn from far to near.
        """
        street = self.street

        def place(s: float, d: float) -> Points:
            z = s - s0
            x = float(np.interp(max(z, 0.0), np.arange(len(bend)), bend))
            return np.array([x + d - street.ego_d, 0.0, z])

        line = street.strip.building_line
        behind: list[tuple[float, Callable[[], None]]] = []
        front: list[tuple[float, Callable[[], None]]] = []
        for block in street.blocks:
            if block.s2 - s0 > 1.0 and block.s1 - s0 < FAR:
                middle = max(block.s1 - s0, 0) / 2 + (block.s2 - s0) / 2
                behind.append(
                    (middle, partial(draw_block, canvas, self.conditions, block, s0, place))
                )
        for post in street.posts:
            if 1.5 < post.s - s0 < FAR:
                front.append(
                    (
                        post.s - s0,
                        partial(draw_post, canvas, self.conditions, post, place(post.s, post.d)),
                    )
                )
        for tree in street.trees:
            if 2.0 < tree.s - s0 < FAR:
                layer = behind if abs(tree.d) > line else front
                layer.append(
                    (
                        tree.s - s0,
                        partial(draw_tree, canvas, self.conditions, tree, place(tree.s, tree.d)),
                    )
                )
        for mover in street.movers:
            s, d = mover.at(t)
            if -3.0 < s - s0 < FAR:
                layer = behind if abs(d) > line else front
                foot = place(s, d)
                turn = self._heading_at(s) - self._heading_at(s0)
                layer.append(
                    (
                        float(np.hypot(foot[0], foot[2])),
                        partial(self._mover, canvas, mover, foot, turn, t),
                    )
                )
        for layer in (behind, front):
            for _, draw in sorted(layer, key=lambda item: -item[0]):
                draw()

    def _mover(self, canvas: Canvas, mover: Mover, foot: Points, yaw: float, t: float) -> None:
        known = foot[2] < REACH.get(mover.label, 0.0)
        tag = mover.label + 256 * mover.key * known
        if mover.style:
            draw_vehicle(canvas, mover.style, foot, yaw + mover.yaw, self.conditions.light, tag)
            return
        assert mover.figure
        walking = np.array([mover.vd, 0.0, mover.vs])
        speed = float(np.linalg.norm(walking))
        heading = (
            walking / speed if speed else np.array([np.cos(mover.phase), 0.0, np.sin(mover.phase)])
        )
        gain = self.conditions.gain * (0.85 + 0.2 * self.conditions.light.ambient)
        phase = mover.phase + mover.moved(t) * speed * 4.2
        if mover.label == PERSON:
            draw_person(canvas, mover.figure, foot, heading, phase if speed else 0.3, gain, tag)
        else:
            draw_two_wheeler(
                canvas, mover.figure, foot, heading, mover.motor, mover.ridden, phase, gain
            )

    def _develop(self, canvas: Canvas, frame: int) -> SyntheticFrame:
        """Apply the camera's faults, and split the labels into classes and ids."""
        image = self.conditions.photograph(
            canvas.image, self.flicker[frame], canvas.camera.width / 1248, self.grain_seed + frame
        )
        semantic = (canvas.label & 255).astype(np.uint8)
        instance = canvas.label >> 8
        counts = np.bincount(instance.ravel())
        slivers = (counts > 0) & (counts < MIN_VISIBLE * (canvas.camera.width / 1248) ** 2)
        instance[slivers[instance]] = 0
        return SyntheticFrame(image, semantic, instance.astype(np.int32))


def _skyline(
    rng: np.random.Generator, width: int, height: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Draw far trees and roofs along the horizon.

    The result is colours (h,width,3) and labels (h,width), which are 0 where the sky is visible.
    """
    rows = max(24, height // 6)
    x = np.arange(width)
    colours = np.zeros((rows, width, 3), np.uint8)
    labels = np.zeros((rows, width), np.int32)
    hills = textures.noise(rng, 2, width, (150, 40, 9))[0] * 0.18 + rng.uniform(0.15, 0.5)
    below = np.arange(rows)[::-1, None] < np.clip(hills, 0.05, 0.95) * rows
    green = textures.shaded(
        (rng.uniform(40, 80), rng.uniform(60, 100), rng.uniform(40, 65)),
        textures.noise(rng, rows, width, (10, 3)),
        0.3,
    )
    colours[below] = np.clip(green, 0, 255).astype(np.uint8)[below]
    labels[below] = VEGETATION
    for _ in range(int(rng.integers(0, 60))):
        x1 = int(rng.integers(width))
        wide = int(rng.integers(8, 70))
        tall = rng.uniform(0.15, 0.9)
        area = (np.arange(rows)[::-1, None] < tall * rows) & (x >= x1) & (x < x1 + wide)
        colours[area] = rng.uniform(70, 190) * (1 + rng.normal(0, 0.06, 3))
        labels[area] = BUILDING
    return colours, labels
