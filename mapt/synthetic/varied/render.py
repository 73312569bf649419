"""Renders a varied street frame by frame: surfaces, then light, then a photograph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Camera, Points
from mapt.synthetic.varied.optics.lighting import Field, illuminate, sky_pixels
from mapt.synthetic.varied.optics.photography import random_photography
from mapt.synthetic.varied.optics.raster import Raster
from mapt.synthetic.varied.optics.shadow_map import ShadowMap
from mapt.synthetic.varied.optics.weather import (
    Background,
    draw_sky,
    draw_skyline,
    paint_background,
    random_sunlight,
    random_surroundings,
)
from mapt.synthetic.varied.plan.build import build_site
from mapt.synthetic.varied.site import LENGTH, Agent
from mapt.synthetic.varied.things.cycles import draw_cycle
from mapt.synthetic.varied.things.figures import Brush, draw_pedestrian
from mapt.synthetic.varied.things.palette import Palette
from mapt.synthetic.varied.things.posts import draw_fixture
from mapt.synthetic.varied.vehicles.bodies import Pose
from mapt.synthetic.varied.vehicles.car_shapes import CarDesign
from mapt.synthetic.varied.vehicles.cars import draw_car
from mapt.synthetic.varied.vehicles.heavy_shapes import HeavyDesign
from mapt.synthetic.varied.vehicles.heavy_vehicles import draw_heavy

FAR = 180.0  # metres; objects that are farther away are not drawn
ASIDE = 3.0  # see `_nearer`
# Objects that are lower in the image keep their class and lose their id. Metrics ignore them then.
# In pixels for a picture 1248 pixels wide.
LEAST_HEIGHT = {13: 11.0, 11: 17.0}
LEAST_PIXELS = 45
HEIGHT = {13: 1.5, 11: 1.7}


def render_varied(
    rng: np.random.Generator,
    frames: int,
    size: tuple[int, int],
    fps: float,
    rare: float,
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int32]]]:
    """Render a sequence.

    Args:
        rng: draws the street.
        frames: number of frames.
        size: height and width, pixels.
        fps: frames per second.
        rare: 0 for usual traffic, up to 1 for many trucks, buses, trams and two-wheelers.

    Yields:
        Picture (H,W,3) uint8 RGB, and class + 256 * id (H,W).
    """
    scene = _VariedScene(rng, frames, size, fps, rare)
    for frame in range(frames):
        yield scene.render(frame)


class _VariedScene:
    """A street, and all properties of its light and camera that do not change."""

    def __init__(
        self, rng: np.random.Generator, frames: int, size: tuple[int, int], fps: float, rare: float
    ) -> None:
        self.size = size
        self.fps = fps
        self.light = random_sunlight(rng)
        self.photography = random_photography(rng)
        self.site = build_site(rng, self.light.direction, frames, fps, rare)
        self.surroundings = random_surroundings(rng)
        self.background = self._draw_background(rng)
        self.shadows = self._cast()
        width = size[1]
        self.focal = width * float(
            rng.uniform(0.56, 0.6) if rng.random() < 0.6 else rng.uniform(0.5, 0.85)
        )
        self.altitude = float(rng.uniform(1.35, 1.8))
        self.middle = float(rng.uniform(0.42, 0.52))
        self.pitch = float(rng.normal(0, 0.012))
        self.shake = float(rng.uniform(0, 0.0025))
        self.travel = np.concatenate(([0.0], np.cumsum(self.site.ego_speed / fps)))
        self.heading = np.concatenate(([0.0], np.cumsum(self.site.curvature)))
        self.shakes = rng.normal(0, 1, len(self.travel))
        self.flicker = 1 + np.cumsum(rng.normal(0, 0.006, len(self.travel)))
        self.grain_seed = int(rng.integers(1 << 30))

    def _draw_background(self, rng: np.random.Generator) -> Background:
        palette = Palette(rng, self.light.direction)
        trees = [levels[min(1, len(levels) - 1)] for _, levels, _ in palette.trees]
        fronts = [house.picture[1] for house in palette.houses]
        skyline, houses = draw_skyline(rng, self.size, trees, fronts)
        return Background(draw_sky(rng, self.light, self.size), skyline, houses)

    def _cast(self) -> ShadowMap:
        """Cast the shadows of everything that stands. The highest comes last."""
        shadows = ShadowMap(LENGTH + 20.0, self.light.direction)
        if not self.light.sun.any():
            return shadows
        for agent in self.site.agents:
            if agent.stands:
                agent.cast(shadows, 0.0)
        for fixture in self.site.fixtures:
            fixture.cast(shadows)
        for front in sorted(self.site.fronts, key=lambda front: front.height):
            front.cast(shadows)
        for slab in self.site.slabs:
            slab.cast(shadows)
        for plant in self.site.plants:
            plant.cast(shadows)
        return shadows

    def render(self, frame: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Return picture and labels of a frame."""
        height, width = self.size
        moving = min(1.0, float(self.site.ego_speed[frame]) / 3)
        tilt = self.pitch + self.shake * moving * float(self.shakes[frame])
        camera = Camera(
            width, height, self.focal, height * self.middle + self.focal * tilt, self.altitude
        )
        raster = Raster(camera)
        s0 = float(self.travel[frame])
        bend = self._bend(s0)
        turn = self._heading_at(s0) * self.focal
        sky = paint_background(raster, self.background, turn)
        fine = np.interp(np.arange(0, 4000) / 10, np.arange(len(bend)), bend) - self.site.ego_d
        middle: Field = fine.astype(np.float32)
        self.site.ground.render(raster, middle, s0)
        shadows = self.shadows
        t = frame / self.fps
        if self.light.sun.any():
            shadows = shadows.copy()
            for agent in self.site.agents:
                if not agent.stands and -5 < agent.at(t)[0] - s0 < 100:
                    agent.cast(shadows, t)
        self._things(raster, s0, bend, t)
        radiance = illuminate(raster, self.light, shadows, (s0, middle), self.surroundings)
        open_sky = sky_pixels(raster)
        radiance[open_sky] = sky[open_sky]
        image = self.photography.expose(
            radiance, ~open_sky, float(self.flicker[frame]), width / 1248, self.grain_seed + frame
        )
        return image, self._without_slivers(raster.labels())

    def _without_slivers(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Remove the ids of objects of which only a few pixels are visible."""
        instance = labels >> 8
        counts = np.bincount(instance.ravel())
        slivers = (counts > 0) & (counts < LEAST_PIXELS * (self.size[1] / 1248) ** 2)
        slivers[0] = False
        return np.where(slivers[instance], labels & 255, labels).astype(np.int32)

    def _bend(self, s0: float) -> NDArray[np.float64]:
        """Return the x of the road's middle for each metre ahead, from the camera's tangent."""
        ahead = np.arange(int(s0), int(s0) + 420)
        heading = self.heading[np.clip(ahead, 0, len(self.heading) - 1)]
        return np.concatenate(([0.0], np.cumsum(heading - self._heading_at(s0))))

    def _heading_at(self, s: float) -> float:
        """Return the road's direction at s, radians."""
        return float(np.interp(s, np.arange(len(self.heading)), self.heading))

    def _things(self, raster: Raster, s0: float, bend: NDArray[np.float64], t: float) -> None:
        """Draw everything that stands or moves, from far to near."""
        site = self.site
        sun = self.light.direction

        def place(s: float, d: float) -> Points:
            z = s - s0
            x = float(np.interp(max(z, 0.0), np.arange(len(bend)), bend))
            return np.array([x + d - site.ego_d, 0.0, z])

        todo: list[tuple[float, Callable[[], None]]] = []
        for front in site.fronts:
            if front.s2 - s0 > 1.0 and front.s1 - s0 < FAR:
                middle = (max(front.s1, s0) + front.s2) / 2
                todo.append(
                    (_nearer(place(middle, front.d)), partial(front.draw, raster, place, s0))
                )
        for fixture in site.fixtures:
            if 1.5 < fixture.s - s0 < FAR:
                foot = place(fixture.s, fixture.d)
                todo.append((_nearer(foot), partial(draw_fixture, raster, fixture, foot, sun)))
        for plant in site.plants:
            if 1.5 < plant.s - s0 < FAR:
                foot = place(plant.s, plant.d)
                todo.append((_nearer(foot), partial(plant.draw, raster, foot)))
        for slab in site.slabs:
            if 2.0 < slab.s - s0 < FAR:
                for d in slab.pieces():
                    key = _nearer(place(slab.s, d))
                    todo.append((key, partial(slab.draw, raster, place, d)))
        for agent in site.agents:
            s, d = agent.at(t)
            if -4.0 < s - s0 < FAR:
                foot = place(s, d)
                turn = self._heading_at(s) - self._heading_at(s0)
                todo.append((_nearer(foot), partial(self._agent, raster, agent, foot, turn, t)))
        for _, draw in sorted(todo, key=lambda item: -item[0]):
            draw()

    def _agent(self, raster: Raster, agent: Agent, foot: Points, yaw: float, t: float) -> None:
        least = LEAST_HEIGHT.get(agent.label, 1e9) * self.size[1] / 1248
        known = HEIGHT.get(agent.label, 0.0) * self.focal / max(float(foot[2]), 1.0) > least
        tag = agent.label + 256 * agent.key * known
        pose = Pose(foot, yaw + agent.yaw)
        if isinstance(agent.design, CarDesign):
            draw_car(raster, agent.design, pose, tag)
            return
        if isinstance(agent.design, HeavyDesign):
            draw_heavy(raster, agent.design, pose, tag)
            return
        assert agent.dress
        walking = np.array([agent.vd, 0.0, agent.vs])
        speed = float(np.linalg.norm(walking))
        still = np.array([np.cos(agent.phase), 0.0, np.sin(agent.phase)])
        heading = walking / speed if speed else still
        brush = Brush(raster, self.light.direction, tag)
        phase = agent.phase + agent.moved(t) * speed * 4.2
        if agent.label == 11:
            stride = phase if speed else 0.3
            draw_pedestrian(brush, agent.dress, foot, heading, stride, agent.seated)
        else:
            draw_cycle(brush, agent.dress, foot, heading, agent.motor, agent.ridden, phase)


def _nearer(foot: Points) -> float:
    """Return a key that is smaller for what hides something else.

    On one line of sight both z and |x| grow with the distance. Along the road things stand close,
    and there |x| decides.
    """
    return float(foot[2] + ASIDE * abs(foot[0]))
