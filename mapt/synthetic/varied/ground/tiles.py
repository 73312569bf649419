"""Draws the materials of the ground: asphalt, concrete, slabs, gravel, grass and earth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.textures import noise

ROAD = 0
SIDEWALK = 1
TERRAIN = 9
TILE = 512  # pixels
TILE_METRES = 10.0
PPM = TILE / TILE_METRES
# Material, and the class of the ground that it covers.
KINDS = {
    "asphalt": ROAD,
    "patched": ROAD,
    "bay": ROAD,
    "crossing": ROAD,
    "slabs": SIDEWALK,
    "pavement": SIDEWALK,
    "kerb": SIDEWALK,
    "grass": TERRAIN,
    "meadow": TERRAIN,
    "gravel": TERRAIN,
    "earth": TERRAIN,
}
NAMES = tuple(KINDS)
CLASSES = np.array(list(KINDS.values()), np.uint8)


def tiles(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a tile (TILE,TILE,3) of every kind, below each other."""
    base = float(rng.uniform(70, 138))
    makers = {
        "asphalt": lambda: _asphalt(rng, base),
        "patched": lambda: _asphalt(rng, base * rng.uniform(0.75, 1.3)),
        "bay": lambda: _bay(rng, base),
        "crossing": lambda: _asphalt(rng, base * rng.uniform(0.9, 1.1)),
        "slabs": lambda: _slabs(rng, base),
        "pavement": lambda: _asphalt(rng, base * rng.uniform(0.9, 1.45), warm=0.12),
        "kerb": lambda: _concrete(rng, rng.uniform(115, 205)),
        "grass": lambda: _grass(rng),
        "meadow": lambda: _grass(rng, dry=rng.uniform(0.1, 0.8)),
        "gravel": lambda: _gravel(rng),
        "earth": lambda: _earth(rng),
    }
    return np.concatenate([np.clip(makers[name](), 0, 255).astype(np.uint8) for name in NAMES])


def _tint(rng: np.random.Generator, value: float, warm: float) -> NDArray[np.float32]:
    w = rng.uniform(-0.04, warm)
    return np.array([value * (1 + w / 2), value, value * (1 - w)], np.float32)


def _speckle(rng: np.random.Generator, strength: float) -> NDArray[np.float32]:
    grain = rng.standard_normal((TILE, TILE)).astype(np.float32)
    return 1 + strength * cv2.GaussianBlur(grain, (0, 0), 0.7)[..., None]


def _blotches(
    rng: np.random.Generator, strength: float, octaves: tuple[int, ...] = (96, 32, 8)
) -> NDArray[np.float32]:
    return 1 + np.float32(strength) * noise(rng, TILE, TILE, octaves, wrap=True)[..., None]


def _asphalt(rng: np.random.Generator, value: float, warm: float = 0.05) -> NDArray[np.float32]:
    image = _tint(rng, value, warm) * _speckle(rng, rng.uniform(0.08, 0.3))
    return image * _blotches(rng, rng.uniform(0.02, 0.08))


def _concrete(rng: np.random.Generator, value: float) -> NDArray[np.float32]:
    return _tint(rng, value, 0.12) * _speckle(rng, 0.06) * _blotches(rng, 0.06)


def _joints(image: NDArray[np.float32], pitch: tuple[int, int], depth: float, bond: bool) -> None:
    """Draw the joints of slabs, rows of which are offset by half a slab in a bond."""
    for row, y in enumerate(range(0, TILE, pitch[0])):
        image[y : y + 1] *= depth
        start = pitch[1] // 2 if bond and row % 2 else 0
        image[y : y + pitch[0], start :: pitch[1]] *= depth


def _slabs(rng: np.random.Generator, base: float) -> NDArray[np.float32]:
    value = float(np.clip(base * rng.uniform(1.0, 1.9), 80, 215))
    image = _tint(rng, value, 0.25) * _speckle(rng, 0.08) * _blotches(rng, 0.07)
    side = int(rng.choice([8, 16, 16, 32]))
    cells = rng.normal(1, rng.uniform(0.02, 0.1), (TILE // side, TILE // side)).astype(np.float32)
    image *= np.kron(cells, np.ones((side, side), np.float32))[..., None]
    _joints(image, (side, side * int(rng.choice([1, 2]))), rng.uniform(0.55, 0.9), True)
    return image


def _bay(rng: np.random.Generator, base: float) -> NDArray[np.float32]:
    """Draw a parking bay or yard: asphalt, stones or concrete."""
    draw = rng.random()
    if draw < 0.5:
        return _asphalt(rng, base * rng.uniform(0.8, 1.5), warm=0.1)
    if draw < 0.8:
        return _slabs(rng, base)
    image = _concrete(rng, base * rng.uniform(1.1, 1.8))
    _joints(image, (TILE // 2, TILE // 2), 0.7, False)
    return image


def _grass(rng: np.random.Generator, dry: float = 0.0) -> NDArray[np.float32]:
    dry = max(dry, float(rng.choice([0.0, 0.15, 0.4])))
    green = np.array([rng.uniform(55, 110), rng.uniform(88, 140), rng.uniform(15, 60)], np.float32)
    straw = np.array([rng.uniform(130, 180), rng.uniform(120, 155), 85], np.float32)
    where = np.clip(_blotches(rng, 0.5, (128, 32, 12)) - 1 + dry, 0, 1)
    image: NDArray[np.float32] = green * (1 - where) + straw * where
    image = np.asarray(
        image * _blotches(rng, 0.22, (24, 6, 3)) * _speckle(rng, rng.uniform(0.25, 0.6))
    )
    if rng.random() < 0.6:
        _litter(rng, image, int(10 ** rng.uniform(1.8, 3.6)))
    return image


def _litter(rng: np.random.Generator, image: NDArray[np.float32], count: int) -> None:
    """Strew fallen leaves."""
    hues = np.array([(150, 110, 60), (190, 150, 70), (110, 75, 45), (200, 185, 120)])
    for _ in range(count):
        x, y = (int(v) for v in rng.integers(3, TILE - 3, 2))
        colour = hues[int(rng.integers(4))] * rng.uniform(0.7, 1.2)
        axes = (int(rng.integers(1, 4)), int(rng.integers(1, 3)))
        cv2.ellipse(image, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour.tolist(), -1)


def _gravel(rng: np.random.Generator) -> NDArray[np.float32]:
    image = _tint(rng, rng.uniform(85, 150), 0.3) * _speckle(rng, 0.35)
    result: NDArray[np.float32] = image * _blotches(rng, 0.12, (64, 8, 3))
    return result


def _earth(rng: np.random.Generator) -> NDArray[np.float32]:
    value = rng.uniform(65, 130)
    soil = np.array(
        [value * rng.uniform(1.04, 1.2), value, value * rng.uniform(0.7, 0.9)], np.float32
    )
    image = soil * _blotches(rng, 0.2, (64, 16, 4)) * _speckle(rng, 0.25)
    _litter(rng, image, int(10 ** rng.uniform(2, 3.5)))
    return image
