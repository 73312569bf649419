"""How an image lies in the network's input, and how results come back."""

import hashlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapt.errors import InputError
from mapt.runtime import PanopticTracker
from mapt.runtime.perception.preprocess import fit, to_image, to_input

SIZES = [(64, 96), (375, 1242), (33, 47), (7, 301), (301, 7), (1, 1), (61, 95), (200, 96)]


def image(height: int, width: int) -> np.ndarray:
    """No pixel is black."""
    return np.random.default_rng(0).integers(1, 256, (height, width, 3), np.uint8)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 2000), st.integers(1, 2000))
@example(66, 97)  # a little too large
@example(61, 92)  # a little too small
def test_the_aspect_is_kept_and_the_input_filled(height: int, width: int) -> None:
    place = fit(height, width, 64, 96)
    assert 1 <= place.inner_height <= 64 and 1 <= place.inner_width <= 96
    scale = min(64 / height, 96 / width)
    if 1 <= scale < 1.05:  # not resampled
        assert (place.inner_height, place.inner_width) == (height, width)
    else:
        assert place.inner_height == 64 or place.inner_width == 96
        assert abs(place.inner_height - max(1, height * scale)) <= 0.5
        assert abs(place.inner_width - max(1, width * scale)) <= 0.5
    assert place.scale == (width / place.inner_width, height / place.inner_height)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_zeros_fill_the_right_and_the_bottom_only(height: int, width: int) -> None:
    place = fit(height, width, 64, 96)
    out = to_input(image(height, width), place, 64, 96)
    assert out.shape == (1, 64, 96, 3) and out.dtype == np.uint8
    assert out[0, : place.inner_height, : place.inner_width].all()
    assert not out[0, place.inner_height :].any() and not out[0, :, place.inner_width :].any()


@pytest.mark.parametrize(("height", "width"), [(64, 96), (61, 92), (62, 96), (64, 93)])
def test_pixels_that_nearly_fit_are_not_resampled(height: int, width: int) -> None:
    original = image(height, width)
    out = to_input(original, fit(height, width, 64, 96), 64, 96)
    np.testing.assert_array_equal(out[0, :height, :width], original)


@pytest.mark.parametrize(("height", "width"), [(128, 192), (66, 97), (33, 47), (90, 61)])
def test_other_sizes_are_resized_bilinearly(height: int, width: int) -> None:
    original = image(height, width)
    place = fit(height, width, 64, 96)
    inner = to_input(original, place, 64, 96)[0, : place.inner_height, : place.inner_width]
    size = place.inner_width, place.inner_height
    want = cv2.resize(original, size, interpolation=cv2.INTER_LINEAR_EXACT)
    np.testing.assert_array_equal(inner, want)


def test_resized_pixels_are_the_same_on_every_processor() -> None:
    place = fit(375, 1242, 192, 640)
    assert hashlib.sha256(image(375, 1242).tobytes()).hexdigest().startswith("6ac6167cf3d9bfc1")
    resized = to_input(image(375, 1242), place, 192, 640)
    assert (
        hashlib.sha256(resized.tobytes()).hexdigest().startswith("935ddc9efb82ab99")
    )  # of x86-64, and of aarch64


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_labels_come_back_at_the_image_size_from_the_nearest_pixel(
    height: int, width: int, dtype: type
) -> None:
    place = fit(height, width, 64, 96)
    labels: np.ndarray = np.random.default_rng(1).integers(0, 120, (64, 96)).astype(dtype)
    back = to_image(labels, place)
    assert back.shape == (height, width) and back.dtype == dtype and back.flags.c_contiguous
    sy = place.inner_height / height
    sx = place.inner_width / width
    for y in range(0, height, max(1, height // 23)):
        for x in range(0, width, max(1, width // 23)):
            py = (y + 0.5) * sy
            px = (x + 0.5) * sx
            if (
                min(abs(py - round(py)), abs(px - round(px))) > 1e-3
            ):  # between two pixels either will do
                assert back[y, x] == labels[int(py), int(px)]


def test_large_ids_survive() -> None:
    labels = np.full((64, 96), 70_001, np.int32)
    assert (to_image(labels, fit(33, 47, 64, 96)) == 70_001).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_step_returns_the_input_size(
    scene: Callable[..., Any], actor: Callable[..., Any], height: int, width: int
) -> None:
    frame = PanopticTracker(scene(actor(8, 8))).step(np.zeros((height, width, 3), np.uint8), 0)
    assert frame.semantic.shape == frame.instance.shape == (height, width)
    assert frame.semantic.dtype == np.uint8 and frame.instance.dtype == np.int32


def test_boxes_are_in_image_pixels(
    scene: Callable[..., Any], actor: Callable[..., Any], picture: Callable[..., Any]
) -> None:
    image = picture(0, 128, 160)  # fills 64 x 80
    frame = PanopticTracker(scene(actor(8, 8))).step(image, 0)
    assert [*frame.tracks[0].box] == [16, 16, 48, 48]
    assert (frame.instance[16:48, 16:48] == 1).all() and (frame.instance > 0).sum() == 32 * 32


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        (np.zeros((64, 96, 3), np.float32), "float32 (64, 96, 3)"),
        (np.zeros((64, 96), np.uint8), "uint8 (64, 96)"),
        (np.zeros((64, 96, 4), np.uint8), "uint8 (64, 96, 4)"),
        (np.zeros((1, 64, 96, 3), np.uint8), "uint8 (1, 64, 96, 3)"),
        (np.zeros((0, 96, 3), np.uint8), "(0, 96, 3)"),
        ([[[1, 2, 3]]], "list"),
        (None, "NoneType"),
    ],
)
def test_a_wrong_image_is_refused_in_one_line(
    scene: Callable[..., Any], actor: Callable[..., Any], bad: Any, names: str
) -> None:
    backend = scene(actor(8, 8))
    with pytest.raises(InputError) as error:
        PanopticTracker(backend).step(bad, 0)
    assert (
        names in str(error.value)
        and "step() needs" in str(error.value)
        and "\n" not in str(error.value)
    )
    assert backend.calls == []
