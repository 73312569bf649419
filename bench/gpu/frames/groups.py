"""Several cameras on one network: a group in batches, beside single trackers in turn.

Each camera sees the street at another time, so that a mix-up of two cameras changes their tracks.
Nothing here imports PyTorch, as in a vehicle.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any

from mapt.bench.gpu.adapter import open_resident
from mapt.bench.gpu.checks import bundles
from mapt.bench.gpu.checks.ort import INTERVAL, compare, judged
from mapt.bench.gpu.context import Context, Result
from mapt.bench.gpu.frames import timing
from mapt.runtime import PanopticFrame, PanopticTracker, TrackerGroup
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import CopyCounts
from mapt.runtime.batches.batch import one_camera
from mapt.runtime.bundle.manifest import Bundle

COMPARED = 10  # rounds whose frames are compared
Step = Callable[[Sequence[object], int], list[PanopticFrame]]  # images, and the stamp of all


@dataclass(frozen=True)
class SharedRound:
    """A frame of every camera on one network.

    Attributes:
        ms: what they took together.
        moved: what was copied for them.
        frames: of each camera.
    """

    ms: float
    moved: CopyCounts
    frames: list[PanopticFrame]


def in_turn(backend: OrtBackend, cameras: int) -> Step:
    """Single trackers on the sessions of one backend, one after the other."""
    trackers = [PanopticTracker(backend) for _ in range(cameras)]

    def step(images: Sequence[object], stamp: int) -> list[PanopticFrame]:
        pairs = zip(trackers, images, strict=True)
        return [tracker.step(image, stamp) for tracker, image in pairs]

    return step


def in_batches(backend: OrtBackend, cameras: int, batch: int) -> Step:
    """A group whose frame graphs take `batch` images in a call.

    What fails for a camera is raised.
    """
    alone = one_camera(backend, batch)
    trackers = {str(number): PanopticTracker(alone) for number in range(cameras)}
    group = TrackerGroup(trackers, backend, batch)

    def step(images: Sequence[object], stamp: int) -> list[PanopticFrame]:
        frames = []
        for outcome in group.step(images, [stamp] * cameras):
            if not isinstance(outcome, PanopticFrame):
                raise outcome or AssertionError("an image has no outcome")
            frames.append(outcome)
        return frames

    return step


def rounds(
    step: Step, backend: OrtBackend, cameras: int, images: Sequence[object]
) -> Iterator[SharedRound]:
    """Show every camera the street, each one image ahead of the camera before it, for ever."""
    for number in count():
        shown = [images[(number + camera) % len(images)] for camera in range(cameras)]
        before = replace(backend.traffic)
        begin = time.perf_counter()
        frames = step(shown, number * INTERVAL)
        ms = (time.perf_counter() - begin) * 1e3
        yield SharedRound(ms, backend.traffic.since(before), frames)


def summary(
    bundle: Bundle, context: Context, cameras: int
) -> tuple[dict[str, Any], list[PanopticFrame]]:
    """Numbers of one bundle with images of the host, and its first frames, round by round.

    Args:
        bundle: for one image at a time, on which single trackers run in turn, or for several.
        context: where.
        cameras: how many.
    """
    backend = open_resident(bundle, context.device)
    step = (
        in_turn(backend, cameras)
        if bundle.batch == 1
        else in_batches(backend, cameras, bundle.batch)
    )
    images = list(bundles.street(context, timing.pictures(context)))
    some = rounds(step, backend, cameras, images)
    first = [
        frame for taken in islice(some, 2 if context.small else COMPARED) for frame in taken.frames
    ]
    # Their labels would fill the memory.
    kept = timing.enough((replace(taken, frames=[]) for taken in some), context)
    values = {
        "ms": statistics.median(taken.ms for taken in kept) / cameras,
        "worst_ms": max(taken.ms for taken in kept) / cameras,
        "rounds": len(kept),
        "megabytes": statistics.median(
            (taken.moved.up + taken.moved.down) / 1e6 / cameras for taken in kept
        ),
        "waits": statistics.median(taken.moved.waits / cameras for taken in kept),
        "captured": sorted(backend.captured),
    }
    return values, first


def measured(context: Context, cameras: int) -> Result:
    """A line for each bundle that takes several images, and for the same of one image.

    That a group's tracks are those of single trackers is judged where they mean something: with
    the trained weights of `nano`.
    """
    batched = bundles.kinds(context, bundles.BATCHED)
    single = [replace(kind, batch=1) for kind in batched]
    found, faults = bundles.ready(context, (*single, *batched))
    values = dict[str, Any]()
    told = list(faults)
    rows = list[str]()
    seen = list[str]()
    for one, many in zip(single, batched, strict=True):
        if not {one.name, many.name} <= found.keys():
            continue  # a fault says why
        try:
            turn, want = summary(found[one.name], context, cameras)
            group, got = summary(found[many.name], context, cameras)
        except Exception as error:  # the next kind may run
            told.append(f"{many.name}: {error}")
            continue
        same = compare(want, got)
        values[f"{one.name}, in turn"] = turn
        values[f"{many.name}, group"] = group | same
        if many.preset == "nano" and bundles.trained():
            told += judged(many.name, same, context, "single trackers'")
        rows.append(timing.row(f"{one.name}, in turn", turn, "-", "single trackers on one network"))
        equal = f"{same['same_tracks']} of {same['frames']} frames with their tracks"
        rows.append(timing.row(f"{many.name}, group", group, "-", equal))
        seen.append(f"{one.name} {turn['ms']:.1f}, in batches of {many.batch} {group['ms']:.1f}")
    line = f"on one network {', '.join(seen) or 'nothing'}"
    return Result(line, values, tuple(told), tuple(rows))
