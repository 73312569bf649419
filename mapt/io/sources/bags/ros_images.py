"""Turns ROS messages, sensor_msgs/Image and CompressedImage, into pictures. No ROS."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError, printable
from mapt.io.image_files import decode_rgb

TYPES = tuple(
    f"sensor_msgs/{middle}{name}"
    for middle in ("msg/", "")
    for name in ("Image", "CompressedImage")
)
# Encodings by their names in sensor_msgs/image_encodings: bytes a pixel, and OpenCV's conversion to
# RGB. OpenCV names a Bayer pattern by its second row in the older constants; these say the first.
PACKED: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "8UC4": (4, cv2.COLOR_BGRA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb8": (1, cv2.COLOR_BayerRGGB2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerBGGR2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGBRG2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGRBG2RGB),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUYV),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUYV),
}
PLANAR = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
SIXTEEN_BITS = ("rgb16", "rgba16", "bgr16", "bgra16", "mono16", "16UC1", "16SC1", "32FC1")


def to_rgb(message: Any, where: str) -> NDArray[np.uint8]:
    """Return an image message's picture, (H,W,3) uint8 RGB.

    Args:
        message: with the fields of sensor_msgs/Image or of sensor_msgs/CompressedImage.
        where: what messages call it.

    Raises:
        InputError: an encoding that is no picture of 8 bits a channel, or too few bytes.
    """
    if hasattr(message, "encoding"):
        return _raw(message, where)
    form = str(message.format)
    if "compressedDepth" in form:
        raise InputError(f"{where}: is a depth image; give a topic of colour images with --topic")
    return decode_rgb(bytes(message.data), where)


def _raw(message: Any, where: str) -> NDArray[np.uint8]:
    height = int(message.height)
    width = int(message.width)
    encoding = str(message.encoding)
    planar = PLANAR.get(encoding)
    size, conversion = PACKED.get(encoding, (1, planar))
    if encoding not in PACKED and planar is None:
        raise InputError(f"{where}: {_refusal(encoding)}")
    row = width * size
    step = int(message.step) or row
    rows = height * 3 // 2 if planar is not None else height
    data = np.frombuffer(message.data, np.uint8)
    odd = (planar is not None and (height % 2 or width % 2)) or (size == 2 and width % 2)
    if height < 1 or width < 1 or step < row or data.size < step * rows or odd:
        raise InputError(
            f"{where}: an image of {width}x{height} {encoding} cannot have {data.size} bytes in"
            f" rows of {step}; record it again"
        )
    pixels = np.ascontiguousarray(data[: step * rows].reshape(rows, step)[:, :row])
    if size > 1:
        pixels = pixels.reshape(rows, width, size)
    if conversion is None:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)


def _refusal(encoding: str) -> str:
    if encoding in SIXTEEN_BITS or encoding.endswith("16"):
        return (
            f"its pixels are {printable(encoding)}, frames have 8 bits a channel; give another"
            " topic with --topic, or convert it"
        )
    return (
        f"the encoding {printable(encoding)!r} is unknown; it can be"
        f" {', '.join((*PACKED, *PLANAR))}"
    )
