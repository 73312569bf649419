"""Pictures of ROS messages: every encoding shows the colour that went in."""

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.image_files import encode_image
from mapt.io.sources.bags.ros_images import PACKED, PLANAR, to_rgb

HEIGHT = 8
WIDTH = 12
COLOUR = (200, 100, 50)
Bytes = NDArray[np.uint8]


def picture() -> Bytes:
    """One colour, of which a Bayer pattern and halved chroma lose nothing."""
    return np.full((HEIGHT, WIDTH, 3), COLOUR, np.uint8)


def mosaic(pattern: str) -> Bytes:
    """What a sensor with this pattern of filters sees of the picture."""
    red, green, blue = COLOUR
    tile = np.array([{"r": red, "g": green, "b": blue}[c] for c in pattern], np.uint8)
    return np.tile(tile.reshape(2, 2), (HEIGHT // 2, WIDTH // 2))


def luma_chroma() -> tuple[int, int, int]:
    """Y, U and V of the colour in video range (BT.601), which OpenCV's YUV conversions read."""
    red, green, blue = COLOUR
    y = 16 + (65.738 * red + 129.057 * green + 25.064 * blue) / 256
    u = 128 + (-37.945 * red - 74.494 * green + 112.439 * blue) / 256
    v = 128 + (112.439 * red - 94.154 * green - 18.285 * blue) / 256
    return round(y), round(u), round(v)


def pixels_of(encoding: str) -> Bytes:
    """The picture in an encoding, a row of bytes for each row of pixels."""
    rgb = picture()
    bgr = rgb[..., ::-1]
    alpha = np.full((HEIGHT, WIDTH, 1), 7, np.uint8)
    y, u, v = luma_chroma()
    luma = np.full((HEIGHT, WIDTH), y, np.uint8)
    made: dict[str, Bytes] = {
        "rgb8": rgb,
        "bgr8": bgr,
        "8UC3": bgr,
        "rgba8": np.concatenate([rgb, alpha], 2),
        "bgra8": np.concatenate([bgr, alpha], 2),
        "8UC4": np.concatenate([bgr, alpha], 2),
        "mono8": luma,
        "8UC1": luma,
        "uyvy": np.tile(np.array([u, y, v, y], np.uint8), (HEIGHT, WIDTH // 2)),
        "yuyv": np.tile(np.array([y, u, y, v], np.uint8), (HEIGHT, WIDTH // 2)),
        "nv12": np.concatenate(
            [luma, np.tile(np.array([u, v], np.uint8), (HEIGHT // 2, WIDTH // 2))]
        ),
        "nv21": np.concatenate(
            [luma, np.tile(np.array([v, u], np.uint8), (HEIGHT // 2, WIDTH // 2))]
        ),
    }
    made["yuv422"] = made["uyvy"]
    made["yuv422_yuy2"] = made["yuyv"]
    found = mosaic(encoding[6:10]) if encoding.startswith("bayer_") else made[encoding]
    return np.ascontiguousarray(found).reshape(len(found), -1)


def message(filled: str, padding: int = 0, **changed: Any) -> SimpleNamespace:
    """A sensor_msgs/Image, whose rows may end in bytes that mean nothing."""
    pixels = np.pad(pixels_of(filled), ((0, 0), (0, padding)), constant_values=255)
    fields = {
        "height": HEIGHT,
        "width": WIDTH,
        "encoding": filled,
        "step": pixels.shape[1],
        "data": pixels.tobytes(),
    }
    return SimpleNamespace(**(fields | changed))


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", [*PACKED, *PLANAR])
def test_every_encoding_shows_its_colour(encoding: str, padding: int) -> None:
    image = to_rgb(message(encoding, padding), "m")
    assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8
    gray = encoding in ("mono8", "8UC1")
    wanted = np.full_like(image, luma_chroma()[0]) if gray else picture()
    off = 3 if encoding in PLANAR or "yu" in encoding or "uy" in encoding else 0
    assert np.abs(image.astype(int) - wanted).max() <= off


@pytest.mark.parametrize("form", ["jpeg", "png", "bgr8; jpeg compressed bgr8"])
def test_compressed_images_are_decoded(form: str) -> None:
    data = encode_image(
        ".png" if form == "png" else ".jpg", picture(), cv2.IMWRITE_JPEG_QUALITY, 98
    )
    image = to_rgb(SimpleNamespace(format=form, data=data), "m")
    assert np.abs(image.astype(int) - picture()).max() <= 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (message("mono8", encoding="16UC1"), "its pixels are 16UC1, frames have 8 bits"),
        (message("mono8", encoding="bayer_rggb16"), "its pixels are bayer_rggb16"),
        (message("mono8", encoding="h264"), "the encoding 'h264' is unknown; it can be rgb8, "),
        (message("rgb8", data=b"\0" * 20), "12x8 rgb8 cannot have 20 bytes in rows of 36"),
        (message("rgb8", step=12), "cannot have 288 bytes in rows of 12"),
        (message("rgb8", height=0), "an image of 12x0 rgb8"),
        (message("nv12", height=7), "an image of 12x7 nv12"),
        (SimpleNamespace(format="jpeg", data=b"\xff\xd8\xff"), "is truncated or not a readable"),
        (SimpleNamespace(format="16UC1; compressedDepth", data=b""), "is a depth image"),
    ],
)
def test_what_is_no_picture_is_one_line(wrong: Any, words: str) -> None:
    with pytest.raises(InputError, match=f"^bag: message 3.*{words}") as error:
        to_rgb(wrong, "bag: message 3")
    assert "\n" not in str(error.value)
