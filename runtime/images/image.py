"""Checks what `step` was given as an image: its memory, its shape, and the order of its colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError, suggest
from mapt.runtime.images.arrays import DeviceArrayView, Plane, is_device, read_array
from mapt.runtime.images.yuv import MATRICES, nv12_to_rgb
from mapt.runtime.perception.preprocess import check_size
from mapt.runtime.perception.workspace import Workspace

# NV12 is of the limited range, brightness 16..235. `nv12` means BT.601, as OpenCV does, and
# `nv12-709` BT.709, which decoders of HD video give.
PixelFormat = Literal["rgb", "bgr", "nv12", "nv12-709"]
NEEDS = {
    "rgb": "step() needs uint8 (height, width, 3) RGB",
    "bgr": "step() needs uint8 (height, width, 3) for pixel_format='bgr'",
    "nv12": (
        "step() needs uint8 (height * 3 / 2, width) for pixel_format='nv12', or a pair of the"
        " planes (height, width) and (height / 2, width / 2, 2), of even sides"
    ),
}
NEEDS["nv12-709"] = NEEDS["nv12"].replace("'nv12'", "'nv12-709'")


@dataclass(frozen=True)
class CameraImage:
    """An image that can be made the network's input.

    Attributes:
        height, width: pixels.
        pixel_format: the order of its colours.
        pixels: (h,w,3), or of NV12 the brightness (h,w).
        chroma: of NV12 (h/2,w/2,2); None of others.
    """

    height: int
    width: int
    pixel_format: PixelFormat
    pixels: Plane
    chroma: Plane | None = None

    @property
    def on_device(self) -> bool:
        """It lies in a GPU's memory."""
        return isinstance(self.pixels, DeviceArrayView)


def read_image(
    image: object, pixel_format: PixelFormat, reading_stream: Callable[[], int] | None = None
) -> CameraImage:
    """Check an image and find its planes, without a copy.

    Args:
        image: an array of any library that `read_array` takes, or of NV12 a pair of them.
        pixel_format: the order of its colours.
        reading_stream: gives the stream on which a GPU will read it; it is called only for an image
            in a GPU's memory.

    Raises:
        InputError: wrong type, dtype, shape, strides or size, or an unknown format.
    """
    if pixel_format not in get_args(PixelFormat):
        known = suggest(str(pixel_format), get_args(PixelFormat))
        raise InputError(f"pixel_format {pixel_format!r} is unknown; {known}")
    needs = NEEDS[pixel_format]
    parts = image if isinstance(image, tuple) and pixel_format.startswith("nv12") else (image,)
    devices = {is_device(part) for part in parts}
    if len(devices) > 1:
        raise InputError("image is a plane on the host and one on a GPU; give both on one of them")
    stream = reading_stream() if devices == {True} and reading_stream else None
    planes = [read_array(part, needs, stream) for part in parts]
    return (_nv12 if pixel_format.startswith("nv12") else _packed)(planes, pixel_format)


def _packed(planes: list[Plane], pixel_format: PixelFormat) -> CameraImage:
    """An image of three channels."""
    plane = planes[0]
    if plane.ndim != 3 or plane.shape[2] != 3:
        raise InputError(f"image is uint8 {plane.shape}; {NEEDS[pixel_format]}")
    height, width, _ = plane.shape
    check_size(plane.shape, height, width)
    return CameraImage(height, width, pixel_format, plane)


def _nv12(planes: list[Plane], pixel_format: PixelFormat) -> CameraImage:
    """An image of brightness and colour at half its size, in one array or two."""
    told = " and ".join(str(plane.shape) for plane in planes)
    wrong = InputError(f"image is uint8 {told}; {NEEDS[pixel_format]}")
    flat = [_without_channel(plane) for plane in planes]
    if len(flat) not in (1, 2) or flat[0].ndim != 2 or flat[-1].ndim not in (2, 3):
        raise wrong
    rows, width = flat[0].shape
    height = rows // 3 * 2 if len(flat) == 1 else rows
    check_size(planes[0].shape, height, width)
    if len(flat) == 1:
        if rows % 3:
            raise wrong
        flat = [_rows(flat[0], 0, height), _rows(flat[0], height, rows)]
    chroma = _paired(flat[1])
    if height % 2 or width % 2 or chroma.shape != (height // 2, width // 2, 2):
        raise wrong
    if flat[0].strides[1] != 1 or chroma.strides[1:] != (2, 1):
        raise InputError(
            f"image has strides {flat[0].strides} and {chroma.strides}; NV12 needs rows without"
            " gaps between their pixels"
        )
    return CameraImage(height, width, pixel_format, flat[0], chroma)


def _without_channel(plane: Plane) -> Plane:
    """(h,w) of (h,w,1), as some libraries give a plane."""
    if plane.ndim != 3 or plane.shape[2] != 1:
        return plane
    if isinstance(plane, np.ndarray):
        return plane[:, :, 0]
    return _view(plane, plane.shape[:2], plane.strides[:2])


def _rows(plane: Plane, start: int, stop: int) -> Plane:
    if isinstance(plane, np.ndarray):
        return plane[start:stop]
    return _view(plane, (stop - start, plane.shape[1]), plane.strides, start * plane.strides[0])


def _paired(plane: Plane) -> Plane:
    """(h/2,w/2,2) of rows (h/2,w) in which Cb and Cr alternate."""
    if plane.ndim == 3 or plane.shape[1] % 2:
        return plane
    shape = (plane.shape[0], plane.shape[1] // 2, 2)
    strides = (plane.strides[0], 2 * plane.strides[1], plane.strides[1])
    if isinstance(plane, np.ndarray):
        return np.lib.stride_tricks.as_strided(plane, shape, strides, writeable=False)
    return _view(plane, shape, strides)


def _view(
    plane: DeviceArrayView, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0
) -> DeviceArrayView:
    return DeviceArrayView(plane.address + offset, shape, strides, plane.stream, plane.owner)


def host_pixels(image: CameraImage, workspace: Workspace) -> tuple[NDArray[np.uint8], bool]:
    """The pixels (h,w,3) of an image on the host, and whether they are BGR.

    NV12 becomes RGB in the workspace. BGR stays: its channels are swapped after resizing, when
    there are fewer.
    """
    pixels = image.pixels
    assert isinstance(pixels, np.ndarray)
    if image.chroma is None:
        return pixels, image.pixel_format == "bgr"
    assert isinstance(image.chroma, np.ndarray)
    out = workspace.take("rgb", (image.height, image.width, 3), np.uint8)
    nv12_to_rgb(pixels, image.chroma, MATRICES[image.pixel_format], out)
    return out, False
