"""A pinhole camera, and the canvas on which a scene is drawn.

Draw far things first. Colours are anti-aliased, and labels are not. World coordinates are metres in
the camera's frame: x to the right, y up from the road, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Colour = tuple[float, float, float]
NEAR = 0.5  # metres; parts that are nearer are cut off
SHIFT = 4  # sub-pixel bits of OpenCV's polygons
LIMIT = 20_000.0  # pixels; keeps fixed-point coordinates in range


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        width: of the image, pixels.
        height: of the image, pixels.
        focal: focal length, pixels.
        horizon: image row of points at infinity on the road. The camera's pitch moves it.
        altitude: height above the road, metres.
    """

    width: int
    height: int
    focal: float
    horizon: float
    altitude: float

    def project(self, points: Points) -> Points:
        """Project world points (n,3) with z > 0 to pixels (n,2), x to the right and y down."""
        z = points[:, 2]
        u = self.width / 2 + self.focal * points[:, 0] / z
        v = self.horizon + self.focal * (self.altitude - points[:, 1]) / z
        return np.clip(np.stack((u, v), 1), -LIMIT, LIMIT)


def clip_near(points: Points) -> Points:
    """Cut off the part of a polygon (n,3) that is nearer than `NEAR` (Sutherland-Hodgman)."""
    inside = points[:, 2] >= NEAR
    if inside.all():
        return points
    if not inside.any():
        return points[:0]
    out = []
    for i in range(len(points)):
        a = points[i - 1]
        b = points[i]
        if inside[i] != inside[i - 1]:
            t = (NEAR - a[2]) / (b[2] - a[2])
            out.append(a + t * (b - a))
        if inside[i]:
            out.append(b)
    return np.array(out)


@dataclass
class Canvas:
    """An image and its label map, on which haze fades distant colours.

    Attributes:
        camera: projects the world.
        image: (H,W,3) uint8 RGB.
        label: (H,W) int32, class + 256 * id.
        haze: RGB colour of the air.
        range: distance in metres at which the share 1/e of a colour remains.
        mask: (H,W) uint8 scratch memory.
    """

    camera: Camera
    image: NDArray[np.uint8]
    label: NDArray[np.int32]
    haze: Colour
    range: float
    mask: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        self.mask = np.zeros(self.image.shape[:2], np.uint8)

    def through_air(self, colour: Colour, z: float) -> Colour:
        """Return a colour as seen through `z` metres of air."""
        clear = float(np.exp(-max(z, 0.0) / self.range))
        r, g, b = (c * clear + h * (1 - clear) for c, h in zip(colour, self.haze, strict=True))
        return r, g, b

    def polygon(self, points: Points, colour: Colour, tag: int | None) -> None:
        """Fill a world polygon (n,3). With `tag` None, the label map does not change."""
        points = clip_near(points)
        if len(points) < 3:
            return
        self.pixels(
            self.camera.project(points), self.through_air(colour, float(points[:, 2].mean())), tag
        )

    def pixels(self, corners: Points, colour: Colour, tag: int | None) -> None:
        """Fill a polygon given in pixels (n,2), see `polygon`."""
        fixed = np.round(corners * (1 << SHIFT)).astype(np.int32)
        cv2.fillPoly(self.image, [fixed], colour, cv2.LINE_AA, SHIFT)
        if tag is not None:
            cv2.fillPoly(self.label, [fixed], (float(tag),), cv2.LINE_8, SHIFT)

    def disc(
        self, centre: Points, axes: tuple[float, float], colour: Colour, tag: int | None
    ) -> None:
        """Fill an upright ellipse with a world centre (3,) and semi-axes in metres."""
        if centre[2] < NEAR:
            return
        pixel = self.camera.project(centre[None])[0]
        scale = self.camera.focal / centre[2]
        angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        ring = pixel + np.stack((np.cos(angle) * axes[0], np.sin(angle) * axes[1]), 1) * scale
        self.pixels(ring, self.through_air(colour, float(centre[2])), tag)

    def limb(self, a: Points, b: Points, width: float, colour: Colour, tag: int | None) -> None:
        """Draw a bar from world point a (3,) to b (3,), `width` metres thick."""
        if min(a[2], b[2]) < NEAR:
            return
        p, q = self.camera.project(np.stack((a, b)))
        along = q - p
        normal = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        half = normal * width / 2 * self.camera.focal / float((a[2] + b[2]) / 2)
        self.pixels(
            np.stack((p + half, q + half, q - half, p - half)),
            self.through_air(colour, float(a[2])),
            tag,
        )

    def shade(self, points: Points, keep: float) -> None:
        """Darken a world polygon (n,3) on the ground, with soft edges, by the factor `keep`."""
        points = clip_near(points)
        if len(points) < 3:
            return
        corners = self.camera.project(points)
        low = np.clip(
            np.floor(corners.min(0)).astype(int) - 3, 0, [self.camera.width, self.camera.height]
        )
        high = np.clip(
            np.ceil(corners.max(0)).astype(int) + 3, 0, [self.camera.width, self.camera.height]
        )
        if (high - low < 2).any():
            return
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillPoly(
            mask,
            [np.round((corners - low) * (1 << SHIFT)).astype(np.int32)],
            (255.0,),
            cv2.LINE_AA,
            SHIFT,
        )
        mask = cv2.blur(mask, (5, 3)).astype(np.uint8)
        gain = cv2.merge([mask] * 3)
        dark = cv2.multiply(self.image[window], gain, scale=(1 - keep) / 255)
        self.image[window] = cv2.subtract(self.image[window], dark)

    def billboard(
        self,
        rgba: NDArray[np.uint8],
        foot: Points,
        size: tuple[float, float],
        tag: int,
        gain: float,
    ) -> None:
        """Paste an upright picture.

        Args:
            rgba: (h,w,4) uint8.
            foot: (3,) world point at the middle of its lower edge.
            size: width and height, metres.
            tag: label.
            gain: brightness.
        """
        if foot[2] < 1.5:
            return
        scale = self.camera.focal / foot[2]
        width = max(1, round(size[0] * scale))
        height = max(1, round(size[1] * scale))
        pixel = self.camera.project(foot[None])[0]
        x = round(pixel[0] - width / 2)
        y = round(pixel[1] - height)
        x1 = max(x, 0)
        y1 = max(y, 0)
        x2 = min(x + width, self.camera.width)
        y2 = min(y + height, self.camera.height)
        if x2 <= x1 or y2 <= y1:
            return
        # Only the visible part of the picture is resampled, because a tree beside the camera is far
        # larger than the image.
        sx = rgba.shape[1] / width
        sy = rgba.shape[0] / height
        left = int((x1 - x) * sx)
        top = int((y1 - y) * sy)
        right = max(left + 1, int(np.ceil((x2 - x) * sx)))
        bottom = max(top + 1, int(np.ceil((y2 - y) * sy)))
        how = cv2.INTER_AREA if sx > 1 else cv2.INTER_LINEAR
        part = cv2.resize(rgba[top:bottom, left:right], (x2 - x1, y2 - y1), interpolation=how)
        clear = float(np.exp(-float(foot[2]) / self.range))
        colour = part[..., :3] * np.float32(gain * clear) + np.float32(1 - clear) * np.array(
            self.haze, np.float32
        )
        alpha = part[..., 3:].astype(np.float32) / 255
        window = (slice(y1, y2), slice(x1, x2))
        self.image[window] = np.clip(
            self.image[window] * (1 - alpha) + colour * alpha, 0, 255
        ).astype(np.uint8)
        self.label[window][part[..., 3] > 127] = tag

    def facade(
        self, texture: list[NDArray[np.uint8]], corners: Points, tag: int, gain: float
    ) -> None:
        """Warp a texture onto a world quadrilateral.

        Args:
            texture: the texture and its halved copies, see `mapt.synthetic.rendering.textures`.
            corners: (4,3) top left, top right, bottom right and bottom left.
            tag: label.
            gain: brightness.
        """
        pixels = self.camera.project(corners)
        low = np.clip(
            np.floor(pixels.min(0)).astype(int), 0, [self.camera.width, self.camera.height]
        )
        high = np.clip(
            np.ceil(pixels.max(0)).astype(int) + 1, 0, [self.camera.width, self.camera.height]
        )
        if (high - low < 1).any():
            return
        span = max(float(np.ptp(pixels[:, 0])), 1.0)
        level = int(np.clip(np.log2(texture[0].shape[1] / span) + 0.3, 0, len(texture) - 1))
        source = texture[level]
        h, w = source.shape[:2]
        frame = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        matrix = cv2.getPerspectiveTransform(frame, (pixels - low).astype(np.float32))
        width = int(high[0] - low[0])
        height = int(high[1] - low[1])
        warped = cv2.warpPerspective(
            source, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        mask = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(
            mask,
            np.round((pixels - low) * (1 << SHIFT)).astype(np.int32),
            (255.0,),
            cv2.LINE_8,
            SHIFT,
        )
        clear = float(np.exp(-float(corners[:, 2].mean()) / self.range))
        haze = np.array([*(c * (1 - clear) for c in self.haze), 0.0])
        warped = cv2.add(cv2.convertScaleAbs(warped, alpha=gain * clear), haze)
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        cv2.copyTo(warped, mask, self.image[window])
        self.label[window][mask > 0] = tag
