"""The image kernel as loops on the host (csrc/shim), beside the CPU's path through OpenCV."""

import ctypes

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime.images.image import CameraImage, PixelFormat, host_pixels, read_image
from mapt.runtime.images.kernel import ImageKernel, parameters
from mapt.runtime.perception.preprocess import Letterbox, fit, to_input
from mapt.runtime.perception.workspace import Workspace
from tests.csrc import cuda_source
from tests.runtime.images.gpu_standin import Interface, library
from tests.runtime.images.pictures import Bytes, nv12, rgb

pytestmark = cuda_source.needs_compiler

INPUT = (64, 96)
SIZES = [
    *((64, 96), (375, 1242), (33, 47), (7, 301), (301, 7), (1, 1), (61, 95), (200, 96)),
    *((63, 95), (128, 192), (65, 97), (2, 3), (720, 1280)),
]
EVEN = [(64, 96), (376, 1242), (34, 46), (2, 2), (300, 8), (720, 1280)]


def run(image: CameraImage, place: Letterbox, size: tuple[int, int] = INPUT) -> Bytes:
    """The kernel's input (1,H,W,3); memory that it does not write stays 0xee."""
    out = np.full((1, *size, 3), 0xEE, np.uint8)
    summary = np.full((size[0], 2), 0xEEEEEEEE, np.uint32)
    kernel = ImageKernel(library())
    workspace = ctypes.create_string_buffer(kernel.workspace(*size) + 256)
    aligned = (ctypes.addressof(workspace) + 255) // 256 * 256
    kernel.preprocess(
        parameters(image, place, size, out.ctypes.data, summary.ctypes.data), aligned, 0
    )
    inner = out[0, : place.inner_height, : place.inner_width].reshape(place.inner_height, -1)
    rows = summary[: place.inner_height, 0]
    np.testing.assert_array_equal(rows % 256, inner.min(1))
    np.testing.assert_array_equal(rows // 256, inner.max(1))
    assert (summary[place.inner_height :] == 0xEEEEEEEE).all()
    return out


def compare(array: object, host: object, pixel_format: PixelFormat = "rgb") -> Bytes:
    """Difference of the kernel's input and OpenCV's, in grey levels."""
    image = read_image(array, pixel_format)
    other = read_image(host, pixel_format)
    place = fit(image.height, image.width, *INPUT)
    pixels, bgr = host_pixels(other, Workspace())
    want = to_input(pixels, place, *INPUT, bgr=bgr)
    got = run(image, place)
    assert not got[0, place.inner_height :].any() and not got[0, :, place.inner_width :].any()
    difference: Bytes = np.abs(got.astype(np.int16) - want).astype(np.uint8)
    return difference


@pytest.mark.parametrize("pixel_format", ["rgb", "bgr"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_it_resizes_pads_and_swaps_as_opencv_does(
    height: int, width: int, pixel_format: PixelFormat
) -> None:
    picture = rgb(height, width)
    difference = compare(Interface(picture), picture, pixel_format)
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


@pytest.mark.parametrize("pixel_format", ["nv12", "nv12-709"])
@pytest.mark.parametrize(("height", "width"), EVEN)
def test_it_converts_nv12_as_the_host_does(
    height: int, width: int, pixel_format: PixelFormat
) -> None:
    picture = nv12(height, width)
    difference = compare(Interface(picture), picture, pixel_format)
    assert difference.max() <= 1


@pytest.mark.parametrize("layout", ["pitch", "flipped", "planar", "every other", "transposed"])
def test_any_strides_are_read(layout: str) -> None:
    picture = rgb(90, 61)
    if layout == "pitch":
        padded = np.full((90, 256), 7, np.uint8)
        strided = np.lib.stride_tricks.as_strided(padded, (90, 61, 3), (256, 3, 1))
        strided[:] = picture
    elif layout == "flipped":
        strided = np.ascontiguousarray(picture[::-1, ::-1])[::-1, ::-1]
    elif layout == "planar":
        strided = np.ascontiguousarray(picture.transpose(2, 0, 1)).transpose(1, 2, 0)
    elif layout == "every other":
        strided = picture.repeat(2, 1)[:, ::2]
    else:
        strided = np.asfortranarray(picture)
    for pixel_format in ("rgb", "bgr"):
        assert compare(Interface(strided), picture, pixel_format).max() <= 1


def test_nv12_has_a_pitch_and_its_planes_may_lie_apart() -> None:
    picture = nv12(48, 62)
    pitch = np.full((72, 512), 9, np.uint8)
    pitch[:, :62] = picture
    planes = pitch[:48, :62].copy(), picture[48:].copy().reshape(24, 31, 2)
    for given in (pitch[:, :62], picture[..., None]):
        assert compare(Interface(given), picture, "nv12").max() <= 1
    apart = tuple(Interface(plane) for plane in planes)
    assert compare(apart, picture, "nv12").max() <= 1
    flat = Interface(planes[0]), Interface(planes[1].reshape(24, 62))
    assert compare(flat, picture, "nv12").max() <= 1


def test_the_order_of_threads_does_not_change_a_bit() -> None:
    picture = rgb(375, 1242)
    place = fit(375, 1242, 192, 640)
    image = read_image(Interface(picture), "rgb")
    want = run(image, place, (192, 640))
    loops = cuda_source.library()
    out = np.full_like(want, 0xEE)
    summary = np.zeros((2, 192, 2), np.uint32)
    results = []
    try:
        for index, backwards in enumerate((False, True)):
            cuda_source.backwards(backwards)
            told = parameters(image, place, (192, 640), out.ctypes.data, summary[index].ctypes.data)
            loops.preprocess.restype = ctypes.c_char_p
            assert loops.preprocess(ctypes.byref(told)) is None
            results.append(out.copy())
    finally:
        cuda_source.backwards(False)
    assert (results[0] == want).all() and (results[1] == want).all()
    assert (summary[0] == summary[1]).all()


def test_another_pixel_gives_another_hash() -> None:
    place = fit(64, 96, *INPUT)
    hashes = set()
    picture = rgb(64, 96)
    for change in range(5):
        picture[change, 3 * change, change % 3] ^= 1
        summary = np.zeros((64, 2), np.uint32)
        out = np.zeros((1, *INPUT, 3), np.uint8)
        image = read_image(Interface(picture), "rgb")
        told = parameters(image, place, INPUT, out.ctypes.data, summary.ctypes.data)
        cuda_source.library().preprocess(ctypes.byref(told))
        hashes.add(summary.tobytes())
    assert len(hashes) == 5


def test_a_library_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"does not load .*MAPT_BUILD=images"):
        ImageKernel(cuda_source.CSRC / "nothing.so")
