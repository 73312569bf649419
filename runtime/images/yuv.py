"""The colours of video, brightness and two differences, as RGB.

Source: ITU-R BT.601-7 and BT.709-6, with the limited range: brightness 16..235, differences
16..240.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

ONE = 1 << 20


@dataclass(frozen=True)
class YuvMatrix:
    """What each part adds to a colour, in units of 2^-20.

    Attributes:
        y: brightness, to every colour.
        u_to_b, u_to_g: the difference of blue.
        v_to_g, v_to_r: the difference of red.
    """

    y: int
    u_to_b: int
    u_to_g: int
    v_to_g: int
    v_to_r: int


BT601 = YuvMatrix(1220542, 2116026, -409993, -852492, 1673527)  # OpenCV's numbers
BT709 = YuvMatrix(1220945, 2215014, -223607, -558796, 1879825)
MATRICES = {"nv12": BT601, "nv12-709": BT709}


def nv12_to_rgb(
    light: NDArray[np.uint8], chroma: NDArray[np.uint8], matrix: YuvMatrix, out: NDArray[np.uint8]
) -> None:
    """Write the RGB image (h,w,3) of NV12's planes (h,w) and (h/2,w/2,2).

    The four pixels of a block have the same chroma.
    """
    if matrix is BT601:
        cv2.cvtColorTwoPlane(light, chroma, cv2.COLOR_YUV2RGB_NV12, out)
        return
    size = light.shape[1], light.shape[0]
    large = cv2.resize(chroma, size, interpolation=cv2.INTER_NEAREST)
    # As OpenCV does with BT.601, what is blacker than black is black.
    yuv = cv2.merge((cv2.max(light, 16), large[..., 0], large[..., 1]))  # type: ignore[call-overload]
    cv2.transform(yuv, _affine(matrix), out)


def _affine(matrix: YuvMatrix) -> NDArray[np.float32]:
    """The matrix (3,4) from (Y,U,V,1) to RGB."""
    linear = np.array(
        [
            [matrix.y, 0, matrix.v_to_r],
            [matrix.y, matrix.u_to_g, matrix.v_to_g],
            [matrix.y, matrix.u_to_b, 0],
        ],
        np.float64,
    )
    offset = linear @ np.array([-16.0, -128.0, -128.0])
    return (np.column_stack((linear, offset)) / ONE).astype(np.float32)
