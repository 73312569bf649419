"""Computes the light of every pixel: sun, shadows, sky, mirror images and air."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Points
from mapt.synthetic.varied.optics.raster import SKY_FACE, Raster
from mapt.synthetic.varied.optics.shadow_map import ShadowMap

DECODED = (np.arange(256) / 255.0).astype(np.float32) ** np.float32(2.2)
OUTSIDE = np.float32(0.2)  # metres before a surface
Field = NDArray[np.float32]


@dataclass(frozen=True)
class Sunlight:
    """The light and the air of a scene. Radiances are relative to white paper in full sun.

    Attributes:
        direction: (3,) unit vector towards the sun, in the camera's frame.
        sun: (3,) RGB irradiance of the sun, 0 under an overcast sky.
        sky: (3,) RGB irradiance of the sky on level ground.
        haze: (3,) RGB radiance of the air.
        range: distance in metres at which the share 1/e of a radiance remains.
        dome: (2,3) RGB radiance of the sky above and at the horizon, for mirror images.
    """

    direction: Points
    sun: Field
    sky: Field
    haze: Field
    range: float
    dome: Field


def illuminate(
    raster: Raster,
    light: Sunlight,
    shadows: ShadowMap,
    place: tuple[float, Field],
    surroundings: Field,
) -> Field:
    """Return the radiance (H,W,3) of every pixel that is not sky.

    Args:
        raster: what is visible.
        light: the scene's light.
        shadows: what lies in shadow.
        place: the camera's position along the road, and the road's middle (n,) minus the camera's
            x for each tenth of a metre ahead.
        surroundings: (360,) height of the skyline by azimuth in degrees, as the sine of its
            elevation, for mirror images.
    """
    table = raster.table()
    face = raster.face
    camera = raster.camera
    rx = ((np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal).astype(np.float32)
    ry = ((camera.horizon - np.arange(camera.height) - 0.5) / camera.focal).astype(np.float32)
    nx, ny, nz = (table[:, i].take(face) for i in range(3))
    eye = (table[:, 3] - table[:, 1] * np.float32(camera.altitude)).take(face)
    toward = nx * rx + ny * ry[:, None] + nz
    toward[np.abs(toward) < 1e-5] = 1e-5
    z: Field = np.clip(eye / toward, table[:, 4].take(face), table[:, 5].take(face))
    x: Field = np.asarray(z * rx, np.float32)
    y: Field = np.asarray(z * ry[:, None] + np.float32(camera.altitude), np.float32)
    nx, ny, nz = _bend_normals(table, face, (x, y, z), (nx, ny, nz))
    shine = np.clip(_dot((nx, ny, nz), light.direction), 0, None)
    s0, middle = place
    d: Field = x - middle.take(np.minimum(z * 10, len(middle) - 1).astype(np.int32))
    # A body's shadow is coarser than the body: looking it up outside keeps lit sides lit.
    lit = shadows.lit(s0 + z + nz * OUTSIDE, d + nx * OUTSIDE, y, light.direction)
    leafy = table[:, 8].take(face)
    shine = shine + leafy * (0.75 - shine)
    lit = lit + leafy * (0.45 - 0.45 * lit)
    sun = shine * lit
    # Vertical faces see half of the sky, and the lit ground's light instead of the other half.
    dome = 0.62 + 0.38 * ny + leafy * 0.1
    back = np.clip(0.5 - 0.5 * ny, 0, 1) * np.float32(0.16 * max(0.0, float(light.direction[1])))
    glow = table[:, 7].take(face)
    albedo: Field = np.asarray(cv2.LUT(raster.albedo, DECODED), np.float32)
    out = np.empty_like(albedo)
    clear = np.exp(z * np.float32(-1 / light.range))
    for c in range(3):
        power = sun * light.sun[c] + dome * light.sky[c] + back * light.sun[c] + glow
        out[..., c] = albedo[..., c] * power
    _mirror(out, table, face, (nx, ny, nz), (rx, ry), lit, light, surroundings)
    out *= clear[..., None]
    out += light.haze * (1 - clear[..., None])
    return out


def _dot(normal: tuple[Field, Field, Field], vector: Points) -> Field:
    a, b, c = (np.float32(v) for v in vector)
    result: Field = normal[0] * a + normal[1] * b + normal[2] * c
    return result


def _bend_normals(
    table: Field,
    face: NDArray[np.int32],
    position: tuple[Field, Field, Field],
    normal: tuple[Field, Field, Field],
) -> tuple[Field, Field, Field]:
    """Turn the normals of bodies whose facets stand for curves."""
    rows, columns = np.nonzero((table[:, 12] + table[:, 13] > 0)[face])
    if not len(rows):
        return normal
    which = table[face[rows, columns]]
    bent = []
    for axis, strength in ((0, 12), (1, 13), (2, 12)):
        offset = position[axis][rows, columns] - which[:, 9 + axis]
        bent.append(normal[axis][rows, columns] + offset * which[:, strength])
    length = np.sqrt(bent[0] ** 2 + bent[1] ** 2 + bent[2] ** 2)
    for axis in range(3):
        normal[axis][rows, columns] = bent[axis] / np.maximum(length, 1e-6)
    return normal


def _mirror(
    out: Field,
    table: Field,
    face: NDArray[np.int32],
    normal: tuple[Field, Field, Field],
    rays: tuple[Field, Field],
    lit: Field,
    light: Sunlight,
    surroundings: Field,
) -> None:
    """Add the mirror images of sky, surroundings and sun on glossy surfaces."""
    rows, columns = np.nonzero((table[:, 6] > 0)[face])
    if not len(rows):
        return
    gloss = table[face[rows, columns], 6]
    ray = np.stack((rays[0][columns], rays[1][rows], np.ones(len(rows), np.float32)), 1)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    n = np.stack([normal[axis][rows, columns] for axis in range(3)], 1)
    cosine = -(ray * n).sum(1)
    back = ray + 2 * cosine[:, None] * n
    azimuth = (np.degrees(np.arctan2(back[:, 0], back[:, 2])).astype(np.int32)) % 360
    over = np.clip((back[:, 1] - surroundings[azimuth]) * 14 + 0.5, 0, 1)[:, None]
    high = np.clip(back[:, 1:2] * 1.5, 0, 1)
    sky = light.dome[1] * (1 - high) + light.dome[0] * high
    below = light.sky * np.where(back[:, 1:2] < 0, 0.22, 0.07)
    share = gloss * (0.05 + 0.95 * np.clip(1 - cosine, 0, 1) ** 5)
    image = sky * over + below * (1 - over)
    spot = np.clip(back @ light.direction.astype(np.float32), 0, 1) ** 90 * 14
    image += (spot * lit[rows, columns])[:, None] * light.sun
    out[rows, columns] = out[rows, columns] * (1 - share[:, None]) + image * share[:, None]


def sky_pixels(raster: Raster) -> NDArray[np.bool_]:
    """Tell where the sky is visible (H,W)."""
    return np.asarray(raster.face == SKY_FACE)
