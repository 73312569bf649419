"""Draws procedural textures: noise, facades, walls, fences, foliage and sky."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Colour

Texture = NDArray[np.uint8]


def noise(
    rng: np.random.Generator, height: int, width: int, octaves: tuple[int, ...], wrap: bool = False
) -> NDArray[np.float32]:
    """Draw smooth noise, the sum of resized white noise.

    Args:
        rng: draws the noise.
        height: rows.
        width: columns.
        octaves: grain sizes in pixels. Each has half the weight of the one before.
        wrap: whether the right and the lower edge continue at the left and the upper one.

    Returns:
        (height,width) float32 with the mean 0 and the standard deviation 1.
    """
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for grain in octaves:
        rows = max(2, height // grain)
        columns = max(2, width // grain)
        grid = rng.standard_normal((rows, columns)).astype(np.float32)
        if wrap:
            grid = np.pad(grid, 2, mode="wrap")
            big = cv2.resize(
                grid,
                (width * (columns + 4) // columns, height * (rows + 4) // rows),
                interpolation=cv2.INTER_CUBIC,
            )
            y = (big.shape[0] - height) // 2
            x = (big.shape[1] - width) // 2
            total += weight * big[y : y + height, x : x + width]
        else:
            total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= 0.5
    scaled: NDArray[np.float32] = (total - total.mean()) / max(float(total.std()), 1e-6)
    return scaled


def pyramid(texture: Texture, levels: int = 5) -> list[Texture]:
    """Return a texture and its halved copies, each half as large as the one before."""
    out = [texture]
    while len(out) < levels and min(out[-1].shape[:2]) > 4:
        out.append(cv2.pyrDown(out[-1]).astype(np.uint8))
    return out


def shaded(colour: Colour, pattern: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    """Vary a colour by a noise pattern (h,w), to (h,w,3) float32."""
    return np.array(colour, np.float32) * (1 + strength * pattern[..., None])


def facade(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw a house front with windows, and doors or shops at street level, 20 pixels a metre."""
    ppm = 20
    h = round(height * ppm)
    w = round(metres * ppm)
    wall = _wall_colour(rng)
    image = shaded(wall, noise(rng, h, w, (64, 16, 4)), 0.07)
    if rng.random() < 0.35:  # bricks
        image[:: max(3, ppm // 4)] *= 0.85
    storey = rng.uniform(2.7, 3.6)
    bay = rng.uniform(1.8, 3.6)
    wide = bay * rng.uniform(0.35, 0.75)
    tall = storey * rng.uniform(0.45, 0.7)
    glass = rng.uniform(20, 110)
    frame = rng.uniform(90, 240)
    shop = rng.random() < 0.45
    for level in range(int(height / storey)):
        bottom = h - round(level * storey * ppm) - round(0.8 * ppm)
        for column in range(int(metres / bay)):
            x = round((column + 0.5) * bay * ppm - wide * ppm / 2)
            y2 = bottom
            x2 = x + round(wide * ppm)
            y1 = max(0, bottom - round(tall * ppm))
            if level == 0 and shop:
                y1 = max(0, bottom - round(1.9 * ppm))
                y2 = h - round(0.25 * ppm)
                x = round(column * bay * ppm) + 3
                x2 = round((column + 1) * bay * ppm) - 3
            elif level == 0 and rng.random() < 0.25:
                y2 = h
            pane = glass * rng.uniform(0.6, 1.5)
            image[max(0, y1 - 2) : y2 + 2, max(0, x - 2) : x2 + 2] = frame
            image[y1:y2, max(0, x) : x2] = np.array([0.9, 1.0, 1.12], np.float32) * pane
            image[y1 : (y1 + y2) // 2, max(0, x) : x2] *= rng.uniform(1.0, 1.5)
            if rng.random() < 0.6:
                image[(y1 + y2) // 2, max(0, x) : x2] = frame
                image[y1:y2, min(max(0, (x + x2) // 2), w - 1)] = frame
    if shop:
        band = slice(max(0, h - round(3.1 * ppm)), max(1, h - round(2.7 * ppm)))
        image[band] = shaded(
            tuple(rng.uniform(30, 220, 3)), noise(rng, band.stop - band.start, w, (8, 3)), 0.25
        )
    image[: round(0.25 * ppm)] *= 0.75
    return np.clip(image, 0, 255).astype(np.uint8)


def _wall_colour(rng: np.random.Generator) -> Colour:
    bases = (
        (190, 175, 150),
        (150, 95, 75),
        (205, 200, 190),
        (120, 115, 110),
        (170, 150, 110),
        (95, 90, 95),
        (215, 190, 150),
    )
    base = (
        np.array(bases[int(rng.integers(len(bases)))])
        * rng.uniform(0.7, 1.1)
        * (1 + rng.normal(0, 0.05, 3))
    )
    r, g, b = np.clip(base, 20, 245)
    return float(r), float(g), float(b)


def wall(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw a garden wall or retaining wall, 16 pixels a metre."""
    h = max(8, round(height * 16))
    w = round(metres * 16)
    image = shaded(_wall_colour(rng), noise(rng, h, w, (32, 8, 3)), 0.12)
    image[::5] *= 0.86
    for row in range(0, h, 5):
        image[row : row + 5, (row % 10) :: 10] *= 0.9
    return np.clip(image, 0, 255).astype(np.uint8)


def fence(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw a fence of planks, pickets or a rail, 16 pixels a metre."""
    h = max(8, round(height * 16))
    w = round(metres * 16)
    wood = (rng.uniform(60, 160), rng.uniform(55, 130), rng.uniform(40, 110))
    image = shaded(wood, noise(rng, h, w, (16, 4)), 0.12)
    gap = int(rng.integers(3, 9))
    image[:, ::gap] *= 0.45
    if rng.random() < 0.5:
        image[:, 1::gap] *= 0.6
    for row in (h // 6, h - h // 5):
        image[row : row + 2] *= 1.25
    return np.clip(image, 0, 255).astype(np.uint8)


def hedge(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw the leaves of a hedge, 16 pixels a metre."""
    h = max(8, round(height * 16))
    w = round(metres * 16)
    green = (rng.uniform(35, 90), rng.uniform(60, 120), rng.uniform(20, 60))
    image = shaded(green, noise(rng, h, w, (24, 6, 2)), 0.38)
    image *= np.linspace(1.2, 0.6, h, dtype=np.float32)[:, None, None]
    return np.clip(image, 0, 255).astype(np.uint8)


def crown(rng: np.random.Generator) -> Texture:
    """Draw the crown (160,128,4) RGBA of a tree or bush."""
    h = 160
    w = 128
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    field = np.zeros((h, w), np.float32)
    for _ in range(int(rng.integers(6, 14))):
        cx = w * rng.normal(0.5, 0.16)
        cy = h * rng.normal(0.5, 0.17)
        field = np.maximum(
            field,
            1
            - np.hypot(
                (x - cx) / (w * rng.uniform(0.15, 0.3)), (y - cy) / (h * rng.uniform(0.12, 0.26))
            ),
        )
    pattern = noise(rng, h, w, (24, 8, 3))
    solid = field + 0.22 * noise(rng, h, w, (12, 4)) > rng.uniform(0.1, 0.3)
    bare = rng.random() < 0.12
    if bare:
        solid &= noise(rng, h, w, (6, 2)) > 0.3
    autumn = rng.random() < 0.2
    leaf = (rng.uniform(30, 85), rng.uniform(50, 120), rng.uniform(15, 55))
    leaf = (leaf[1] * 1.3, leaf[1], leaf[2]) if autumn else leaf
    image = shaded((75.0, 65.0, 55.0) if bare else leaf, pattern, 0.4)
    image *= (1.25 - 0.6 * y / h)[..., None]
    rgba = np.dstack((np.clip(image, 0, 255), solid * np.float32(255)))
    return rgba.astype(np.uint8)


def sky(rng: np.random.Generator, height: int, width: int) -> Texture:
    """Draw a clear, cloudy or overcast sky (height,width,3), brighter towards the horizon."""
    zenith = np.array(
        [(70, 120, 200), (120, 150, 190), (150, 160, 170), (190, 190, 192)][int(rng.integers(4))],
        np.float32,
    )
    low = np.clip(zenith * 0.4 + 150 + rng.uniform(-10, 25), 0, 255)
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    image = np.broadcast_to(zenith * (1 - t) + low * t, (height, width, 3)).copy()
    cover = np.clip(noise(rng, height, width, (128, 48, 16)) * 0.5 + rng.uniform(-0.6, 0.7), 0, 1)[
        ..., None
    ]
    white = rng.uniform(190, 255)
    image = image * (1 - 0.8 * cover) + white * 0.8 * cover
    out: Texture = np.clip(image * rng.uniform(0.75, 1.1), 0, 255).astype(np.uint8)
    return out
