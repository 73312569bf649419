"""Maps of the ground along the road: materials, markings and stains."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.textures import noise
from mapt.synthetic.varied.ground.tiles import (
    CLASSES,
    NAMES,
    TILE,
    TILE_METRES,
    tiles,
)
from mapt.synthetic.varied.optics.raster import GROUND_FACE, Raster

ACROSS = 0.05  # metres a column
ALONG = 0.1  # metres a row
BEHIND = 20.0  # metres before the start
SPAN = 48.0  # metres to either side
AHEAD = 340.0  # metres


class GroundMap:
    """Materials, markings and stains of the ground at every (s, d).

    Attributes:
        kinds: (rows,columns) uint8 index of the material.
        paint: (rows,columns) uint8 cover of markings.
        stain: uint8 brightness at half the resolution, 128 for 1.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        rows = round((AHEAD + BEHIND) / ALONG)
        columns = round(2 * SPAN / ACROSS)
        self.kinds: NDArray[np.uint8] = np.zeros((rows, columns), np.uint8)
        self.paint: NDArray[np.uint8] = np.zeros((rows, columns), np.uint8)
        coarse = noise(rng, rows // 2, columns // 2, (300, 90, 20)) * rng.uniform(2, 9)
        self.stain: NDArray[np.uint8] = np.clip(128 + coarse, 0, 255).astype(np.uint8)
        atlas = tiles(rng)
        self.means = atlas.reshape(len(NAMES), -1, 3).mean(1).astype(np.float32)
        padded = np.pad(
            atlas.reshape(-1, TILE, TILE, 3), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap"
        )
        self.atlas = np.ascontiguousarray(padded.reshape(-1, TILE + 2, 3))
        self.ink = np.array([1.0, 1.0, 0.97]) * rng.uniform(165, 250)
        self.wear = rng.uniform(0.1, 0.7)
        self.rng = rng

    @property
    def d(self) -> NDArray[np.float64]:
        """The columns' middles, metres to the right."""
        columns: NDArray[np.float64] = np.arange(self.kinds.shape[1], dtype=np.float64) + 0.5
        return columns * ACROSS - SPAN

    def band(self, start: float, stop: float, kind: str, ragged: float = 0.0) -> None:
        """Cover the ground between two distances d with a material along the whole road."""
        rows = self.kinds.shape[0]
        low = min(start, stop)
        high = max(start, stop)
        if not ragged:
            columns = slice(
                *(int(np.clip(round((v + SPAN) / ACROSS), 0, None)) for v in (low, high))
            )
            self.kinds[:, columns] = NAMES.index(kind)
            return
        edges = [
            v + ragged * noise(self.rng, 2, rows, (60, 12, 3))[0][:, None] for v in (low, high)
        ]
        inside = (self.d >= edges[0]) & (self.d < edges[1])
        self.kinds[inside] = NAMES.index(kind)

    def cells(self, outline: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return fixed-point cells of points (n,2), as (s, d)."""
        columns = (outline[:, 1] + SPAN) / ACROSS
        rows = (outline[:, 0] + BEHIND) / ALONG
        return np.round(np.stack((columns, rows), 1) * 16).astype(np.int32)

    def area(self, outline: NDArray[np.float64], kind: str) -> None:
        """Cover a polygon (n,2) of (s, d) with a material."""
        cv2.fillPoly(self.kinds, [self.cells(outline)], (NAMES.index(kind),), cv2.LINE_8, 4)

    def rectangle(self, s: tuple[float, float], d: tuple[float, float], kind: str) -> None:
        """Cover a rectangle with a material."""
        self.area(_corners(s, d), kind)

    def mark(self, outline: NDArray[np.float64], cover: float = 255.0) -> None:
        """Paint a polygon (n,2) of (s, d)."""
        cv2.fillPoly(self.paint, [self.cells(outline)], (cover,), cv2.LINE_AA, 4)

    def line(self, s: tuple[float, float], d: float, width: float, cover: float = 255.0) -> None:
        """Paint a line along the road."""
        self.mark(_corners(s, (d - width / 2, d + width / 2)), cover)

    def blot(self, outline: NDArray[np.float64], gain: float, soft: bool = False) -> None:
        """Brighten or darken a polygon (n,2) of (s, d)."""
        fixed = self.cells(outline) // 2
        mask = np.zeros_like(self.stain)
        cv2.fillPoly(mask, [fixed], (255.0,), cv2.LINE_8, 4)
        x, y, w, h = cv2.boundingRect(np.round(fixed / 16).astype(np.int32))
        x1 = max(x - 6, 0)
        y1 = max(y - 6, 0)
        window = (slice(y1, max(y + h + 6, 0)), slice(x1, max(x + w + 6, 0)))
        part = mask[window]
        if not part.size:
            return
        part = np.asarray(cv2.blur(part, (5, 5)), np.uint8) if soft else part
        change = part.astype(np.float32) / 255 * (gain - 1) + 1
        self.stain[window] = np.clip(self.stain[window] * change, 0, 255).astype(np.uint8)

    def finish(self) -> None:
        """Wear the markings off, when all are painted."""
        rows, columns = self.paint.shape
        worn = noise(self.rng, rows // 2, columns // 2, (30, 6, 2)) * self.wear + 1.1
        small = np.clip(worn * 255, 0, 255).astype(np.uint8)
        wear = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
        self.paint = cv2.multiply(self.paint, wear, scale=1 / 255).astype(np.uint8)

    def render(self, raster: Raster, middle: NDArray[np.float32], s0: float) -> None:
        """Fill everything below the horizon.

        Args:
            raster: receives the ground.
            middle: (n,) the road's middle minus the camera's x for each tenth of a metre ahead.
            s0: the camera's position along the road, metres.
        """
        camera = raster.camera
        top = int(np.clip(np.floor(camera.horizon) + 1, 0, camera.height - 1))
        below = np.arange(top, camera.height) + 0.5 - camera.horizon
        z = np.minimum(camera.focal * camera.altitude / np.maximum(below, 0.05), 400.0)
        columns = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal
        centre = middle[np.minimum(z * 10, len(middle) - 1).astype(int)]
        d = (columns[None] * z[:, None] - centre[:, None]).astype(np.float32)
        s = np.broadcast_to((s0 + z).astype(np.float32)[:, None], d.shape)
        x = (d + np.float32(SPAN)) * np.float32(1 / ACROSS) - np.float32(0.5)
        y = (s + np.float32(BEHIND)) * np.float32(1 / ALONG) - np.float32(0.5)
        edge = cv2.BORDER_REPLICATE
        kind = cv2.remap(self.kinds, x, y, cv2.INTER_NEAREST, borderMode=edge)
        paint = cv2.remap(self.paint, x, y, cv2.INTER_LINEAR, borderValue=0)
        stain = cv2.remap(self.stain, x * 0.5, y * 0.5, cv2.INTER_LINEAR, borderMode=edge)
        scale = np.float32(TILE / TILE_METRES)
        row = s * scale % TILE + kind.astype(np.float32) * (TILE + 2) + 1
        near = cv2.remap(self.atlas, d * scale % TILE + 1, row, cv2.INTER_LINEAR)
        fade = np.exp(-z / 30).astype(np.float32)[:, None, None]
        colour = near * fade + self.means[kind] * (1 - fade)
        colour *= (stain.astype(np.float32) * np.float32(1 / 128))[..., None]
        cover = paint.astype(np.float32)[..., None] * np.float32(1 / 255)
        colour += (self.ink.astype(np.float32) - colour) * cover
        raster.albedo[top:] = np.clip(colour, 0, 255).astype(np.uint8)
        raster.face[top:] = GROUND_FACE
        raster.ground[top:] = CLASSES[kind]


def _corners(s: tuple[float, float], d: tuple[float, float]) -> NDArray[np.float64]:
    return np.array([(s[0], d[0]), (s[1], d[0]), (s[1], d[1]), (s[0], d[1])])
