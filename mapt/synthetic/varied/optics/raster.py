"""Draws what is visible: the reflectance of every pixel, and the surface to which it belongs.

Far things are drawn first. The light is computed afterwards, once for every pixel, from the plane
of its surface. World coordinates are metres in the camera's frame, as in
`mapt.synthetic.rendering.canvas`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import LIMIT, NEAR, SHIFT, Camera, Colour, Points, clip_near
from mapt.synthetic.varied.optics.surfaces import MATT, Bulge, Finish

SKY_FACE = 0
GROUND_FACE = 1
SKY = 10


class Raster:
    """The reflectance and the surface of every pixel.

    Attributes:
        camera: projects the world.
        albedo: (H,W,3) uint8 RGB reflectance, gamma-encoded.
        face: (H,W) int32, the index of the pixel's surface.
        ground: (H,W) uint8 train ids, valid where the surface is the ground.
    """

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        size = (camera.height, camera.width)
        self.albedo: NDArray[np.uint8] = np.zeros((*size, 3), np.uint8)
        self.face: NDArray[np.int32] = np.zeros(size, np.int32)
        self.ground: NDArray[np.uint8] = np.zeros(size, np.uint8)
        up = np.array([0.0, 1.0, 0.0])
        self._rows: list[tuple[float, ...]] = []
        self._tags: list[int] = []
        self.surface(-up, -1e5 * up, (1e3, 1e3), SKY, Finish(glow=1.0))
        self.surface(up, 0.0 * up, (0.1, 400.0), 0, MATT)

    def surface(
        self,
        normal: Points,
        point: Points,
        depths: tuple[float, float],
        tag: int,
        finish: Finish,
        bulge: Bulge | None = None,
    ) -> int:
        """Register a surface, and return its index.

        Args:
            normal: (3,) outward unit vector.
            point: (3,) any point of its plane.
            depths: least and greatest z of its points.
            tag: class + 256 * id.
            finish: how it answers light.
            bulge: bends its normals.
        """
        centre = (bulge.centre if bulge else point).tolist()
        bend = (bulge.flat, bulge.steep) if bulge else (0.0, 0.0)
        x, y, z = normal.tolist()
        px, py, pz = point.tolist()
        offset = x * px + y * py + z * pz
        own = (finish.gloss, finish.glow, finish.leafy)
        self._rows.append((x, y, z, offset, *depths, *own, *centre, *bend))
        self._tags.append(tag)
        return len(self._rows) - 1

    def table(self) -> NDArray[np.float32]:
        """Return the surfaces (n,14): normal, offset, depths, gloss, glow, leafy, bulge."""
        return np.array(self._rows, np.float32)

    def labels(self) -> NDArray[np.int32]:
        """Return class + 256 * id of every pixel (H,W)."""
        labels = np.array(self._tags, np.int32)[self.face]
        return np.where(self.face == GROUND_FACE, self.ground, labels).astype(np.int32)

    def polygon(
        self,
        points: Points,
        colour: Colour,
        tag: int,
        finish: Finish = MATT,
        normal: Points | None = None,
        bulge: Bulge | None = None,
    ) -> None:
        """Fill a flat world polygon (n,3)."""
        if points[:, 2].min() < NEAR:
            points = clip_near(points)
            if len(points) < 3:
                return
        pixels = self.project(points)
        if outside(pixels, self.camera):
            return
        if normal is None:
            normal = self.facing_normal(points[1] - points[0], points[2] - points[0], points[0])
        z = points[:, 2]
        face = self.surface(normal, points[0], (z.min(), z.max()), tag, finish, bulge)
        self.fill(pixels, colour, face)

    def project(self, points: Points) -> Points:
        """Project world points (...,3) to pixels (...,2), without OpenCV's limits."""
        camera = self.camera
        scale = camera.focal / points[..., 2]
        pixels = np.empty((*points.shape[:-1], 2))
        pixels[..., 0] = camera.width / 2 + points[..., 0] * scale
        pixels[..., 1] = camera.horizon + (camera.altitude - points[..., 1]) * scale
        np.maximum(pixels, -LIMIT, out=pixels)
        np.minimum(pixels, LIMIT, out=pixels)
        return pixels

    def facing_normal(self, a: Points, b: Points, point: Points) -> Points:
        """Return the unit normal of a plane, on the side of the camera."""
        a0, a1, a2 = a.tolist()
        b0, b1, b2 = b.tolist()
        x = a1 * b2 - a2 * b1
        y = a2 * b0 - a0 * b2
        z = a0 * b1 - a1 * b0
        length = max((x * x + y * y + z * z) ** 0.5, 1e-9)
        px, py, pz = point.tolist()
        away = x * px + y * (py - self.camera.altitude) + z * pz > 0
        length = -length if away else length
        return np.array((x / length, y / length, z / length))

    @property
    def eye(self) -> Points:
        """The camera's position (3,)."""
        return np.array([0.0, self.camera.altitude, 0.0])

    def fill(self, pixels: Points, colour: Colour, face: int) -> None:
        """Fill a polygon given in pixels (n,2) with a surface."""
        fixed = np.round(pixels * (1 << SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(self.albedo, fixed, colour, cv2.LINE_AA, SHIFT)
        cv2.fillConvexPoly(self.face, fixed, (face,), cv2.LINE_8, SHIFT)

    def facets(
        self,
        corners: Points,
        colours: NDArray[np.float64],
        tag: int,
        finish: Finish,
        centre: Points,
        bulge: Bulge | None = None,
    ) -> None:
        """Fill the facets of a convex body that face the camera, the far ones first.

        Args:
            corners: (n,4,3) world points.
            colours: (n,3) RGB.
            tag: label.
            finish: of all facets.
            centre: (3,) a point inside.
            bulge: bends all normals.
        """
        p = corners[:, 2] - corners[:, 0]
        q = corners[:, 3] - corners[:, 1]
        normals = np.empty_like(p)
        for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            normals[:, i] = p[:, j] * q[:, k] - p[:, k] * q[:, j]
        size = np.sqrt((normals * normals).sum(1))
        normals /= np.maximum(size, 1e-9)[:, None]
        middle = corners.mean(1)
        normals[((middle - centre) * normals).sum(1) < 0] *= -1
        ray = middle - self.eye
        seen = ((normals * ray).sum(1) < 0) & (size > 1e-6)
        order = np.argsort(-(ray * ray).sum(1))
        order = order[seen[order]]
        self._quads(corners[order], normals[order], colours[order], tag, finish, bulge)

    def panes(
        self,
        corners: Points,
        colours: NDArray[np.float64],
        tag: int,
        finish: Finish,
        normal: Points,
        bulge: Bulge | None = None,
    ) -> None:
        """Fill quadrilaterals (n,4,3) with one normal (3,) in their order."""
        normals = np.broadcast_to(normal, (len(corners), 3))
        self._quads(corners, normals, colours, tag, finish, bulge)

    def _quads(
        self,
        corners: Points,
        normals: Points,
        colours: NDArray[np.float64],
        tag: int,
        finish: Finish,
        bulge: Bulge | None,
    ) -> None:
        if not len(corners):
            return
        if corners[..., 2].min() < NEAR:
            for quad, normal, colour in zip(corners, normals, colours.tolist(), strict=True):
                self.polygon(quad, tuple(colour), tag, finish, normal, bulge)
            return
        pixels = self.project(corners)
        if outside(pixels.reshape(-1, 2), self.camera):
            return
        fixed = np.round(pixels * (1 << SHIFT)).astype(np.int32)
        offsets = (normals * corners[:, 0]).sum(1)
        centre = (bulge.centre if bulge else corners[0, 0]).tolist()
        bend = (bulge.flat, bulge.steep) if bulge else (0.0, 0.0)
        tail = (finish.gloss, finish.glow, finish.leafy, *centre, *bend)
        first = len(self._rows)
        z = corners[..., 2]
        self._rows.extend(
            (*n, offset, near, far, *tail)
            for n, offset, near, far in zip(
                normals.tolist(),
                offsets.tolist(),
                z.min(1).tolist(),
                z.max(1).tolist(),
                strict=True,
            )
        )
        self._tags.extend([tag] * len(corners))
        for i, colour in enumerate(colours.tolist()):
            cv2.fillConvexPoly(self.albedo, fixed[i], colour, cv2.LINE_AA, SHIFT)
            cv2.fillConvexPoly(self.face, fixed[i], (first + i,), cv2.LINE_8, SHIFT)

    def limb(
        self,
        a: Points,
        b: Points,
        width: float,
        colour: Colour,
        tag: int,
        sun: Points | None = None,
        taper: float = 1.0,
    ) -> None:
        """Draw a round bar from a (3,) to b (3,), `width` metres thick.

        With the sun's direction (3,), the half towards it is lit.
        """
        if min(a[2], b[2]) < NEAR:
            return
        p, q = self.project(np.array((a, b)))
        along = q - p
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        z = float(a[2] + b[2]) / 2
        half = across * width / 2 * self.camera.focal / z
        ring = np.array((p + half, q + half * taper, q - half * taper, p - half))
        if outside(ring, self.camera):
            return
        depths = (min(a[2], b[2]) - 0.3, max(a[2], b[2]) + 0.3)
        dark = np.array([0.0, 0.0, -1.0])
        if sun is None:
            self.fill(ring, colour, self.surface(dark, a, depths, tag, MATT))
            return
        side = 1.0 if float(across @ [sun[0], -sun[1]]) > 0 else -1.0
        normal = np.array([across[0] * side, -across[1] * side, 0.0])
        away = np.array([-normal[0] * 0.8, -normal[1] * 0.8, -0.6])
        self.fill(ring, colour, self.surface(away, a, depths, tag, MATT))
        if width * self.camera.focal / z > 2:
            lit = normal * 0.75 + dark * 0.66
            half = half * side
            part = np.array((p + half, q + half * taper, q - half * taper * 0.1, p - half * 0.1))
            self.fill(part, colour, self.surface(lit, a, depths, tag, MATT))

    def disc(
        self,
        centre: Points,
        axes: tuple[float, float],
        colour: Colour,
        tag: int,
        finish: Finish = MATT,
    ) -> None:
        """Fill an upright ellipse that faces the camera, with semi-axes in metres."""
        angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ring = np.stack((np.cos(angle) * axes[0], np.sin(angle) * axes[1], angle * 0), 1)
        self.polygon(
            centre + ring,
            colour,
            tag,
            finish,
            np.array([0.0, 0.25, -0.97]),
            Bulge(centre, 1.0 / max(axes[0], 0.05), 0.5 / max(axes[1], 0.05)),
        )


def outside(pixels: Points, camera: Camera) -> bool:
    """Tell whether pixels (n,2) all lie beyond one edge of the image."""
    left, top = pixels.min(0).tolist()
    right, bottom = pixels.max(0).tolist()
    return bool(right < 0 or bottom < 0 or left > camera.width or top > camera.height)
