"""Pictures in every pixel format, and what OpenCV makes of them."""

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def rgb(height: int, width: int) -> Bytes:
    """Noise over a slope, without a pattern that resizing hides."""
    rng = np.random.default_rng(height * 1000 + width)
    slope = np.add.outer(np.arange(height) * 3, np.arange(width))[..., None] + np.array(
        [0, 80, 160]
    )
    noise = rng.integers(0, 80, (height, width, 3))
    made: Bytes = ((slope + noise) % 256).astype(np.uint8)
    return made


def nv12(height: int, width: int) -> Bytes:
    """Every byte, also those outside the limited range: (h * 3 / 2, w)."""
    rng = np.random.default_rng(height + width)
    return rng.integers(0, 256, (height * 3 // 2, width), np.uint8)


def bt601(image: Bytes) -> Bytes:
    """What OpenCV makes of one array of NV12."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_YUV2RGB_NV12), np.uint8)


def bt709(image: Bytes) -> Bytes:
    """The formula of BT.709-6 for the limited range, in double precision."""
    height = image.shape[0] // 3 * 2
    chroma = image[height:].reshape(height // 2, -1, 2).astype(np.float64)
    u, v = np.moveaxis((chroma - 128).repeat(2, 0).repeat(2, 1), 2, 0)
    y = (np.maximum(image[:height], 16) - 16.0) * 255 / 219
    kr = 0.2126
    kb = 0.0722
    r = y + v * 255 / 224 * 2 * (1 - kr)
    b = y + u * 255 / 224 * 2 * (1 - kb)
    g = (
        y
        - u * 255 / 224 * 2 * (1 - kb) * kb / (1 - kr - kb)
        - v * 255 / 224 * 2 * (1 - kr) * kr / (1 - kr - kb)
    )
    made: Bytes = np.rint(np.stack((r, g, b), 2).clip(0, 255)).astype(np.uint8)
    return made
