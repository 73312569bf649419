"""Whole frames of one camera, and of eight: times, copies, waits, and what takes longest.

Nothing here imports PyTorch, as in a vehicle.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.bench.costs.copies import CopyCounter, FrameCopies
from mapt.bench.gpu.adapter import HostBackend, open_backend, open_resident
from mapt.bench.gpu.checks.bundles import ready, street
from mapt.bench.gpu.checks.ort import OutputRecorder, on_device
from mapt.bench.gpu.context import Context, Result
from mapt.bench.gpu.frames import groups, timing
from mapt.errors import InputError
from mapt.runtime.backends.cuda import CudaMemory
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.images.device_array import DeviceArray, allocate
from mapt.runtime.images.kernel import find_library
from mapt.runtime.perception.self_test import run_golden

PRECISIONS = ("fp32", "fp16")
HINT = (
    "profile: nsys profile -t cuda python -m mapt.bench.costs.copies BUNDLE --device cuda"
    " --frames 200"
)


@dataclass(frozen=True)
class Round:
    """A frame of every camera, one after the other.

    Attributes:
        ms: what they took together.
        frames: what was counted in each.
    """

    ms: float
    frames: Sequence[FrameCopies]


def one(context: Context) -> Result:
    """Frames of one camera."""
    found = measured(context, 1)
    return replace(found, rows=(*found.rows, HINT))


def eight(context: Context) -> Result:
    """Frames of eight cameras, with a backend each, on one in turn, and on one in batches."""
    apart = measured(context, 8)
    shared = groups.measured(context, 8)
    faults = dict.fromkeys((*apart.faults, *shared.faults))  # both miss what was not exported
    return Result(
        f"{apart.line}; {shared.line}",
        {**apart.values, **shared.values},
        tuple(faults),
        (*apart.rows, *shared.rows, HINT),
    )


def measured(context: Context, cameras: int) -> Result:
    """A line for each kind of bundle, with images of the host, and on the GPU where that works."""
    found, faults = ready(context)
    values = dict[str, Any]()
    told = list(faults)
    rows = [timing.HEADER]
    for name, bundle in found.items():
        if bundle.precision not in PRECISIONS or not (
            context.small or bundle.lowering == "gridsample"
        ):
            continue
        for place in ("host", "gpu"):
            key = f"{name}, {place}"
            try:
                values[key] = summary(bundle, context, cameras, place)
            except NotImplementedError as reason:  # images on a GPU need one, and the kernel
                values[key] = {"skipped": str(reason)}
                continue
            except Exception as error:  # the next kind may run
                told.append(f"{key}: {error}")
                break
            rows.append(_row(key, values[key]))
    seen = {key: v for key, v in values.items() if "ms" in v}
    line = ", ".join(f"{key} {v['ms']:.1f}" for key, v in seen.items() if key.endswith("host"))
    what = "ms a frame" if cameras == 1 else f"ms a frame of each of {cameras} cameras"
    return Result(f"{what}: {line}", values, tuple(told), tuple(rows))


def summary(bundle: Bundle, context: Context, cameras: int, place: str) -> dict[str, Any]:
    """Numbers of one kind of bundle.

    Args:
        bundle: what runs.
        context: where.
        cameras: how many.
        place: of the images, "host" or "gpu".

    Raises:
        NotImplementedError: images cannot be read on a GPU here; the text says why.
    """
    pictures = list(street(context, timing.pictures(context)))
    counters = [CopyCounter(open_resident(bundle, context.device)) for _ in range(cameras)]
    images: list[object] = list(pictures)
    if place == "gpu":
        memory = counters[0].backend.memory
        images = [on_gpu(picture, memory) for picture in pictures]
    kept = timing.enough(rounds(counters, images), context)
    frames = [frame for taken in kept for frame in taken.frames]
    alone = networks_ms(bundle, context, pictures[0])
    share = [sum(alone[name] * n for name, n in f.calls.items()) / f.ms for f in frames]
    names = sorted({name for frame in frames for name in frame.stages} - {"frame"})
    stages = {n: statistics.median(f.stages.get(n, 0.0) for f in frames) for n in names}
    return {
        "ms": statistics.median(taken.ms for taken in kept) / cameras,
        "worst_ms": max(taken.ms for taken in kept) / cameras,
        "rounds": len(kept),
        "networks_share": statistics.median(share),
        "megabytes": statistics.median((f.moved.up + f.moved.down) / 1e6 for f in frames),
        "megabytes_up": statistics.median(f.moved.up / 1e6 for f in frames),
        "waits": statistics.median(f.moved.waits for f in frames),
        "captured": sorted(counters[0].backend.captured),
        "subgraphs_ms": alone,
        "stages_ms": stages,
    }


def rounds(counters: Sequence[CopyCounter], images: Sequence[object]) -> Iterator[Round]:
    """Show every camera the same street, image by image, again and again."""
    for image in cycle(images):
        begin = time.perf_counter()
        frames = [counter.step(image) for counter in counters]
        yield Round((time.perf_counter() - begin) * 1e3, frames)


def networks_ms(bundle: Bundle, context: Context, picture: NDArray[np.uint8]) -> dict[str, float]:
    """Median milliseconds of each subgraph alone, with its tensors on the device."""
    plain = open_backend(bundle, context.device, plain=True)
    run = OutputRecorder(HostBackend(plain))
    run_golden(run, picture[None])
    return on_device(plain, run.inputs, context)


def on_gpu(picture: NDArray[np.uint8], memory: CudaMemory | None) -> DeviceArray:
    """A picture in a GPU's memory.

    Raises:
        NotImplementedError: there is no GPU, or no kernel that reads images there.
    """
    if memory is None:
        raise NotImplementedError("the backend has no memory of a GPU")
    try:
        find_library()
    except InputError as error:
        raise NotImplementedError(str(error)) from None
    array = allocate(memory.beside(), picture.shape, np.uint8)
    staging = array.memory.allocate_host(picture.shape, np.uint8)
    np.copyto(staging, picture)
    array.memory.upload(array.address, staging)
    array.memory.wait()
    return array


def longest(stages: dict[str, float], count: int = 3) -> str:
    """The stages that take most, with their shares."""
    total = sum(stages.values()) or 1.0
    order = sorted(stages, key=lambda name: -stages[name])[:count]
    return ", ".join(f"{name} {stages[name] / total:.0%}" for name in order)


def _row(key: str, v: dict[str, Any]) -> str:
    return timing.row(key, v, f"{v['networks_share']:.2f}", longest(v["stages_ms"]))
