"""Pastes and warps pictures onto the surfaces of a scene, and darkens what lies below things."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import NEAR, SHIFT, Points, clip_near
from mapt.synthetic.varied.optics.raster import Raster
from mapt.synthetic.varied.optics.surfaces import LEAVES, MATT, Bulge, Finish

Rgba = NDArray[np.uint8]


def darken(raster: Raster, points: Points, keep: float) -> None:
    """Darken what was drawn inside a world polygon (n,3), with soft edges, by `keep`."""
    points = clip_near(points)
    if len(points) < 3:
        return
    corners = raster.project(points)
    limit = [raster.camera.width, raster.camera.height]
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
    dark = cv2.multiply(raster.albedo[window], cv2.merge([mask] * 3), scale=(1 - keep) / 255)
    raster.albedo[window] = cv2.subtract(raster.albedo[window], dark)


def sprite(
    raster: Raster,
    rgba: Rgba,
    foot: Points,
    size: tuple[float, float],
    tag: int,
    finish: Finish = LEAVES,
) -> None:
    """Paste an upright picture (h,w,4) that faces the camera.

    Args:
        raster: receives it.
        rgba: the picture.
        foot: (3,) world point at the middle of its lower edge.
        size: width and height, metres.
        tag: label.
        finish: how it answers light.
    """
    if foot[2] < 1.2:
        return
    scale = raster.camera.focal / foot[2]
    width = max(1, round(size[0] * scale))
    height = max(1, round(size[1] * scale))
    pixel = raster.project(foot)
    x = round(pixel[0] - width / 2)
    y = round(pixel[1] - height)
    x1 = max(x, 0)
    y1 = max(y, 0)
    x2 = min(x + width, raster.camera.width)
    y2 = min(y + height, raster.camera.height)
    if x2 <= x1 or y2 <= y1:
        return
    # The picture is resampled where it is visible alone: a near tree exceeds the image.
    sx = rgba.shape[1] / width
    sy = rgba.shape[0] / height
    left = int((x1 - x) * sx)
    top = int((y1 - y) * sy)
    right = max(left + 1, int(np.ceil((x2 - x) * sx)))
    bottom = max(top + 1, int(np.ceil((y2 - y) * sy)))
    how = cv2.INTER_AREA if sx > 1 else cv2.INTER_LINEAR
    cut = rgba[top:bottom, left:right]
    part = np.asarray(cv2.resize(cut, (x2 - x1, y2 - y1), interpolation=how), np.uint8)
    face = raster.surface(
        np.array([0.0, 0.0, -1.0]), foot, (foot[2] - 0.1, foot[2] + 0.1), tag, finish
    )
    _blend(raster, (slice(y1, y2), slice(x1, x2)), part, face)


def _blend(raster: Raster, window: tuple[slice, slice], part: NDArray[np.uint8], face: int) -> None:
    """Lay a picture (h,w,4) over a window."""
    alpha = part[..., 3]
    if not alpha.any():
        return
    weight = cv2.merge([alpha] * 3)
    under = cv2.multiply(raster.albedo[window], cv2.bitwise_not(weight), scale=1 / 255)
    over = cv2.multiply(np.ascontiguousarray(part[..., :3]), weight, scale=1 / 255)
    raster.albedo[window] = cv2.add(under, over)
    raster.face[window][alpha > 127] = face


def picture(
    raster: Raster,
    texture: list[NDArray[np.uint8]],
    corners: Points,
    tag: int,
    finish: Finish = MATT,
    bulge: Bulge | None = None,
) -> None:
    """Warp a texture onto a world quadrilateral.

    Args:
        raster: receives it.
        texture: (h,w,3) or (h,w,4), and its halved copies.
        corners: (4,3) top left, top right, bottom right and bottom left, ahead of the camera.
        tag: label.
        finish: how it answers light.
        bulge: bends the normals.
    """
    if corners[:, 2].min() < NEAR:
        return
    pixels = raster.project(corners)
    limit = [raster.camera.width, raster.camera.height]
    low = np.clip(np.floor(pixels.min(0)).astype(int), 0, limit)
    high = np.clip(np.ceil(pixels.max(0)).astype(int) + 1, 0, limit)
    if (high - low < 1).any():
        return
    normal = raster.facing_normal(corners[1] - corners[0], corners[3] - corners[0], corners[0])
    z = corners[:, 2]
    face = raster.surface(normal, corners[0], (float(z.min()), float(z.max())), tag, finish, bulge)
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
    _blend(raster, (slice(low[1], high[1]), slice(low[0], high[0])), part, face)
