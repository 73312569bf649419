"""Draws the sun, the sky and the air of a scene, and the skyline behind it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.textures import noise
from mapt.synthetic.varied.optics.lighting import Field, Sunlight
from mapt.synthetic.varied.optics.pictures import Rgba
from mapt.synthetic.varied.optics.raster import Raster
from mapt.synthetic.varied.optics.surfaces import Finish

COARSE = 4  # pixels of the image for each of the sky's
VEGETATION = 8
BUILDING = 2


def random_sunlight(rng: np.random.Generator) -> Sunlight:
    """Draw a sunny, hazy, overcast or dusky sky."""
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation = rng.uniform(0.3, 1.15)
    direction = np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.sin(azimuth) * np.cos(elevation),
        ]
    )
    kind = str(rng.choice(["sunny", "veiled", "overcast", "dusk"], p=[0.58, 0.14, 0.2, 0.08]))
    strength = {"sunny": 1.0, "veiled": 0.45, "overcast": 0.0, "dusk": 0.12}[kind]
    warm = np.array([1.0, 0.96 - 0.1 * (0.9 - elevation), 0.9 - 0.25 * max(0.0, 0.8 - elevation)])
    ambient = {
        "sunny": rng.uniform(0.09, 0.3), "veiled": rng.uniform(0.3, 0.5),
        "overcast": rng.uniform(0.55, 0.9), "dusk": rng.uniform(0.2, 0.5),
    }[kind]  # fmt: skip
    blue = rng.uniform(0.0, 0.3) * (kind == "sunny") + rng.uniform(0, 0.1)
    shade = np.array([1 - 0.55 * blue, 1 - 0.15 * blue, 1 + 0.45 * blue]) * ambient
    zenith = np.array([0.22, 0.38, 0.75]) * rng.uniform(0.6, 1.6)
    if kind != "sunny" or rng.random() < 0.4:
        zenith = np.array([0.9, 0.95, 1.0]) * rng.uniform(0.5, 1.8) * (0.4 if kind == "dusk" else 1)
    low = zenith * 0.35 + np.array([0.85, 0.92, 1.0]) * rng.uniform(0.5, 1.6)
    haze = low * rng.uniform(0.2, 0.6) * (0.5 if kind == "dusk" else 1.0)
    return Sunlight(
        direction=direction,
        sun=(warm * strength * rng.uniform(0.85, 1.15)).astype(np.float32),
        sky=shade.astype(np.float32),
        haze=haze.astype(np.float32),
        range=float(
            np.exp(
                rng.uniform(np.log(150), np.log(500))
                if rng.random() < 0.12
                else rng.uniform(np.log(600), np.log(5000))
            )
        ),
        dome=np.stack((zenith, low)).astype(np.float32),
    )


@dataclass(frozen=True)
class Background:
    """What lies beyond the street.

    Attributes:
        sky: (h,w,3) radiance above the horizon, at 1/`COARSE` of the image's resolution.
        skyline: (h,w,4) picture of far trees and houses, at the image's resolution.
        houses: (h,w) where the skyline is a building.
    """

    sky: Field
    skyline: Rgba
    houses: NDArray[np.bool_]


def draw_sky(rng: np.random.Generator, light: Sunlight, size: tuple[int, int]) -> Field:
    """Draw the radiance (h,w,3) of the sky, twice as wide as the picture (H,W)."""
    h = size[0] // COARSE
    w = 2 * size[1] // COARSE
    t = np.linspace(0, 1, h, dtype=np.float32)[:, None, None] ** 1.5
    image = light.dome[0] * (1 - t) + light.dome[1] * t
    image = np.broadcast_to(image, (h, w, 3)).copy()
    if rng.random() < 0.6:
        sharp = rng.uniform(0.4, 1.6)
        clouds = noise(rng, h, w, (h // 2 + 2, h // 5 + 2, h // 12 + 2, 3)) * sharp
        cover = np.clip(clouds + rng.uniform(-1.0, 0.8), 0, 1)[..., None]
        inside = 1 + 0.25 * noise(rng, h, w, (h // 3 + 2, 5))[..., None]
        white = float(light.dome[1].mean()) * rng.uniform(0.7, 1.5)
        image = image * (1 - cover) + white * inside * cover
    radiance: Field = np.clip(image, 0.01, 8).astype(np.float32)
    return radiance


def draw_skyline(
    rng: np.random.Generator,
    size: tuple[int, int],
    trees: list[Rgba],
    fronts: list[NDArray[np.uint8]],
) -> tuple[Rgba, NDArray[np.bool_]]:
    """Draw far trees and houses (h,w,4), and tell where they are houses."""
    height, width = size
    rows = max(24, height // 5)
    columns = 2 * width
    picture: Rgba = np.zeros((rows, columns, 4), np.uint8)
    houses = np.zeros((rows, columns), bool)
    hill = noise(rng, 2, columns, (columns // 6, columns // 30, 24, 6))[0]
    low = np.clip(hill * 0.12 + rng.uniform(0.05, 0.45), 0.1, 0.8) * rows
    green = np.array([rng.uniform(45, 85), rng.uniform(65, 105), rng.uniform(30, 75)], np.float32)
    below = np.arange(rows)[::-1, None] < low
    leaves = green * (1 + 0.3 * noise(rng, rows, columns, (9, 4, 2))[..., None])
    picture[below, :3] = np.clip(leaves, 0, 255).astype(np.uint8)[below]
    picture[below, 3] = 255
    urban = rng.random()
    for _ in range(int(rng.integers(40, 160))):
        x = int(rng.integers(columns))
        if rng.random() < urban * 0.6:
            tall = int(rows * rng.uniform(0.15, 0.8))
            wide = int(tall * rng.uniform(0.5, 2.0)) + 4
            part = cv2.resize(
                fronts[int(rng.integers(len(fronts)))], (wide, tall), interpolation=cv2.INTER_AREA
            )
            part = np.dstack((part, np.full(part.shape[:2], 255, np.uint8)))
            _paste(picture, houses, part, x, True)
        else:
            tall = int(rows * rng.uniform(0.2, 0.95))
            part = cv2.resize(
                trees[int(rng.integers(len(trees)))], (tall, tall), interpolation=cv2.INTER_AREA
            )
            _paste(picture, houses, part[: int(tall * 0.93)], x, False)
    return picture, houses


def _paste(
    picture: Rgba, houses: NDArray[np.bool_], part: cv2.typing.MatLike, x: int, house: bool
) -> None:
    h, w = part.shape[:2]
    w = min(w, picture.shape[1] - x)
    window = (slice(picture.shape[0] - h, None), slice(x, x + w))
    seen = part[:, :w, 3] > 127
    picture[window][seen] = part[:, :w][seen]
    houses[window][seen] = house


def paint_background(raster: Raster, background: Background, turn: float) -> Field:
    """Draw the skyline, and return the radiance of the sky (H,W,3).

    Args:
        raster: receives the skyline.
        background: what lies beyond the street.
        turn: by how much the camera has turned, pixels.
    """
    camera = raster.camera
    horizon = int(np.clip(camera.horizon, 8, camera.height - 1))
    sky = background.sky
    wide = camera.width // COARSE
    start = int(sky.shape[1] / 4 + turn / COARSE) % max(1, sky.shape[1] - wide)
    rows = horizon // COARSE + 2
    part = sky[max(0, len(sky) - rows) :, start : start + wide]
    radiance = np.empty((camera.height, camera.width, 3), np.float32)
    radiance[:horizon] = cv2.resize(part, (camera.width, horizon), interpolation=cv2.INTER_LINEAR)
    radiance[horizon:] = radiance[horizon - 1]
    picture = background.skyline
    houses = background.houses
    start = int(picture.shape[1] / 4 + turn) % (picture.shape[1] - camera.width)
    top = max(0, horizon + 2 - len(picture))
    window = (slice(top, horizon + 2), slice(0, camera.width))
    cut = picture[-(horizon + 2 - top) :, start : start + camera.width]
    flags = houses[-(horizon + 2 - top) :, start : start + camera.width]
    seen = cut[..., 3] > 0
    raster.albedo[window][seen] = cut[..., :3][seen]
    normal = np.array([0.0, 0.0, -1.0])
    for flag, label, leafy in ((False, VEGETATION, 1.0), (True, BUILDING, 0.0)):
        face = raster.surface(
            normal, np.array([0.0, 0.0, 190.0]), (189.0, 191.0), label, Finish(leafy=leafy)
        )
        raster.face[window][seen & (flags == flag)] = face
    return radiance


def random_surroundings(rng: np.random.Generator) -> Field:
    """Draw the skyline (360,) that glossy surfaces mirror, as the sine of its elevation."""
    waves = noise(rng, 2, 360, (60, 20, 6, 2))[0] * rng.uniform(0.03, 0.2) + rng.uniform(0.02, 0.4)
    heights: Field = np.clip(waves, 0.0, 0.9).astype(np.float32)
    return heights
