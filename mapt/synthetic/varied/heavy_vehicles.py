"""Draws trucks, buses and trams from cabs, boxes, tanks, tarpaulins and rows of wheels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Colour
from mapt.synthetic.rendering.textures import noise, pyramid
from mapt.synthetic.scene.vehicle_style import scale
from mapt.synthetic.varied.car_shapes import random_paint
from mapt.synthetic.varied.cars import TYRE, Pose, draw_wheel, loft
from mapt.synthetic.varied.raster import MATT, Bulge, Finish, Raster

LABELS = {"truck": 14, "bus": 15, "tram": 16}
_WORDS = ("TRANSPORTE", "LOGISTIK", "MARKT", "BAU", "EXPRESS", "FRISCH", "CARGO", "REISEN", "STADT",
          "MILCH", "LINIE 4", "SPEDITION", "WWW.HAUS", "MOBIL", "KURIER")  # fmt: skip


@dataclass(frozen=True)
class HeavyDesign:
    """The look of a truck, bus or tram.

    Attributes:
        kind: truck, bus or tram.
        load: what a truck carries: box, tarpaulin, tank, flat, tipper or mixer.
        length: metres.
        width: metres.
        height: metres.
        cab: length of a truck's cab, metres.
        paint: RGB colour of the cab or body.
        second: RGB colour of the load or lower body.
        side: picture of a flank and its halved copies.
        back: picture of the rear and its halved copies.
        axles: u of the wheels, metres ahead of the middle.
        wheel: radius, metres.
        glass: RGB colour behind the windows.
        lights: whether the rear lamps are on.
    """

    kind: str
    load: str
    length: float
    width: float
    height: float
    cab: float
    paint: Colour
    second: Colour
    side: list[NDArray[np.uint8]]
    back: list[NDArray[np.uint8]]
    axles: tuple[float, ...]
    wheel: float
    glass: Colour
    lights: bool

    @property
    def half(self) -> float:
        """Half of the width."""
        return self.width / 2

    @property
    def ends(self) -> tuple[float, float]:
        """The rearmost and the foremost u."""
        return -self.length / 2, self.length / 2


def random_heavy(rng: np.random.Generator, kind: str) -> HeavyDesign:
    """Draw a truck, bus or tram."""
    loads = ("box", "tarpaulin", "tank", "flat", "tipper", "mixer")
    load = str(rng.choice(loads, p=[0.3, 0.27, 0.15, 0.1, 0.1, 0.08])) if kind == "truck" else ""
    length = float({"truck": rng.choice([6.0, 7.5, 9.5, 14.0]), "bus": rng.choice([8.5, 12.0, 16.0]),
                    "tram": rng.uniform(18, 30)}[kind] * rng.uniform(0.93, 1.07))  # fmt: skip
    height = float(rng.uniform(2.5, 3.9) if kind == "truck" else rng.uniform(2.9, 3.5))
    paint = random_paint(rng)
    if kind != "truck" and rng.random() < 0.7:
        paint = tuple(float(c) for c in rng.uniform(30, 235, 3))  # type: ignore[assignment]
    second = random_paint(rng)
    if load in ("box", "tarpaulin", "tank") and rng.random() < 0.5:
        value = rng.uniform(140, 240)
        second = (value, value, value)
    small = length < 7
    front = length / 2
    rear_axles = [-front + 0.24 * length]
    if length > 8.5:
        rear_axles += [rear_axles[0] + 1.25] + ([rear_axles[0] - 1.25] if rng.random() < 0.5 else [])
    axles = (*rear_axles, front - (1.3 if kind == "truck" else 2.6))
    side, back = _flank_picture(rng, kind, load, second), _rear_picture(rng, kind, second)
    return HeavyDesign(
        kind, load, length, float(rng.uniform(2.1, 2.3) if small else rng.uniform(2.4, 2.55)),
        height * (0.85 if small and kind == "truck" else 1.0), float(rng.uniform(1.5, 2.2)), paint,
        second, pyramid(side), pyramid(back), axles, 0.38 if small else float(rng.uniform(0.46, 0.52)),
        (25.0, 28.0, 30.0), bool(rng.random() < 0.4),
    )  # fmt: skip


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


def _write(  # noqa: PLR0917
    image: NDArray[np.float32], text: str, place: tuple[int, int], pen: tuple[float, int],
    ink: list[float],
) -> None:  # fmt: skip
    """Write a text with a pen of some size and thickness. OpenCV letters bytes alone."""
    page = np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))
    cv2.putText(page, text, place, cv2.FONT_HERSHEY_DUPLEX, pen[0], ink, pen[1], cv2.LINE_AA)
    image[:] = page


def _flank_picture(
    rng: np.random.Generator, kind: str, load: str, colour: Colour
) -> NDArray[np.uint8]:
    """Draw a flank (128,384,3) from its front to its rear."""
    h, w = 128, 384
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
    y1, y2 = int(h * rng.uniform(0.12, 0.2)), int(h * rng.uniform(0.5, 0.6))
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


def _rear_picture(rng: np.random.Generator, kind: str, colour: Colour) -> NDArray[np.uint8]:
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


def draw_heavy(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    """Draw a truck, bus or tram."""
    rear, front = design.ends
    for grow, keep in ((1.08, 0.6), (0.98, 0.3)):
        flat = np.array([(rear, -1, 0), (front, -1, 0), (front, 1, 0), (rear, 1, 0)], float)
        raster.darken(pose.world(flat * [grow, design.half * grow, 1]), keep)
    parts: list[tuple[float, str]] = []
    if design.kind == "truck":
        cab_middle = pose.world(np.array([[front - design.cab / 2, 0.0, 1.5]]))[0]
        load_middle = pose.world(np.array([[(rear + front - design.cab) / 2, 0.0, 1.5]]))[0]
        parts = [(float(np.hypot(cab_middle[0], cab_middle[2])), "cab"),
                 (float(np.hypot(load_middle[0], load_middle[2])), "load")]  # fmt: skip
    else:
        parts = [(0.0, "body")]
    _chassis(raster, design, pose, tag)
    for _, part in sorted(parts, reverse=True):
        {"cab": _cab, "load": _load, "body": _coach}[part](raster, design, pose, tag)


def box(
    u: tuple[float, float], half: float, y: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the faces (6,4,3) of a box: rear, front, left, right, top and bottom."""
    a, b = u
    low, high = y
    p = np.array([[(uu, vv, yy) for yy in (low, high) for vv in (-half, half)] for uu in (a, b)])
    quads = [p[0][[0, 1, 3, 2]], p[1][[0, 1, 3, 2]]]
    for v in (0, 1):
        quads.append(np.stack((p[0][v], p[1][v], p[1][v + 2], p[0][v + 2])))
    for y_index in (2, 0):
        quads.append(
            np.stack((p[0][y_index], p[1][y_index], p[1][y_index + 1], p[0][y_index + 1]))
        )
    return np.stack(quads)


def _solid(  # noqa: PLR0917
    raster: Raster, pose: Pose, faces: NDArray[np.float64], colour: Colour, tag: int, finish: Finish
) -> None:
    middle = faces.reshape(-1, 3).mean(0)
    centre = pose.world(middle[None])[0]
    raster.facets(
        pose.world(faces), np.tile(np.array(colour), (len(faces), 1)), tag, finish, centre
    )


def _chassis(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    rear, front = design.ends
    low = 0.35 if design.kind != "truck" else 0.55
    _solid(raster, pose, box((rear + 0.2, front - 0.1), design.half * 0.8, (low, low + 0.4)),
           (28.0, 28.0, 30.0), tag, MATT)  # fmt: skip
    for u in design.axles:
        for v in (-0.78 * design.half, 0.78 * design.half):
            _solid(raster, pose, box((u - 0.2, u + 0.2), 0.16, (0.0, design.wheel * 1.6)) + [0, v, 0],
                   TYRE, tag, MATT)  # fmt: skip
    side = pose.side(design.half * 0.97)
    if side and design.kind != "tram":
        for u in design.axles:
            grey: Colour = (120.0, 120.0, 122.0)
            draw_wheel(raster, pose, u, side * design.half * 0.99, design.wheel, grey, tag)


def _cab(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    _, front = design.ends
    tall = min(design.height * 0.92, 3.0 if design.length > 8 else 2.35)
    half = design.half * 0.97
    back = front - design.cab
    levels = np.array([(0.45, back, front, half), (1.3, back, front, half),
                       (tall * 0.95, back, front - 0.25, half * 0.96),
                       (tall, back + 0.2, front - 0.5, half * 0.88)])  # fmt: skip
    facets = loft(levels, False)
    colours = np.tile(np.array(design.paint), (len(facets), 1))
    colours[:16] *= 0.75
    middle = pose.world(np.array([[front - design.cab / 2, 0.0, 1.5]]))[0]
    raster.facets(pose.world(facets), colours, tag, Finish(gloss=0.6), middle, Bulge(middle, 0.15, 0.15))
    glass = Finish(gloss=1.0)
    y1, y2 = 1.45, tall * 0.86
    end = pose.end(design.length / 2)
    if end > 0:
        _panes(raster, pose, design, tag, front, half, (y1, y2))
    side = pose.side(design.half * 0.97)
    if side:
        v = side * half * 1.01
        window = [(front - 0.3, v, y1), (front - 1.2, v, y1), (front - 1.2, v, y2), (front - 0.4, v, y2)]
        raster.polygon(pose.world(np.array(window)), design.glass, tag, glass)
        draw_wheel(raster, pose, design.axles[-1], v, design.wheel, (120.0,) * 3, tag)
        mirror = pose.world(np.array([[front - 0.1, v * 1.12, y2 - 0.25]]))[0]
        raster.disc(mirror, (0.12, 0.28), (20.0, 20.0, 22.0), tag)


def _panes(  # noqa: PLR0917
    raster: Raster, pose: Pose, design: HeavyDesign, tag: int, front: float, half: float,
    y: tuple[float, float],
) -> None:  # fmt: skip
    """Draw a windscreen, lamps and a grille at a front."""

    def plate(v: float, low: float, high: float, colour: Colour, finish: Finish, start: float = 0.0,
              back: float = 0.0) -> None:  # fmt: skip
        for sign in (-1.0, 1.0):
            corners = [(front + 0.02, sign * start, low), (front + 0.02, sign * v, low),
                       (front + 0.02 - back, sign * v, high), (front + 0.02 - back, sign * start, high)]
            raster.polygon(pose.world(np.array(corners)), colour, tag, finish)

    plate(half * 0.9, y[0], y[1], design.glass, Finish(gloss=1.0), back=0.2 * (design.kind == "truck"))
    plate(half * 0.7, 0.75, 1.2, (30.0, 30.0, 32.0), MATT)
    plate(half * 0.92, 0.6, 0.8, (215.0, 215.0, 205.0), Finish(gloss=0.8), start=half * 0.66)
    plate(0.26, 0.5, 0.62, (220.0, 220.0, 210.0), MATT)


def _load(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    rear, front = design.ends
    ahead = front - design.cab - 0.25
    low = 0.95
    if design.load in ("tank", "mixer"):
        _drum(raster, design, pose, tag, (rear, ahead))
    elif design.load == "flat":
        _solid(raster, pose, box((rear, ahead), design.half, (low, low + 0.45)), design.second, tag, MATT)
        cargo = box((rear + 0.8, ahead - 0.3), design.half * 0.7, (low + 0.4, design.height * 0.6))
        _solid(raster, pose, cargo, scale(design.second, 0.6), tag, MATT)
    else:
        high = design.height if design.load != "tipper" else min(2.3, design.height)
        faces = box((rear, ahead), design.half, (low, high))
        _solid(raster, pose, faces, design.second, tag, Finish(gloss=0.15))
        _pictures(raster, design, pose, tag, (rear, ahead), (low, high))
    _rear_bar(raster, design, pose, tag)


def _pictures(  # noqa: PLR0917
    raster: Raster, design: HeavyDesign, pose: Pose, tag: int, u: tuple[float, float],
    y: tuple[float, float],
) -> None:  # fmt: skip
    """Paste the pictures of flank and rear onto a body."""
    side = pose.side(design.half * 0.97)
    finish = Finish(gloss=0.25)
    if side:
        v = side * design.half * 1.004
        a, b = (u[0], u[1]) if side > 0 else (u[1], u[0])
        corners = np.array([(a, v, y[1]), (b, v, y[1]), (b, v, y[0]), (a, v, y[0])])
        raster.picture(design.side, pose.world(corners), tag, finish)
    end = pose.end(design.length / 2)
    if end < 0:
        w = design.half
        back = u[0] - 0.004
        corners = np.array([(back, -w, y[1]), (back, w, y[1]), (back, w, y[0]), (back, -w, y[0])])
        raster.picture(design.back, pose.world(corners), tag, finish)


def _drum(  # noqa: PLR0917
    raster: Raster, design: HeavyDesign, pose: Pose, tag: int, u: tuple[float, float]
) -> None:
    """Draw a round tank or a mixer's drum."""
    radius = min(design.half * 0.98, (design.height - 0.95) / 2)
    middle = 1.0 + radius
    shares = [(0.0, 0.75), (0.04, 0.95), (0.5, 1.0), (0.96, 0.95), (1.0, 0.7)]
    if design.load == "mixer":
        shares = [(0.0, 0.4), (0.35, 1.0), (0.6, 0.95), (1.0, 0.45)]
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rings = [
        np.stack((np.full(16, u[0] + (u[1] - u[0]) * share), np.cos(angle) * radius * size,
                  middle + np.sin(angle) * radius * size), 1)
        for share, size in shares
    ]  # fmt: skip
    quads = [np.stack((a, np.roll(a, -1, 0), np.roll(b, -1, 0), b), 1) for a, b in zip(rings, rings[1:], strict=False)]
    for end in (rings[0], rings[-1]):
        quads.append(np.stack([end[[i, i + 1, 14 - i, (15 - i) % 16]] for i in range(7)]))
    faces = np.concatenate(quads)
    _solid(raster, pose, faces, design.second, tag, Finish(gloss=0.5))
    side = pose.side(design.half * 0.97)
    if side:
        v = side * radius * 1.0
        for share in (0.25, 0.5, 0.75):
            x = u[0] + (u[1] - u[0]) * share
            a, b = pose.world(np.array([(x, v * 0.75, middle - radius * 0.7), (x, v * 0.9, middle + radius * 0.45)]))
            raster.limb(a, b, 0.05, scale(design.second, 0.5), tag)
        a, b = pose.world(np.array([(u[0] + 0.3, v, 1.0), (u[1] - 0.3, v, 1.0)]))
        raster.limb(a, b, 0.22, (40.0, 42.0, 46.0), tag)
    if pose.end(design.length / 2) < 0:
        for v in (-0.25, 0.25):
            a, b = pose.world(np.array([(u[0] - 0.05, v, 0.9), (u[0] - 0.05, v, middle + radius * 0.7)]))
            raster.limb(a, b, 0.05, (120.0, 122.0, 125.0), tag)


def _rear_bar(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    """Draw bumper, lamps and plate at the rear."""
    if pose.end(design.length / 2) >= 0:
        return
    rear = design.ends[0] - 0.02
    w = design.half

    def plate(v: tuple[float, float], y: tuple[float, float], colour: Colour, finish: Finish) -> None:
        corners = [(rear, v[0], y[0]), (rear, v[1], y[0]), (rear, v[1], y[1]), (rear, v[0], y[1])]
        raster.polygon(pose.world(np.array(corners)), colour, tag, finish)

    plate((-w * 0.95, w * 0.95), (0.5, 0.68), (45.0, 45.0, 48.0), MATT)
    lamp: Colour = (255.0, 35.0, 25.0) if design.lights else (135.0, 16.0, 16.0)
    finish = Finish(glow=1.5) if design.lights else Finish(gloss=0.6)
    for sign in (-1.0, 1.0):
        plate((sign * w * 0.92, sign * w * 0.6), (0.76, 0.9), lamp, finish)
    plate((-0.26, 0.26), (0.7, 0.82), (215.0, 212.0, 190.0), MATT)


def _coach(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    """Draw the body of a bus or tram."""
    rear, front = design.ends
    half = design.half
    levels = np.array([(0.3, rear, front, half), (1.0, rear, front, half),
                       (design.height * 0.92, rear + 0.1, front - 0.15, half * 0.98),
                       (design.height, rear + 0.4, front - 0.5, half * 0.86)])  # fmt: skip
    facets = loft(levels, False)
    colours = np.tile(np.array(design.paint), (len(facets), 1))
    middle = pose.world(np.array([[0.0, 0.0, 1.6]]))[0]
    raster.facets(pose.world(facets), colours, tag, Finish(gloss=0.5), middle)
    _pictures(raster, design, pose, tag, (rear + 0.35, front - 0.35), (0.38, design.height * 0.9))
    if pose.end(design.length / 2) > 0:
        _panes(raster, pose, design, tag, front, half, (1.1, design.height * 0.85))
    _rear_bar(raster, design, pose, tag)
    side = pose.side(design.half * 0.97)
    if side and design.kind == "bus":
        for u in design.axles:
            draw_wheel(raster, pose, u, side * half * 1.012, design.wheel, (110.0,) * 3, tag)
