"""Draws pictures of the flanks and rears of trucks, buses and trams, with letters and windows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Colour
from mapt.synthetic.rendering.textures import noise

_WORDS = (
    "TRANSPORTE",
    "LOGISTIK",
    "MARKT",
    "BAU",
    "EXPRESS",
    "FRISCH",
    "CARGO",
    "REISEN",
    "STADT",
    "MILCH",
    "LINIE 4",
    "SPEDITION",
    "WWW.HAUS",
    "MOBIL",
    "KURIER",
)


def _panel(rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> NDArray[np.float32]:
    dirt = 1 + 0.05 * noise(rng, *size, (64, 20, 5))
    dirt *= np.linspace(1.05, 0.85, size[0], dtype=np.float32)[:, None]
    return np.array(colour, np.float32) * dirt[..., None]


def _letters(rng: np.random.Generator, image: NDArray[np.float32], big: float) -> None:
    h, w = image.shape[:2]
    ink = rng.uniform(0, 255, 3) if rng.random() < 0.5 else np.full(3, rng.choice([20.0, 240.0]))
    word = _WORDS[int(rng.integers(len(_WORDS)))]
    factor = float(h * big / 30)
    (tw, _), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_DUPLEX, factor, 2)
    factor *= min(1.0, w * 0.85 / max(tw, 1))
    place = (int(w * rng.uniform(0.04, 0.12)), int(h * rng.uniform(0.4, 0.7)))
    _write(image, word, place, (factor, max(1, int(factor * 2.5))), ink.tolist())


def _write(
    image: NDArray[np.float32],
    text: str,
    place: tuple[int, int],
    pen: tuple[float, int],
    ink: list[float],
) -> None:
    """Write a text with a pen of some size and thickness. OpenCV letters bytes alone."""
    page = np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))
    cv2.putText(page, text, place, cv2.FONT_HERSHEY_DUPLEX, pen[0], ink, pen[1], cv2.LINE_AA)
    image[:] = page


def flank_picture(
    rng: np.random.Generator, kind: str, load: str, colour: Colour
) -> NDArray[np.uint8]:
    """Draw a flank (128,384,3) from its front to its rear."""
    h = 128
    w = 384
    image = _panel(rng, (h, w), colour)
    if load == "tarpaulin":
        folds = noise(rng, 2, w, (24, 8, 3))[0] * rng.uniform(0.05, 0.16)
        image *= (1 + folds)[None, :, None]
        image[-10:] *= 0.5
        image[:, :: int(rng.integers(20, 60))] *= 0.75
    elif kind == "truck":
        image[:, :: int(rng.integers(8, 90))] *= 0.85
    if rng.random() < 0.5:
        y = int(rng.integers(10, 90))
        image[y : y + int(rng.integers(6, 40))] = rng.uniform(20, 235, 3)
    if kind == "truck" and rng.random() < 0.75:
        _letters(rng, image, rng.uniform(0.4, 1.1))
    if kind != "truck":
        _bus_windows(rng, image, kind)
    return np.clip(image, 0, 255).astype(np.uint8)


def _bus_windows(rng: np.random.Generator, image: NDArray[np.float32], kind: str) -> None:
    h, w = image.shape[:2]
    y1 = int(h * rng.uniform(0.12, 0.2))
    y2 = int(h * rng.uniform(0.5, 0.6))
    pitch = int(rng.integers(28, 60))
    image[y1:y2] = 28.0 if rng.random() < 0.7 else image[y1:y2]
    for x in range(6, w - 8, pitch):
        pane = rng.uniform(15, 70)
        image[y1 + 2 : y2 - 2, x : x + pitch - 4] = [pane * 0.9, pane, pane * 1.05]
        if rng.random() < 0.5:
            head = (int(x + rng.uniform(6, pitch - 8)), y2 - 12)
            cv2.circle(image, head, 6, (70.0, 52.0, 42.0), -1)
    for x in (int(w * 0.08), int(w * 0.45)):
        image[y1 : h - 8, x : x + 26] = 35.0
        image[y1 : h - 8, x + 12 : x + 14] = 90.0
    if rng.random() < 0.6:
        _letters(rng, image[y2:], 0.5 if kind == "bus" else 0.4)


def rear_picture(rng: np.random.Generator, kind: str, colour: Colour) -> NDArray[np.uint8]:
    """Draw a rear (128,128,3)."""
    image = _panel(rng, (128, 128), colour)
    if kind == "truck":
        image[:, 62:66] *= 0.5
        for x in (30, 46, 82, 98):
            image[10:120, x : x + 2] *= 0.7
        if rng.random() < 0.4:
            _letters(rng, image, 0.5)
        if rng.random() < 0.5:
            stripes = (np.add.outer(np.arange(12), np.arange(128)) // 9) % 2 == 0
            image[114:126] = np.where(stripes[..., None], [215.0, 40.0, 30.0], [235.0, 225.0, 70.0])
    else:
        image[14:58, 12:116] = rng.uniform(18, 60)
        image[70:100, 24:104] *= 0.75
        if rng.random() < 0.6:
            line = str(int(rng.integers(1, 99)))
            _write(image, line, (44, 40), (1.0, 2), [250.0, 170.0, 30.0])
    return np.clip(image, 0, 255).astype(np.uint8)
