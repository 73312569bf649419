"""The library with the kernels for images and labels in a GPU's memory.

csrc/images builds it beside the runtime; it needs neither PyTorch nor ONNX Runtime.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from mapt.errors import InputError
from mapt.runtime.backends.operators import FOLDER
from mapt.runtime.images.arrays import DeviceArrayView
from mapt.runtime.images.image import CameraImage
from mapt.runtime.images.yuv import MATRICES, YuvMatrix
from mapt.runtime.perception.preprocess import Letterbox

VERSION = 1
NV12 = 1
REBUILD = (
    "build it where nvcc is: MAPT_BUILD=images pip install --no-build-isolation -e . (in a"
    " checkout), or keep to host arrays"
)
_POINTERS = ("pixels", "chroma", "out", "summary")
_SIZES = (
    *("height", "width", "row_stride", "column_stride", "channel_stride", "chroma_stride"),
    *("layout", "inner_height", "inner_width", "out_height", "out_width"),
    *("y", "u_to_b", "u_to_g", "v_to_g", "v_to_r"),
)


class Preprocess(ctypes.Structure):
    """As in csrc/operators/preprocess/params.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in _POINTERS),
        *((name, ctypes.c_int64) for name in _SIZES),
    )


def parameters(
    image: CameraImage, letterbox: Letterbox, input_size: tuple[int, int], out: int, summary: int
) -> Preprocess:
    """What the kernel is told.

    Args:
        image: in a GPU's memory.
        letterbox: its place in the input.
        input_size: (H, W) of the network.
        out: address of the input.
        summary: address of (H,2) uint32.
    """
    pixels = image.pixels
    chroma = image.chroma
    assert isinstance(pixels, DeviceArrayView)
    matrix = MATRICES.get(image.pixel_format, YuvMatrix(0, 0, 0, 0, 0))
    channel = pixels.strides[2] if pixels.ndim == 3 else 0
    last = 2 * channel if image.pixel_format == "bgr" else 0  # channels are read from the last on
    return Preprocess(
        pixels=pixels.address + last,
        chroma=chroma.address if isinstance(chroma, DeviceArrayView) else None,
        out=out,
        summary=summary,
        height=image.height,
        width=image.width,
        row_stride=pixels.strides[0],
        column_stride=pixels.strides[1],
        channel_stride=-channel if last else channel,
        chroma_stride=chroma.strides[0] if chroma is not None else 0,
        layout=NV12 if chroma is not None else 0,
        inner_height=letterbox.inner_height,
        inner_width=letterbox.inner_width,
        out_height=input_size[0],
        out_width=input_size[1],
        y=matrix.y,
        u_to_b=matrix.u_to_b,
        u_to_g=matrix.u_to_g,
        v_to_g=matrix.v_to_g,
        v_to_r=matrix.v_to_r,
    )


class RenderLabels(ctypes.Structure):
    """As in csrc/operators/render_labels/params.h."""

    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in ("semantic", "instance", "rows", "columns", "out_semantic", "out_instance")
        ),
        *((name, ctypes.c_int64) for name in ("in_width", "height", "width")),
    )


class ImageKernel:
    """The kernels of a library.

    Args:
        library: its file.

    Raises:
        InputError: it does not load, or is of another version.
    """

    def __init__(self, library: Path) -> None:
        try:
            loaded = ctypes.CDLL(str(library))
            version = int(loaded.mapt_images_version())
            self._preprocess = loaded.mapt_preprocess
            self._render_labels = loaded.mapt_render_labels
            self._workspace = loaded.mapt_preprocess_workspace
        except (OSError, AttributeError) as error:
            raise InputError(f"{library}: does not load ({error}); {REBUILD}") from None
        if version != VERSION:
            raise InputError(f"{library}: is version {version}, not {VERSION}; {REBUILD}")
        self._workspace.restype = ctypes.c_int64
        for function, pointers in ((self._preprocess, 2), (self._render_labels, 1)):
            function.restype = ctypes.c_char_p
            function.argtypes = (ctypes.c_void_p, *[ctypes.c_void_p] * pointers)

    def workspace(self, height: int, width: int) -> int:
        """The bytes of device memory that `preprocess` works in, for an input of that size."""
        sizes = Preprocess(inner_height=height, inner_width=width)
        return int(self._workspace(ctypes.byref(sizes)))

    def preprocess(self, told: Preprocess, workspace: int, stream: int) -> None:
        """Queue it on a stream.

        Raises:
            RuntimeError: CUDA refuses it.
        """
        _check(self._preprocess(ctypes.addressof(told), workspace, stream))

    def render_labels(self, told: RenderLabels, stream: int) -> None:
        """Queue it on a stream.

        Raises:
            RuntimeError: CUDA refuses it.
        """
        _check(self._render_labels(ctypes.addressof(told), stream))


def _check(error: bytes | None) -> None:
    if error:
        raise RuntimeError(f"the image kernel: {error.decode()}")


def find_library() -> Path:
    """The library's file.

    Raises:
        InputError: it was not built.
    """
    built = sorted(FOLDER.glob("_images*.so"))
    if not built:
        frozen = " into this frozen program" if getattr(sys, "frozen", False) else ""
        raise InputError(
            f"images and labels in a GPU's memory need MAPT's image kernel, which was not"
            f" built{frozen}; {REBUILD}"
        )
    return built[0]
