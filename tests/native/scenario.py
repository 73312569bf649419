"""Random scenarios: what a network says of each frame, and what a host does with its tracker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from mapt.contract import ModelInfo, Thresholds
from mapt.runtime.association.associator import Association

SECOND = 10**9
PERIODS = (SECOND // 10, SECOND // 7, 1, SECOND, 4 * SECOND)  # between frames
SHARES = (0.6, 0.25, 0.02, 0.1, 0.03)
Float = NDArray[np.float32]


@dataclass(frozen=True)
class Event:
    """What happens next.

    Attributes:
        kind: "step", "reset", "save" or "restore" (of what was saved last).
        script: of a step: what the network says, by the names of `scripted_core.TENSORS`, and
            costs_ns, count and fails.
        image: of a step, (h,w,3) uint8.
        stamp_ns: of a step.
        deadline_ms: of a step.
    """

    kind: str
    script: dict[str, Any] | None = None
    image: NDArray[np.uint8] | None = None
    stamp_ns: int = 0
    deadline_ms: float | None = None


@dataclass(frozen=True)
class Scenario:
    """A network, the tracker's options and what happens."""

    info: ModelInfo
    association: Association
    max_objects: int | None
    events: tuple[Event, ...]


def draw(seed: int, frames: int = 10) -> Scenario:
    """The scenario of a seed."""
    rng = np.random.default_rng(seed)
    info = _network(rng)
    kinds = get_args(Association)
    association: Association = kinds[int(rng.choice([0, 0, 0, 1, 2, 3]))]
    most = None if rng.random() < 0.6 else int(rng.integers(1, info.sizes["D"] + 1))
    return Scenario(info, association, most, tuple(_events(rng, info, frames)))


def _network(rng: np.random.Generator) -> ModelInfo:
    classes = int(rng.integers(2, 7))
    things = rng.permutation(classes)[: rng.integers(1, classes)].tolist()
    sizes = {
        "H": 32 * int(rng.integers(1, 5)), "W": 32 * int(rng.integers(1, 6)), "K": classes,
        "D": int(rng.integers(1, 14)), "N": int(rng.integers(1, 7)), "F": 1,
        "S": int(rng.integers(1, 3)), "C": 1, "M": 1, "E": int(rng.choice([1, 3, 8, 17, 130])),
    }  # fmt: skip
    thresholds = Thresholds(
        score=float(rng.choice([0.4, 0.1, 0.0])),
        birth=float(rng.choice([0.0, 0.0, 0.5, 0.8])),
        semantic_limit=float(rng.choice([1.0, 0.0, 0.3, 1000.0])),
        overlap=float(rng.choice([0.2, 0.0, 0.9])),
        min_area=int(rng.choice([0, 1, 8, 32])),
        stuff_area=int(rng.choice([0, 8, 64, 400])),
        propagation_iou=float(rng.choice([0.3, 0.3, 0.05, 0.7])),
        similarity=float(rng.choice([0.94, 0.5, -1.0])),
        reach=float(rng.choice([1.5, 1.5, 0.2, 50.0])),
        resize=float(rng.choice([3.0, 1.1])),
        foresight=float(rng.choice([0.5, 0.0])),
        max_lost=float(rng.choice([1.5, 0.25])),
        tracks_per_object=int(rng.choice([4, 1])),
        max_jump=float(rng.choice([3600.0, 5.0])),
        churn_window=int(rng.choice([10, 2])),
        churn_objects=int(rng.choice([20, 3])),
    )
    names = tuple(f"c{i}" for i in range(classes))
    return ModelInfo(
        "nano",
        sizes["H"],
        sizes["W"],
        names,
        tuple(things),
        {**sizes, "T": len(things)},
        thresholds,
    )


class _World:
    """Objects that move, hide and look alike."""

    def __init__(self, rng: np.random.Generator, info: ModelInfo) -> None:
        self.rng = rng
        self.info = info
        self.count = int(rng.integers(1, info.sizes["D"] + 4))
        size = np.array([info.width, info.height], np.float64)
        self.place = rng.random((self.count, 2)) * size
        self.extent = (0.1 + 0.4 * rng.random((self.count, 2))) * size
        self.speed = rng.normal(0, 0.04, (self.count, 2)) * size
        self.label = rng.choice(info.things, self.count)
        looks = rng.normal(size=(self.count, info.sizes["E"]))
        self.look = np.repeat(looks, rng.integers(1, 3), 0)[: self.count]  # some look alike

    def move(self) -> None:
        """Go on by a frame; sometimes one jumps."""
        self.place += self.speed
        if self.rng.random() < 0.2:
            jumper = self.rng.integers(self.count)
            self.place[jumper] = self.rng.random(2) * (self.info.width, self.info.height)

    def boxes(self) -> Float:
        """(n,4) xyxy."""
        jitter = self.rng.normal(0, 1, (self.count, 4))
        corners = np.concatenate((self.place - self.extent / 2, self.place + self.extent / 2), 1)
        return (corners + jitter).astype(np.float32)


def _events(rng: np.random.Generator, info: ModelInfo, frames: int) -> Iterator[Event]:
    world = _World(rng, info)
    stamp = int(rng.integers(0, 10 * SECOND))
    size = _image_size(rng, info)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    for _ in range(frames):
        act = rng.random()
        if act < 0.25:
            yield Event("reset" if act < 0.05 else "restore" if act < 0.12 else "save")
        world.move()
        stamp += int(rng.choice(PERIODS, p=SHARES))
        if rng.random() < 0.08:
            size = _image_size(rng, info)
        if rng.random() < 0.9 or image.shape[:2] != size:
            image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        shown = np.full_like(image, 7) if rng.random() < 0.06 else image
        late = float(rng.choice([2.0, 6.0, 30.0])) if rng.random() < 0.4 else None
        told = stamp - int(rng.integers(0, SECOND)) if rng.random() < 0.06 else stamp
        yield Event("step", _script(rng, info, world), shown, told, late)
        if told != stamp:
            stamp += SECOND  # whether it was refused or not, the next one rises


def _image_size(rng: np.random.Generator, info: ModelInfo) -> tuple[int, int]:
    if rng.random() < 0.4:
        return info.height, info.width
    return int(rng.integers(1, 2 * info.height)), int(rng.integers(1, 2 * info.width))


def _script(rng: np.random.Generator, info: ModelInfo, world: _World) -> dict[str, Any]:
    sizes = info.sizes
    slots = sizes["D"]
    hidden = rng.random(world.count) < 0.2
    rows = rng.permutation(np.flatnonzero(~hidden))[:slots]
    count = len(rows)
    coarse = (info.height // 8, info.width // 8)
    logits = _smooth(rng, (sizes["K"], info.height // 4, info.width // 4), 3.0)
    boxes = np.zeros((slots, 4), np.float32)
    boxes[:count] = world.boxes()[rows]
    classes = np.zeros(slots, np.int32)
    classes[:count] = world.label[rows]
    for row in range(count):
        _raise_logit(logits[classes[row]], boxes[row])
    scores = np.zeros(slots, np.float32)
    scores[:count] = (
        rng.choice([0.9, 0.5, 0.4], count) if rng.random() < 0.3 else rng.random(count) ** 0.5
    )
    if rng.random() < 0.7:
        scores[:count] = -np.sort(-scores[:count])
    spread = float(rng.choice([0.5, 3.0]))
    mask_logits = rng.normal(2, spread, (slots, 28, 28)).astype(np.float32)
    mask_logits[:, 27, 27] = np.arange(slots)  # tells rows apart
    looks = np.zeros((slots, sizes["E"]), np.float32)
    looks[:count] = world.look[rows] + rng.normal(0, 0.1, (count, sizes["E"]))
    if rng.random() < 0.2:
        looks[rng.integers(slots)] = 0
    stuff = [c for c in range(sizes["K"]) if c not in info.things]
    labels = np.array(stuff, np.uint8)[logits[stuff].argmax(0)].repeat(4, 0).repeat(4, 1)
    if rng.random() < 0.3:
        labels[: rng.integers(1, 9), : rng.integers(1, 9)] = rng.choice(stuff)
    script: dict[str, Any] = {
        "logits": logits, "labels": labels, "boxes": boxes, "scores": scores, "classes": classes,
        "features": rng.normal(size=(sizes["S"], *coarse)).astype(np.float32),
        "mask_logits": mask_logits, "embeddings": looks, "count": count, "fails": -1,
        "masks8": rng.random((slots, 1, *coarse)).astype(np.float32),
        "noise": rng.normal(0, spread, (sizes["N"], 1, *coarse)).astype(np.float32),
        "costs_ns": rng.integers(0, 3_000_000, 5).tolist(),
    }  # fmt: skip
    _spoil(rng, info, script)
    best = script["logits"][stuff[0]].copy()
    for number in stuff[1:]:
        np.maximum(best, script["logits"][number], out=best)
    script["margins"] = script["logits"][list(info.things)] - best
    return script


def _spoil(rng: np.random.Generator, info: ModelInfo, script: dict[str, Any]) -> None:
    """Make a few frames odd: extreme numbers, and outputs that break the contract."""
    luck = rng.random()
    row = rng.integers(info.sizes["D"])
    if luck < 0.05:
        script["boxes"][row] = rng.choice([-3e38, 3e38, 1e9, -1e9, 0, 17.5], 4)
    elif luck < 0.08:
        script["mask_logits"][row] *= np.float32(1e30)
    elif luck < 0.10:
        script["fails"] = int(rng.integers(5))
    elif luck < 0.12:
        name = str(rng.choice(["logits", "boxes", "scores", "mask_logits", "noise", "embeddings"]))
        script[name].flat[rng.integers(script[name].size)] = np.nan
    elif luck < 0.13:
        script["count"] = info.sizes["D"] + 1
    elif luck < 0.14:
        script["classes"][0] = 99
    elif luck < 0.15:
        script["scores"][0] = 1.5
    elif luck < 0.16:
        script["labels"][-1, -1] = info.sizes["K"]
    elif luck < 0.18:
        script["embeddings"] *= np.float32(1e25)


def _raise_logit(plane: Float, box: Float) -> None:
    height, width = plane.shape
    x1, y1, x2, y2 = (box / 4).clip(0, (width, height, width, height)).astype(int)
    plane[y1:y2, x1:x2] += np.float32(6)


def _smooth(rng: np.random.Generator, shape: tuple[int, int, int], scale: float) -> Float:
    coarse = rng.normal(0, scale, (shape[0], -(-shape[1] // 4), -(-shape[2] // 4)))
    full = coarse.repeat(4, 1).repeat(4, 2)[:, : shape[1], : shape[2]]
    return (full + rng.normal(0, 0.3, shape)).astype(np.float32)
