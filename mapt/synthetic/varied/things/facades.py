"""Draws pictures of buildings, walls, fences, guard rails, shops and posters."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering import textures
from mapt.synthetic.rendering.textures import Texture, noise, shaded

PPM = 20  # pixels a metre


def building(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw a front (h,w,3) of a house, an office or a hall."""
    draw = rng.random()
    if draw < 0.55:
        image = textures.facade(rng, metres, height)
    elif draw < 0.78:
        image = _office(rng, metres, height)
    else:
        image = _hall(rng, metres, height)
    if rng.random() < 0.5:
        _shops(rng, image)
    return _weathered(rng, image)


def _weathered(rng: np.random.Generator, image: Texture) -> Texture:
    h, w = image.shape[:2]
    dirt = 1 + 0.07 * noise(rng, h, w, (90, 30, 6))
    dirt[-max(4, h // 14) :] *= rng.uniform(0.75, 1.0)
    return np.clip(image * dirt[..., None], 0, 255).astype(np.uint8)


def _plain(rng: np.random.Generator) -> tuple[float, float, float]:
    value = rng.uniform(60, 245)
    r, g, b = np.clip(value * (1 + rng.normal(0, 0.06, 3) + np.array([0.04, 0.0, -0.06])), 20, 250)
    return float(r), float(g), float(b)


def _office(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw bands of windows."""
    h = round(height * PPM)
    w = round(metres * PPM)
    image = shaded(_plain(rng), noise(rng, h, w, (40, 8)), 0.04)
    storey = rng.uniform(3.0, 3.8)
    tall = rng.uniform(0.45, 0.95)
    pitch = int(rng.integers(14, 50))
    dark = rng.uniform(20, 90)
    for level in range(int(height / storey) + 1):
        y2 = h - round((level * storey + storey * (1 - tall) * 0.6) * PPM)
        y1 = max(0, y2 - round(storey * tall * PPM))
        if y2 <= y1:
            continue
        for x in range(0, w, pitch):
            pane = dark * rng.uniform(0.6, 1.9)
            image[y1:y2, x : x + pitch - 2] = [pane * 0.9, pane, pane * 1.12]
            if rng.random() < 0.35:  # a blind
                image[y1 : y1 + (y2 - y1) // 2, x + 1 : x + pitch - 3] = rng.uniform(110, 220)
    return np.clip(image, 0, 255).astype(np.uint8)


def _hall(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw a hall of metal sheets or concrete, with gates."""
    h = round(height * PPM)
    w = round(metres * PPM)
    image = shaded(_plain(rng), noise(rng, h, w, (64, 16)), 0.05)
    if rng.random() < 0.6:
        image[:, :: int(rng.integers(4, 9))] *= rng.uniform(0.75, 0.93)
    else:
        image[:: int(rng.integers(20, 60))] *= 0.8
    for _ in range(int(rng.integers(0, 4))):
        x = int(rng.integers(0, max(1, w - 80)))
        y = h - round(min(height, rng.uniform(2.2, 4.5)) * PPM)
        image[y:, x : x + int(rng.integers(24, 90))] = rng.uniform(25, 190) * (
            1 + rng.normal(0, 0.1, 3)
        )
    if rng.random() < 0.4:
        y = int(rng.integers(2, max(3, h // 3)))
        image[y : y + 22] = rng.uniform(15, 80)
    return np.clip(image, 0, 255).astype(np.uint8)


def _shops(rng: np.random.Generator, image: Texture) -> None:
    """Draw shop windows with goods, posters, signs and awnings at street level."""
    h, w = image.shape[:2]
    x = 0
    while x < w - 60:
        wide = int(rng.integers(60, 200))
        if rng.random() < 0.7:
            area = image[max(0, h - 58) : h - 6, x + 4 : min(w, x + wide) - 4]
            area[:] = rng.uniform(10, 80)
            for _ in range(int(rng.integers(2, 14))):
                a = int(rng.integers(area.shape[1]))
                b = int(rng.integers(area.shape[0]))
                goods = rng.uniform(15, 210) * (1 + rng.normal(0, 0.25, 3))
                end = (b + int(rng.integers(4, 34)), a + int(rng.integers(3, 22)))
                area[b : end[0], a : end[1]] = np.clip(goods, 5, 245)
            area[:, :: int(rng.integers(24, 70))] = rng.uniform(30, 220)
            sign(rng, image[max(0, h - 72) : max(1, h - 59), x + 2 : min(w, x + wide) - 2])
        x += wide


def sign(rng: np.random.Generator, area: Texture) -> None:
    """Draw lettering into an area (h,w,3)."""
    if area.shape[0] < 4 or area.shape[1] < 8:
        return
    area[:] = rng.uniform(10, 245, 3)
    ink = (255.0 - area[0, 0].astype(float)) * rng.uniform(0.6, 1)
    letters = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTUZ"), int(rng.integers(4, 11))))
    canvas = np.ascontiguousarray(area)
    cv2.putText(
        canvas,
        letters,
        (3, int(area.shape[0] * 0.8)),
        cv2.FONT_HERSHEY_DUPLEX,
        area.shape[0] / 32,
        ink.tolist(),
        1,
        cv2.LINE_AA,
    )
    area[:] = canvas


def shed(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw the side (h,w,3) of a shed, a container, a counter or a lit piece of wall."""
    h = max(8, round(height * PPM))
    w = max(12, round(metres * PPM))
    value = float(rng.choice([rng.uniform(190, 252), rng.uniform(20, 90), rng.uniform(60, 220)]))
    spread = float(rng.choice([0.03, 0.03, 0.35]))
    pixels = shaded(
        tuple(np.clip(value * (1 + rng.normal(0, spread, 3)), 8, 252)),
        noise(rng, h, w, (32, 8)),
        0.06,
    )
    for _ in range(int(rng.integers(0, 6))):  # windows, doors, notices, and what leans on it
        x = int(rng.integers(0, w - 4))
        y = int(rng.integers(0, h - 4))
        tone = rng.uniform(10, 245) * (1 + rng.normal(0, 0.15, 3))
        pixels[y : y + int(rng.integers(3, h)), x : x + int(rng.integers(4, w))] = tone
    if rng.random() < 0.3:
        pixels[:, :: int(rng.integers(4, 24))] *= rng.uniform(0.6, 0.95)
    if rng.random() < 0.4:  # the shadow of an eave, or a glass front
        pixels[: max(2, h // int(rng.integers(2, 6)))] *= rng.uniform(0.15, 0.6)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def poster(rng: np.random.Generator) -> Texture:
    """Draw a billboard (96,144,3) with shapes, some of which look like people and cars."""
    image = np.empty((96, 144, 3), np.uint8)
    tone = rng.uniform(40, 230)
    image[:] = np.clip(tone * (1 + rng.normal(0, 0.3, 3)), 10, 245).astype(np.uint8)
    for _ in range(int(rng.integers(3, 12))):
        x, y = (int(v) for v in rng.integers((0, 0), (144, 96)))
        axes = tuple(int(v) for v in rng.integers(4, 36, 2))
        cv2.ellipse(
            image,
            (x, y),
            axes,
            float(rng.uniform(0, 180)),
            0,
            360,
            np.clip(rng.uniform(10, 250) * (1 + rng.normal(0, 0.35, 3)), 5, 250).tolist(),
            -1,
            cv2.LINE_AA,
        )
    sign(rng, image[70:92, 6:138])
    image[:3] = image[-3:] = image[:, :3] = image[:, -3:] = 60
    return image


def wall(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw a wall of stones, concrete or plaster, perhaps with graffiti."""
    if rng.random() < 0.4:
        image = textures.wall(rng, metres, height)
    else:
        h = max(8, round(height * 16))
        w = round(metres * 16)
        pixels = shaded(_plain(rng), noise(rng, h, w, (48, 12, 3)), 0.09)
        pixels[:, :: int(rng.integers(30, 90))] *= 0.7
        image = np.clip(pixels, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        h, w = image.shape[:2]
        for _ in range(int(rng.integers(2, 9))):
            points = np.cumsum(rng.normal(0, h / 4, (9, 2)), 0) + rng.uniform((0, 0), (w, h))
            colour = rng.uniform(10, 250, 3).tolist()
            cv2.polylines(image, [points.astype(np.int32)], False, colour, 2, cv2.LINE_AA)
    return image


def railing(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw a fence (h,w,4) with gaps: bars, mesh or boards."""
    h = max(12, round(height * 24))
    w = round(metres * 24)
    value = rng.uniform(25, 200)
    image = np.zeros((h, w, 4), np.uint8)
    colour = np.clip(value * (1 + rng.normal(0, 0.1, 3)), 0, 255).astype(np.uint8)
    image[..., :3] = colour
    kind = rng.random()
    if kind < 0.45:
        for x in range(int(rng.integers(2, 5)) + 1):
            image[:, x :: int(rng.integers(5, 12)), 3] = 255
            break
    elif kind < 0.75:
        pitch = int(rng.integers(4, 9))
        image[:, ::pitch, 3] = 120
        image[::pitch, :, 3] = 120
    else:
        board = int(rng.integers(4, 9))
        image[..., 3] = ((np.arange(w) % (board + 2)) < board).astype(np.uint8) * 255
        wood = (float(colour[0]), float(colour[1]), float(colour[2]))
        image[..., :3] = shaded(wood, noise(rng, h, w, (16, 4)), 0.12).clip(0, 255)
    for y in (0, h // 8, h - 5):
        image[y : y + 3, :, 3] = 255
    image[:, :: int(rng.integers(36, 70)), 3] = 255
    image[:, 1 :: int(rng.integers(36, 70)), 3] = 255
    return image


def guard_rail(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw a rail (h,w,4) on posts."""
    h = round(height * 40)
    w = round(metres * 20)
    image = np.zeros((h, w, 4), np.uint8)
    value = rng.uniform(105, 200)
    band = slice(h // 10, h // 2)
    waves = 0.85 + 0.2 * np.sin(np.linspace(0, 4 * np.pi, band.stop - band.start))
    image[band, :, :3] = np.clip(value * waves, 0, 255).astype(np.uint8)[:, None, None]
    image[band, :, 3] = 255
    pitch = int(rng.integers(38, 82))
    for x in range(5, w - 4, pitch):
        image[h // 6 :, x : x + 3] = (int(value * 0.6),) * 3 + (255,)
    return image


def concrete_barrier(rng: np.random.Generator, metres: float, height: float) -> Texture:
    """Draw a barrier of concrete (h,w,3)."""
    h = max(8, round(height * 20))
    w = round(metres * 20)
    pixels = shaded(_plain(rng), noise(rng, h, w, (48, 12, 3)), 0.1)
    pixels *= np.linspace(1.1, 0.7, h, dtype=np.float32)[:, None, None]
    pixels[:, :: int(rng.integers(60, 140))] *= 0.5
    return np.clip(pixels, 0, 255).astype(np.uint8)


def roof(rng: np.random.Generator, metres: float) -> NDArray[np.uint8]:
    """Draw a tiled roof (64,w,3)."""
    w = round(metres * 12)
    bases = ((120.0, 60.0, 45.0), (85.0, 50.0, 42.0), (70.0, 70.0, 75.0), (50.0, 48.0, 50.0))
    pixels = shaded(bases[int(rng.integers(4))], noise(rng, 64, w, (24, 5)), 0.15)
    pixels[::4] *= 0.8
    if rng.random() < 0.5:
        x = int(rng.integers(4, max(5, w - 20)))
        pixels[24:40, x : x + 14] = 40
    return np.clip(pixels, 0, 255).astype(np.uint8)
