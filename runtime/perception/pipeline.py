"""Calls the subgraphs in order and keeps their tensors apart from the tracker's logic."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import HOST_READS, NO_ROW, ModelInfo
from mapt.runtime.backends.protocol import Backend, Tensors, on_host, planes_on_host
from mapt.runtime.perception.fusion import Detections
from mapt.runtime.perception.output_checks import (
    check_instances,
    check_labels,
    check_outputs,
    check_values,
    failed,
)
from mapt.runtime.perception.sigmoid import sigmoid
from mapt.runtime.perception.workspace import Workspace

Float = NDArray[np.float32]
PYRAMID = ("p4", "p8", "p16", "p32")


class Clock:
    """Milliseconds by stage.

    Args:
        deadline_ms: milliseconds from the start within which all of it should be over; None: no
            limit.
        start_ns: the start, by `time.perf_counter_ns`; None: now.
    """

    def __init__(self, deadline_ms: float | None = None, start_ns: int | None = None) -> None:
        self.start = time.perf_counter_ns() if start_ns is None else start_ns
        self.deadline_ms = deadline_ms
        self.ms: dict[str, float] = {}

    def left_ms(self) -> float | None:
        """Return the milliseconds until the deadline; None if there is no deadline."""
        if self.deadline_ms is None:
            return None
        return self.deadline_ms - self.past_ms()

    def past_ms(self) -> float:
        """Return the milliseconds since the start."""
        return (time.perf_counter_ns() - self.start) / 1e6

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; repeated stages add up."""
        start = time.perf_counter_ns()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + (time.perf_counter_ns() - start) / 1e6


@dataclass(frozen=True)
class Perception:
    """The outputs of the single-frame heads.

    A tensor is an array, or what the backend left on its device.

    Attributes:
        pyramid: the tensors p4..p32, for the appearance head.
        s: semantic features, a tensor (1,S,H/8,W/8).
        logits: semantic logits, a tensor (1,K,H/4,W/4).
        margins: (T,H/4,W/4), the things' logits minus the best stuff logit.
        labels: (H,W) uint8, the best stuff class of every pixel.
        slots: the tensors boxes, mask_logits and masks8 of all D slots, for the later heads.
        detections: valid rows, in falling order of score.
        full: every detection slot was used: there may have been more objects.
    """

    pyramid: Mapping[str, Any]
    s: Any
    logits: Any
    margins: Float
    labels: NDArray[np.uint8]
    slots: Mapping[str, Any]
    detections: Detections
    full: bool


@dataclass(frozen=True)
class FrameOutputs:
    """What the graphs gave that every frame needs once, by the tensors' names.

    Attributes:
        trunk: of the backbone.
        semantic: of the semantic head.
        slots: of the instance head.
    """

    trunk: Mapping[str, Any]
    semantic: Mapping[str, Any]
    slots: Mapping[str, Any]


def call(backend: Backend, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Run one subgraph; nothing of what comes out is checked.

    Raises:
        BackendError: the backend raised.
    """
    try:
        return backend.run(subgraph, inputs)
    except Exception as error:
        raise failed(subgraph, error) from error


def run(backend: Backend, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Run one subgraph and check what comes out, as far as it is known already.

    Raises:
        BackendError: the backend raised.
        OutputError: the output breaks the contract.
    """
    outputs = call(backend, subgraph, inputs)
    check_outputs(subgraph, outputs, backend.info)
    return outputs


def read(subgraph: str, outputs: Mapping[str, Any]) -> Tensors:
    """Return those outputs that the host reads, by name; it may wait for the device.

    Raises:
        BackendError: the device fails.
        OutputError: one holds NaN or infinity.
    """
    values = {}
    for name in HOST_READS[subgraph]:
        try:
            values[name] = on_host(outputs[name])
        except Exception as error:
            raise failed(subgraph, error) from error
        if not isinstance(outputs[name], np.ndarray):  # else it was checked before
            check_values(subgraph, name, values[name])
    return values


def read_planes(
    subgraph: str, tensor: Any, planes: NDArray[np.intp], rows: NDArray[np.intp]
) -> Float:
    """Return some planes and rows (p,r,w) of a tensor (1,K,h,w), see `read`."""
    try:
        values = planes_on_host(tensor, planes, rows)
    except Exception as error:
        raise failed(subgraph, error) from error
    check_values(subgraph, "logits", values)
    return values


def perceive(backend: Backend, image: NDArray[np.uint8], clock: Clock) -> Perception:
    """Backbone, semantic and instance heads on an input (1,H,W,3) uint8.

    All three are started before the host waits for one of them. What a device takes for them is
    among the milliseconds of the instance head.

    Raises:
        StepError: the backend raised or its output breaks the contract.
    """
    return read_outputs(run_graphs(backend, image, clock, run), backend.info, clock)


def run_graphs(
    backend: Backend,
    image: NDArray[np.uint8],
    clock: Clock,
    each: Callable[[Backend, str, Mapping[str, Any]], dict[str, Any]],
) -> FrameOutputs:
    """Start the backbone, the semantic and the instance head.

    Args:
        backend: runs them.
        image: (1,H,W,3) uint8, or as many images as its graphs take.
        clock: takes their milliseconds.
        each: runs one of them: `run`, or `call` where the outputs of several images are not checked
            together.
    """
    with clock.stage("backbone"):
        trunk = each(backend, "backbone", {"image": image})
    pyramid = {name: trunk[name] for name in PYRAMID}
    with clock.stage("semantic"):
        semantic = each(backend, "semantic", {name: trunk[name] for name in ("c16", "p4", "p8")})
    with clock.stage("instance"):
        slots = each(backend, "instance", pyramid)
    return FrameOutputs(trunk, semantic, slots)


def read_outputs(outputs: FrameOutputs, info: ModelInfo, clock: Clock) -> Perception:
    """What the graphs gave for one image; it may wait for the device.

    Args:
        outputs: of this image, checked by `check_outputs`.
        info: of the network.
        clock: takes the milliseconds.

    Raises:
        StepError: the device fails, or a value is outside its range.
    """
    slots = outputs.slots
    with clock.stage("instance"):
        found = read("instance", slots)
        check_instances(found, info)
    with clock.stage("semantic"):
        seen = read("semantic", outputs.semantic)
        check_labels(seen["labels"], info)
    count = int(found["count"][0])
    detections = Detections(
        found["boxes"][:count],
        found["scores"][:count],
        found["classes"][:count],
        found["mask_logits"][:count],
        np.arange(count, dtype=np.int32),
    )
    return Perception(
        {name: outputs.trunk[name] for name in PYRAMID},
        outputs.semantic["s"],
        outputs.semantic["logits"],
        seen["margins"][0],
        seen["labels"][0],
        {name: slots[name] for name in ("boxes", "mask_logits", "masks8")},
        in_order(detections),
        count == len(found["scores"]),
    )


def in_order(detections: Detections) -> Detections:
    """Sort detections by falling score, so that ids do not depend on their order.

    Equal scores are sorted by their boxes.
    """
    if (np.diff(detections.scores) <= 0).all():
        return detections
    return detections.take(np.lexsort((*detections.boxes.T, -detections.scores)))


def propagate_masks(
    backend: Backend,
    s_prev: Any,
    seen: Perception,
    masks_prev: Float,
    rows: NDArray[np.int32],
    workspace: Workspace,
) -> tuple[Float, list[Any]]:
    """The motion head on any number of tracks and detections, N of each at a time.

    Args:
        backend: runs it.
        s_prev: semantic features of the previous frame, a tensor (1,S,H/8,W/8).
        seen: this frame's features and detections.
        masks_prev: (L,1,H/8,W/8) masks of the live tracks at t - 1.
        rows: slots of the detections that are looked at, whose own masks give f_p.
        workspace: memory that is used again.

    Returns:
        Propagated masks (L,1,H/8,W/8) in [0,1], in the workspace, and the propagated features f_p
        of each call, tensors (N,M,7,7).
    """
    number = backend.info.sizes["N"]
    grid = masks_prev.shape[1:]
    propagated: Float = workspace.take("propagated", masks_prev.shape)
    shared = {
        "s_prev": s_prev,
        "s": seen.s,
        "masks8": seen.slots["masks8"],
        "boxes": seen.slots["boxes"],
    }
    calls = []
    for start in range(0, max(len(masks_prev), len(rows)), number):
        part = slice(start, start + number)
        before = padded(masks_prev[part], number, workspace.take("rows_prev", (number, *grid)))
        inputs = {**shared, "masks_prev": before, "rows": padded_rows(rows[part], number)}
        calls.append(run(backend, "motion", inputs))
    for call, start in enumerate(range(0, len(masks_prev), number)):
        carried = propagated[start : start + number]
        sigmoid(read("motion", calls[call])["propagated"][: len(carried)], carried, workspace)
    return propagated, [outputs["f_p"] for outputs in calls]


def embed(
    backend: Backend, seen: Perception, rows: NDArray[np.int32], features: list[Any], clock: Clock
) -> Float:
    """Unit embeddings (n,E) of the detections in some slots.

    `features` are what `propagate_masks` gave for the same rows.
    """
    number = backend.info.sizes["N"]
    shared = {
        **seen.pyramid,
        "boxes": seen.slots["boxes"],
        "mask_logits": seen.slots["mask_logits"],
    }
    with clock.stage("appearance"):
        calls = []
        for start, f_p in zip(range(0, len(rows), number), features, strict=False):
            inputs = {
                **shared,
                "rows": padded_rows(rows[start : start + number], number),
                "f_p": f_p,
            }
            calls.append(run(backend, "appearance", inputs))
        parts = [read("appearance", outputs)["embeddings"] for outputs in calls]
    found = (
        np.concatenate(parts)[: len(rows)]
        if parts
        else np.zeros((0, backend.info.sizes["E"]), np.float32)
    )
    length = np.linalg.norm(found, axis=1, keepdims=True)
    unit: Float = found / np.maximum(length, np.float32(1e-12))
    return unit


def padded_rows(rows: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Return `count` rows, of which those behind the given ones stand for no detection."""
    out = np.full(count, NO_ROW, np.int32)
    out[: len(rows)] = rows
    return out


def padded(rows: Float, count: int, out: Float | None = None) -> Float:
    """Return rows (n,...) padded with zeros to `count` rows.

    They are written to `out`, unless there are already `count` of them.
    """
    if len(rows) == count:
        return np.ascontiguousarray(rows)
    out = np.empty((count, *rows.shape[1:]), np.float32) if out is None else out
    out[: len(rows)] = rows
    out[len(rows) :] = 0
    return out
