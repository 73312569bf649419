"""Draws what is visible: the reflectance of every pixel, and the surface to which it belongs.

Far things are drawn first. The light is computed afterwards, once for every pixel, from the plane
of its surface. World coordinates are metres in the camera's frame, as in
`mapt.synthetic.rendering.canvas`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import LIMIT, NEAR, SHIFT, Camera, Colour, Points, clip_near

SKY_FACE = 0
GROUND_FACE = 1
SKY = 10
Rgba = NDArray[np.uint8]


@dataclass(frozen=True)
class Finish:
    """How a surface answers light.

    Attributes:
        gloss: share of the mirror image of the surroundings, 0 to 1.
        glow: radiance of its own, as a multiple of its colour.
        leafy: 1 if light and shade are in its colour already, as in pictures of plants.
    """

    gloss: float = 0.0
    glow: float = 0.0
    leafy: float = 0.0


MATT = Finish()
LEAVES = Finish(leafy=1.0)


@dataclass(frozen=True)
class Bulge:
    """Bends the normals of flat facets, so that they look like a curved body.

    Attributes:
        centre: (3,) of the body, world.
        flat: change of the normal by each metre from the centre, horizontally.
        steep: the same vertically.
    """

    centre: Points
    flat: float
    steep: float


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

    def surface(  # noqa: PLR0917  (a surface's whole description)
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

    def polygon(  # noqa: PLR0917
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
        pixels = self._project(points)
        if _outside(pixels, self.camera):
            return
        if normal is None:
            normal = self._normal(points[1] - points[0], points[2] - points[0], points[0])
        z = points[:, 2]
        face = self.surface(normal, points[0], (z.min(), z.max()), tag, finish, bulge)
        self.fill(pixels, colour, face)

    def _project(self, points: Points) -> Points:
        """Project world points (...,3) to pixels (...,2), without OpenCV's limits."""
        camera = self.camera
        scale = camera.focal / points[..., 2]
        pixels = np.empty((*points.shape[:-1], 2))
        pixels[..., 0] = camera.width / 2 + points[..., 0] * scale
        pixels[..., 1] = camera.horizon + (camera.altitude - points[..., 1]) * scale
        np.maximum(pixels, -LIMIT, out=pixels)
        np.minimum(pixels, LIMIT, out=pixels)
        return pixels

    def _normal(self, a: Points, b: Points, point: Points) -> Points:
        """Return the unit normal of a plane, on the side of the camera."""
        a0, a1, a2 = a.tolist()
        b0, b1, b2 = b.tolist()
        x, y, z = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
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

    def facets(  # noqa: PLR0917
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
        p, q = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
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

    def _quads(  # noqa: PLR0917
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
        pixels = self._project(corners)
        if _outside(pixels.reshape(-1, 2), self.camera):
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
                normals.tolist(), offsets.tolist(), z.min(1).tolist(), z.max(1).tolist(), strict=True
            )
        )
        self._tags.extend([tag] * len(corners))
        for i, colour in enumerate(colours.tolist()):
            cv2.fillConvexPoly(self.albedo, fixed[i], colour, cv2.LINE_AA, SHIFT)
            cv2.fillConvexPoly(self.face, fixed[i], (first + i,), cv2.LINE_8, SHIFT)

    def limb(  # noqa: PLR0917
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
        p, q = self._project(np.array((a, b)))
        along = q - p
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        z = float(a[2] + b[2]) / 2
        half = across * width / 2 * self.camera.focal / z
        ring = np.array((p + half, q + half * taper, q - half * taper, p - half))
        if _outside(ring, self.camera):
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
            centre + ring, colour, tag, finish, np.array([0.0, 0.25, -0.97]),
            Bulge(centre, 1.0 / max(axes[0], 0.05), 0.5 / max(axes[1], 0.05)),
        )  # fmt: skip

    def darken(self, points: Points, keep: float) -> None:
        """Darken what was drawn inside a world polygon (n,3), with soft edges, by `keep`."""
        points = clip_near(points)
        if len(points) < 3:
            return
        corners = self._project(points)
        limit = [self.camera.width, self.camera.height]
        low = np.clip(np.floor(corners.min(0)).astype(int) - 4, 0, limit)
        high = np.clip(np.ceil(corners.max(0)).astype(int) + 4, 0, limit)
        if (high - low < 2).any():
            return
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        fixed = np.round((corners - low) * (1 << SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [fixed], (255.0,), cv2.LINE_AA, SHIFT)
        wide = int(np.clip((high[0] - low[0]) / 12, 1, 20)) * 2 + 1
        mask = cv2.blur(mask, (wide, max(3, wide // 3 | 1))).astype(np.uint8)
        dark = cv2.multiply(self.albedo[window], cv2.merge([mask] * 3), scale=(1 - keep) / 255)
        self.albedo[window] = cv2.subtract(self.albedo[window], dark)

    def sprite(
        self, rgba: Rgba, foot: Points, size: tuple[float, float], tag: int, finish: Finish = LEAVES
    ) -> None:
        """Paste an upright picture (h,w,4) that faces the camera.

        Args:
            rgba: the picture.
            foot: (3,) world point at the middle of its lower edge.
            size: width and height, metres.
            tag: label.
            finish: how it answers light.
        """
        if foot[2] < 1.2:
            return
        scale = self.camera.focal / foot[2]
        width = max(1, round(size[0] * scale))
        height = max(1, round(size[1] * scale))
        pixel = self._project(foot)
        x = round(pixel[0] - width / 2)
        y = round(pixel[1] - height)
        x1, y1 = max(x, 0), max(y, 0)
        x2, y2 = min(x + width, self.camera.width), min(y + height, self.camera.height)
        if x2 <= x1 or y2 <= y1:
            return
        # The picture is resampled where it is visible alone: a near tree exceeds the image.
        sx, sy = rgba.shape[1] / width, rgba.shape[0] / height
        left, top = int((x1 - x) * sx), int((y1 - y) * sy)
        right = max(left + 1, int(np.ceil((x2 - x) * sx)))
        bottom = max(top + 1, int(np.ceil((y2 - y) * sy)))
        how = cv2.INTER_AREA if sx > 1 else cv2.INTER_LINEAR
        part = cv2.resize(rgba[top:bottom, left:right], (x2 - x1, y2 - y1), interpolation=how)
        face = self.surface(
            np.array([0.0, 0.0, -1.0]), foot, (foot[2] - 0.1, foot[2] + 0.1), tag, finish
        )
        self._blend((slice(y1, y2), slice(x1, x2)), part, face)

    def _blend(
        self, window: tuple[slice, slice], part: NDArray[np.uint8], face: int
    ) -> None:
        """Lay a picture (h,w,4) over a window."""
        alpha = part[..., 3]
        if not alpha.any():
            return
        weight = cv2.merge([alpha] * 3)
        under = cv2.multiply(self.albedo[window], cv2.bitwise_not(weight), scale=1 / 255)
        over = cv2.multiply(np.ascontiguousarray(part[..., :3]), weight, scale=1 / 255)
        self.albedo[window] = cv2.add(under, over)
        self.face[window][alpha > 127] = face

    def picture(  # noqa: PLR0917
        self,
        texture: list[NDArray[np.uint8]],
        corners: Points,
        tag: int,
        finish: Finish = MATT,
        bulge: Bulge | None = None,
    ) -> None:
        """Warp a texture onto a world quadrilateral.

        Args:
            texture: (h,w,3) or (h,w,4), and its halved copies.
            corners: (4,3) top left, top right, bottom right and bottom left, ahead of the camera.
            tag: label.
            finish: how it answers light.
            bulge: bends the normals.
        """
        if corners[:, 2].min() < NEAR:
            return
        pixels = self._project(corners)
        limit = [self.camera.width, self.camera.height]
        low = np.clip(np.floor(pixels.min(0)).astype(int), 0, limit)
        high = np.clip(np.ceil(pixels.max(0)).astype(int) + 1, 0, limit)
        if (high - low < 1).any():
            return
        normal = self._normal(corners[1] - corners[0], corners[3] - corners[0], corners[0])
        z = corners[:, 2]
        face = self.surface(
            normal, corners[0], (float(z.min()), float(z.max())), tag, finish, bulge
        )
        span = max(float(np.linalg.norm(pixels[1] - pixels[0])), 1.0)
        tall = max(float(np.linalg.norm(pixels[3] - pixels[0])), 1.0)
        ratio = max(texture[0].shape[1] / span, texture[0].shape[0] / tall)
        source = texture[int(np.clip(np.log2(ratio) + 0.2, 0, len(texture) - 1))]
        h, w = source.shape[:2]
        frame = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        matrix = cv2.getPerspectiveTransform(frame, (pixels - low).astype(np.float32))
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        warped = cv2.warpPerspective(
            source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        mask = np.zeros(size[::-1], np.uint8)
        fixed = np.round((pixels - low) * (1 << SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(mask, fixed, (255.0,), cv2.LINE_AA, SHIFT)
        if warped.shape[2] == 4:
            mask = cv2.min(mask, np.ascontiguousarray(warped[..., 3]))
        part = np.dstack((warped[..., :3], mask))
        self._blend((slice(low[1], high[1]), slice(low[0], high[0])), part, face)


def _outside(pixels: Points, camera: Camera) -> bool:
    left, top = pixels.min(0).tolist()
    right, bottom = pixels.max(0).tolist()
    return bool(right < 0 or bottom < 0 or left > camera.width or top > camera.height)
