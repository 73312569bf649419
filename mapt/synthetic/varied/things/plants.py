"""Draws pictures of trees, bushes and hedges, with light and shade for the scene's sun."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Points
from mapt.synthetic.rendering.textures import noise
from mapt.synthetic.varied.optics.pictures import Rgba

SIZE = 448  # pixels of a tree's picture


@dataclass(frozen=True)
class Species:
    """The shape and colours of a kind of plant.

    Attributes:
        leaf: RGB colour of lit leaves.
        bark: RGB colour of lit bark.
        patches: strength of light patches on the bark, as plane trees have.
        bare: share of the height below the crown.
        width: of the crown, as a share of the picture.
        trunk: width of the trunk, as a share of the picture.
        density: of the leaves, 0 for a winter tree to 1.
        pointed: 1 for a conifer or poplar.
    """

    leaf: tuple[float, float, float]
    bark: tuple[float, float, float]
    patches: float
    bare: float
    width: float
    trunk: float
    density: float
    pointed: float


def random_species(rng: np.random.Generator, season: float) -> Species:
    """Draw a kind of tree. `season` is 0 in summer and 1 in late autumn."""
    g = rng.uniform(95, 175)
    leaf = (g * rng.uniform(0.55, 0.95), g, g * rng.uniform(0.08, 0.5))
    if rng.random() < season * 0.7:
        leaf = (g * rng.uniform(1.1, 1.5), g * rng.uniform(0.8, 1.0), g * 0.3)
    b = rng.uniform(40, 150)
    return Species(
        leaf=leaf,
        bark=(b * 1.05, b * rng.uniform(0.85, 1.0), b * rng.uniform(0.65, 0.95)),
        patches=float(rng.choice([0.0, 0.0, 0.5])) * rng.random(),
        bare=float(rng.uniform(0.12, 0.45)),
        width=float(rng.uniform(0.7, 1.05)),
        trunk=float(rng.uniform(0.016, 0.055)),
        density=float(
            rng.uniform(0.0, 0.3) if rng.random() < season * 0.5 else rng.uniform(0.7, 1)
        ),
        pointed=float(rng.random() < 0.12),
    )


def tree(rng: np.random.Generator, species: Species, sun: Points) -> Rgba:
    """Draw a tree (SIZE,SIZE,4) that fills its picture from the lower to the upper edge."""
    image: Rgba = np.zeros((SIZE, SIZE, 4), np.uint8)
    _wood(rng, image, species, sun)
    top = int(SIZE * (1 - species.bare))
    if species.density > 0.05:
        crown = foliage(rng, (top + SIZE // 12, SIZE), species, sun)
        part = image[: crown.shape[0]]
        leaves = crown[..., 3] > 127
        part[leaves] = crown[leaves]
    return image


def foliage(rng: np.random.Generator, size: tuple[int, int], species: Species, sun: Points) -> Rgba:
    """Draw leaves (h,w,4) as clusters, lit on the side of the sun and dark below."""
    h, w = size
    scale = 2
    rows = h // scale
    columns = w // scale
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    field = np.full((rows, columns), -1.0, np.float32)
    for cx, cy, r in _clusters(rng, species):
        a = cx * columns
        b = cy * rows
        rx = r * columns
        ry = r * rows * (columns / rows * 0.45 + 0.4)
        x1 = int(max(a - rx * 1.5, 0))
        x2 = int(min(a + rx * 1.5, columns)) + 1
        y1 = int(max(b - ry * 1.5, 0))
        y2 = int(min(b + ry * 1.5, rows)) + 1
        win = (slice(y1, y2), slice(x1, x2))
        bulge = 1 - ((x[win] - a) / rx) ** 2 - ((y[win] - b) / ry) ** 2
        field[win] = np.maximum(field[win], bulge + 0.2 * rng.random())
    lumps = noise(rng, rows, columns, (14, 6, 3))
    relief = cv2.resize(field + 0.22 * lumps, (w, h), interpolation=cv2.INTER_LINEAR)
    sprays = noise(rng, h, w, (10, 5))
    single = noise(rng, h, w, (3, 2))
    solid = relief + 0.22 * sprays + 0.16 * single - (1 - species.density) * 1.1 > -0.1
    if species.density < 0.35:
        solid &= noise(rng, h, w, (3, 2)) > 0.7
    shade = _relief_light(relief + 0.05 * sprays, sun, scale) ** 0.8
    gaps = 0.4 + 0.6 / (1 + np.exp(-3 * sprays - 1.2))
    low = np.linspace(1.1, 0.75, h, dtype=np.float32)[:, None]
    value = np.clip(shade * gaps * np.exp(0.36 * single) * low, 0.05, 1.7)[..., None]
    leaf = np.array(species.leaf, np.float32)
    cool = np.array([0.75, 0.9, 1.0], np.float32)
    colour = leaf * value * (cool + (1 - cool) * np.clip(value, 0, 1))
    return np.dstack((np.clip(colour, 0, 255), solid * np.float32(255))).astype(np.uint8)


def _clusters(rng: np.random.Generator, species: Species) -> list[tuple[float, float, float]]:
    """Return the middles and radii of leaf clusters, in shares of the picture."""
    clusters = []
    for _ in range(int(rng.integers(34, 70))):
        cy = rng.uniform(0.1, 0.88)
        outline = np.sqrt(max(0.0, 1 - ((cy - 0.52) / 0.5) ** 2))
        if species.pointed:
            outline = cy * 0.9
        reach = species.width * 0.42 * outline
        radius = rng.uniform(0.06, 0.15) * (0.5 + species.width * 0.5)
        clusters.append((0.5 + rng.uniform(-reach, reach), cy, radius))
    return clusters


def _relief_light(relief: NDArray[np.float32], sun: Points, scale: int) -> NDArray[np.float32]:
    """Return the light on a relief, from its slope towards the sun."""
    smooth = cv2.GaussianBlur(relief, (0, 0), 2.5)
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3) * (5.0 * scale)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3) * (5.0 * scale)
    length = np.sqrt(dx * dx + dy * dy + 1.0)
    # The picture's normal is (-dx, dy, -1): x to the right, y up, towards the camera.
    light = (-dx * sun[0] + dy * sun[1] - sun[2]) / length
    result: NDArray[np.float32] = np.clip(0.62 + 0.75 * light, 0.16, 1.6).astype(np.float32)
    return result


def _wood(rng: np.random.Generator, image: Rgba, species: Species, sun: Points) -> None:
    """Draw trunk and branches."""
    wood = np.zeros(image.shape[:2], np.uint8)
    thick = max(4.0, species.trunk * SIZE)
    foot = np.array([SIZE / 2, SIZE + 2.0])
    fork = np.array([SIZE / 2 + rng.normal(0, 8), SIZE * (1 - species.bare * 0.92)])
    _bough(wood, foot, fork, thick * 1.15, thick * 0.85)
    flare = np.array([foot + [-thick * 0.8, 0], foot + [thick * 0.8, 0], foot + [0, -thick * 1.6]])
    cv2.fillPoly(wood, [flare.astype(np.int32)], (255,))
    for _ in range(int(rng.integers(3, 8))):
        _grow(rng, wood, fork, -np.pi / 2 + rng.normal(0, 0.5), thick * rng.uniform(0.3, 0.75), 0)
    shape = wood > 127
    bark = noise(rng, SIZE, SIZE // 4, (40, 9, 3))
    bark = np.asarray(cv2.resize(bark, (SIZE, SIZE)), np.float32)
    spots = noise(rng, SIZE, SIZE, (14, 5)) > 0.3
    side = cv2.GaussianBlur(wood, (0, 0), max(1.0, thick / 4)).astype(np.float32) / 255
    slope = cv2.Sobel(side, cv2.CV_32F, 1, 0, ksize=3) * np.float32(thick / 5)
    value = np.clip(0.62 - slope * sun[0] * 1.6 - 0.35 * sun[2], 0.25, 1.25) * (1 + 0.22 * bark)
    fine = noise(rng, SIZE, SIZE, (3,))
    value = value * (1 + species.patches * spots) * (1 + 0.13 * fine)
    fall = np.clip(noise(rng, SIZE, SIZE, (20, 7)) * 1.5 + rng.uniform(0.2, 1.3), 0.4, 1)
    colour = np.array(species.bark, np.float32) * (value * fall)[..., None]
    image[shape, :3] = np.clip(colour, 0, 255).astype(np.uint8)[shape]
    image[shape, 3] = 255


def _bough(wood: NDArray[np.uint8], a: Points, b: Points, start: float, stop: float) -> None:
    along = (b - a) / max(float(np.hypot(*(b - a))), 1e-6)
    n = np.array([-along[1], along[0]]) / 2
    ring = np.stack((a + n * start, b + n * stop, b - n * stop, a - n * start))
    cv2.fillPoly(wood, [np.round(ring * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)


def _grow(
    rng: np.random.Generator,
    wood: NDArray[np.uint8],
    start: Points,
    angle: float,
    thick: float,
    depth: int,
) -> None:
    """Draw a branch and the branches that it carries."""
    length = SIZE * rng.uniform(0.12, 0.26) * 0.85**depth
    stop = start + np.array([np.cos(angle), np.sin(angle)]) * length
    _bough(wood, start, stop, max(thick, 1.2), max(thick * 0.65, 1.0))
    if depth < 3:
        for _ in range(2):
            _grow(rng, wood, stop, angle + rng.normal(0, 0.45), thick * 0.62, depth + 1)


def bush(rng: np.random.Generator, species: Species, sun: Points) -> Rgba:
    """Draw a bush (160,256,4) that stands on its lower edge."""
    whole = foliage(rng, (200, 256), species, sun)
    base = whole[:160].copy()
    base[150:, :, :3] = (base[150:, :, :3] * 0.6).astype(np.uint8)
    return base


def thicket(rng: np.random.Generator, species: Species, light: float) -> Rgba:
    """Draw undergrowth (128,448,4) with a ragged upper edge, dark inside."""
    h = 128
    w = 448
    pattern = noise(rng, h, w, (20, 7, 3))
    fine = noise(rng, h, w, (3, 2))
    value = np.clip((0.55 + 0.25 * pattern) * np.exp(0.35 * fine), 0.03, 1.5)
    value *= np.linspace(1.1, 0.5, h, dtype=np.float32)[:, None] * np.float32(light)
    colour = np.array(species.leaf, np.float32) * value[..., None]
    return _ragged(rng, colour, 0.3)


def hedge(rng: np.random.Generator, metres: float, height: float) -> Rgba:
    """Draw a hedge (h,w,4), clipped or grown out, 24 pixels a metre."""
    h = max(12, round(height * 24))
    w = round(metres * 24)
    g = rng.uniform(70, 140)
    leaf = np.array([g * rng.uniform(0.5, 0.9), g, g * rng.uniform(0.15, 0.5)], np.float32)
    value = (0.75 + 0.2 * noise(rng, h, w, (24, 8))) * np.exp(0.35 * noise(rng, h, w, (3, 2)))
    value = value * np.linspace(1.25, 0.55, h, dtype=np.float32)[:, None]
    return _ragged(rng, leaf * value[..., None], float(rng.uniform(0.01, 0.25)))


def _ragged(rng: np.random.Generator, colour: NDArray[np.float32], depth: float) -> Rgba:
    """Make a picture's upper edge irregular, up to a share of its height."""
    h, w = colour.shape[:2]
    edge = noise(rng, 2, w, (48, 14, 5, 2))[0] * depth * 0.4 + depth
    leaves = 0.06 * noise(rng, h, w, (4, 2)) * min(1.0, depth * 8)
    solid = np.arange(h, dtype=np.float32)[:, None] / h + leaves > edge
    return np.dstack((np.clip(colour, 0, 255), solid * np.float32(255))).astype(np.uint8)


def dapple(rng: np.random.Generator, density: float) -> NDArray[np.uint8]:
    """Draw the shadow (128,128) of a crown, with spots of sun between the leaves."""
    y, x = (np.mgrid[0:128, 0:128].astype(np.float32) - 63.5) / 64
    disc = 1 - np.hypot(x, y) + 0.22 * noise(rng, 128, 128, (24, 10))
    leaves = disc * 1.6 + noise(rng, 128, 128, (12, 5, 3)) * 0.8 + density * 1.1 - 1.15
    soft = np.clip(leaves * 1.5, 0, 1) * np.clip(disc * 8, 0, 1)
    shadow: NDArray[np.uint8] = (soft * 255).astype(np.uint8)
    return shadow
