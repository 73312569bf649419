from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mapt.data.color_jitter import Photometry, vary_colours
from mapt.data.transforms import (
    Augmentation,
    View,
    Window,
    augment,
    cut_image,
    cut_label,
    draw_window,
)
from mapt.data.triplet import Triplet

STILL = Photometry(
    brightness=0,
    contrast=0,
    gamma=0,
    saturation=0,
    hue=0,
    cast=0,
    flicker=0,
    blur=0,
    noise=0,
    jpeg=0,
)


def coded_triplet(shape: tuple[int, int] = (120, 400)) -> Triplet:
    """Return three equal frames whose red channel is 40 * id.

    So the image and the label can be compared pixel by pixel.
    """
    semantic = np.zeros(shape, np.uint8)
    instance = np.zeros(shape, np.int32)
    for identity, (y, x) in enumerate(((20, 30), (50, 150), (30, 300), (80, 220)), start=1):
        window = np.s_[y : y + 32, x : x + 56]
        semantic[window] = 13
        instance[window] = identity
    image = np.zeros((*shape, 3), np.uint8)
    image[..., 0] = instance * 40
    return Triplet((image, image, image), (semantic, semantic), (instance, instance), "coded")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from([(64, 192), (96, 128), (128, 448)]))
def test_image_and_labels_stay_aligned(seed: int, size: tuple[int, int]) -> None:
    view = View(*size, heights=(size[0], 200))
    result = augment(
        coded_triplet(), view, Augmentation(colours=STILL), np.random.default_rng(seed)
    )
    for image, semantic, instance in zip(
        result.images[1:], result.semantic, result.instance, strict=True
    ):
        assert image.shape == (*size, 3) and semantic.shape == instance.shape == size
        assert np.array_equal(instance > 0, semantic == 13)
        # Away from blended borders the red channel is the id's.
        inside = cv2.erode((instance > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert np.array_equal(image[..., 0][inside], instance[inside] * 40)
        assert not image[semantic == 255].any()
    assert np.array_equal(result.images[0], result.images[2])  # the same window for every frame


def test_labels_and_images_share_half_pixel_centres() -> None:
    """An edge at a known place stays there under shrinking and growing, to half an output pixel."""
    label = np.zeros((40, 400), np.uint8)
    label[:, 200:] = 13
    image = np.dstack([label] * 3)
    for columns in (150, 200, 333, 777):
        window = Window(0, 0, 40, 400, (40, columns), cv2.INTER_LINEAR, False)
        edge = np.flatnonzero(cut_label(label, window)[0])[0]
        assert abs(edge - columns / 2) <= 0.5
        assert abs(np.flatnonzero(cut_image(image, window)[0, :, 0] > 6)[0] - columns / 2) <= 0.5


def test_flipping_mirrors_the_window_and_padding_stays_right_and_below() -> None:
    triplet = coded_triplet()
    view = View(160, 640, heights=(100, 120))  # wider than the frame can fill
    how = Augmentation(flip=1, colours=STILL)
    plain = augment(triplet, view, replace_flip(how, 0), np.random.default_rng(3))
    flipped = augment(triplet, view, how, np.random.default_rng(3))
    width = int((plain.semantic[0] != 255).any(0).sum())
    assert 400 < width < 640
    assert np.array_equal(flipped.semantic[0][:, :width], plain.semantic[0][:, :width][:, ::-1])
    assert (flipped.semantic[0][:, width:] == 255).all() and (
        plain.semantic[0][:, width:] == 255
    ).all()
    assert not flipped.images[0][:, width:].any()


def replace_flip(how: Augmentation, flip: float) -> Augmentation:
    return Augmentation(flip=flip, focus=how.focus, colours=how.colours)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000))
def test_a_focused_crop_holds_an_object(seed: int) -> None:
    triplet = coded_triplet()
    instance = np.zeros_like(triplet.instance[1])
    instance[100:112, 380:396] = 9  # a single object in the corner
    triplet = replace(triplet, instance=(instance, instance))
    view = View(32, 64, heights=(120, 140))
    window = draw_window(triplet, view, Augmentation(focus=1), np.random.default_rng(seed))
    assert instance[window.y : window.y + window.height, window.x : window.x + window.width].any()
    assert 0 <= window.y <= 120 - window.height and 0 <= window.x <= 400 - window.width


def test_a_crop_can_be_led_by_classes_each_as_likely_as_the_others() -> None:
    """Class 17's 24 pixels lead as many crops as the sky's 20,000 and the road's 28,000."""
    semantic = np.full((120, 400), 10, np.uint8)
    semantic[50:] = 0
    semantic[100:104, 380:386] = 17
    nothing = np.zeros_like(semantic, np.int32)
    triplet = replace(coded_triplet(), semantic=(semantic, semantic), instance=(nothing, nothing))
    view = View(32, 64, heights=(120, 140))
    held = {share: 0 for share in (0.0, 1.0)}
    for share in held:
        how = Augmentation(focus=0, focus_class=share)
        for seed in range(200):
            window = draw_window(triplet, view, how, np.random.default_rng(seed))
            cut = semantic[window.y : window.y + window.height, window.x : window.x + window.width]
            held[share] += bool((cut == 17).any())
    assert held[0.0] < 20 and 50 < held[1.0] < 110
    void = np.full_like(semantic, 255)  # nothing to be led by: anywhere
    draw_window(
        replace(triplet, semantic=(void, void)),
        view,
        Augmentation(focus_class=0.4),
        np.random.default_rng(0),
    )
    with pytest.raises(ValueError, match="together they must not exceed 1"):
        Augmentation(focus=0.7, focus_class=0.4)


def test_the_scale_covers_its_range() -> None:
    view = View(64, 192, heights=(64, 200))
    heights = [
        64
        / draw_window(coded_triplet(), view, Augmentation(), np.random.default_rng(i)).height
        * 120
        for i in range(200)
    ]
    assert min(heights) < 70 and max(heights) > 185 and all(63 < h < 202 for h in heights)


def _frame(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (64, 96, 3), np.uint8)


def test_no_strength_changes_nothing() -> None:
    frame = _frame()
    for out in vary_colours([frame] * 3, STILL, np.random.default_rng(0)):
        assert np.abs(out.astype(int) - frame).max() <= 1


def test_frames_of_a_scene_change_alike_and_a_little_on_their_own() -> None:
    how = Photometry(blur=0, noise=0, jpeg=0)
    frame = np.full((32, 32, 3), (90, 120, 150), np.uint8)
    between = []
    within = []
    for seed in range(60):
        means = np.array(
            [o.mean((0, 1)) for o in vary_colours([frame] * 3, how, np.random.default_rng(seed))]
        )
        between.append(means.mean(0))
        within.append(means.std(0))
    assert np.std(between, axis=0).min() > 3 * np.mean(within)
    assert np.mean(within) > 0.5


@pytest.mark.parametrize("part", ["blur", "noise", "jpeg"])
def test_each_degradation_acts(part: str) -> None:
    how = Photometry.model_validate({**STILL.model_dump(), part: 1})
    frame = cv2.GaussianBlur(_frame(), (0, 0), 1.0).astype(np.uint8)
    out = vary_colours([frame], how, np.random.default_rng(1))[0].astype(float)
    difference = np.abs(out - frame).mean()
    assert 0.3 < difference < 15
    assert (
        abs(out.mean((0, 1)) - frame.mean((0, 1))).max() < 3
    )  # no channel is exchanged for another


def test_grain_differs_between_frames() -> None:
    how = Photometry.model_validate({**STILL.model_dump(), "noise": 1})
    a, b = vary_colours([np.full((32, 32, 3), 128, np.uint8)] * 2, how, np.random.default_rng(0))
    assert not np.array_equal(a, b)
    assert abs(float(a.mean()) - 128) < 1
