"""Colours of classes and tracks, sRGB with 8 bits a channel."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from functools import cache

Colour = tuple[int, int, int]

# Cityscapes' own, by class name; the other datasets share the names.
CLASS_COLOURS: dict[str, Colour] = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70),
    "wall": (102, 102, 156), "fence": (190, 153, 153), "pole": (153, 153, 153),
    "traffic light": (250, 170, 30), "traffic sign": (220, 220, 0), "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152), "sky": (70, 130, 180), "person": (220, 20, 60),
    "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70), "bus": (0, 60, 100),
    "train": (0, 80, 100), "motorcycle": (0, 0, 230), "bicycle": (119, 11, 32),
}  # fmt: skip
GOLDEN = 0.618034
LIGHTNESS = (0.85, 0.62, 0.74)  # of OKLCH, in turn, so that ids of like hues differ
CHROMA = (0.15, 0.20, 0.17)  # reduced where sRGB has less


def class_colours(names: Sequence[str]) -> tuple[Colour, ...]:
    """One colour a class: Cityscapes' where the name is one of its, else one by its train id."""
    return tuple(CLASS_COLOURS.get(name) or _by_train_id(i) for i, name in enumerate(names))


@cache
def track_colour(number: int) -> Colour:
    """A track's colour: the same at every call, and far from those of the ids around it.

    Hues are a golden angle apart and equally light to the eye, in OKLCH (Ottosson, 2020).
    """
    turn = number * GOLDEN % 1.0
    return _from_oklch(LIGHTNESS[number % 3], CHROMA[number % 3], turn)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever is read better on a colour."""
    red, green, blue = (_linear(part / 255) for part in colour)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # ITU-R BT.709
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)  # where WCAG's contrasts are equal


def _by_train_id(train_id: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(train_id * GOLDEN % 1, 0.7, 0.8)
    return round(red * 255), round(green * 255), round(blue * 255)


def _from_oklch(lightness: float, chroma: float, turn: float) -> Colour:
    """The nearest colour of less chroma that sRGB has; `turn` is the hue in turns."""
    while True:
        a = chroma * math.cos(2 * math.pi * turn)
        b = chroma * math.sin(2 * math.pi * turn)
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
        green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
        blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
        if 0 <= min(red, green, blue) and max(red, green, blue) <= 1:
            return round(_gamma(red) * 255), round(_gamma(green) * 255), round(_gamma(blue) * 255)
        chroma *= 0.98


def _gamma(part: float) -> float:
    return 12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
