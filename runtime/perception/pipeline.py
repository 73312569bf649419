"""Calls the subgraphs in order and keeps their tensors apart from the tracker's logic."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.runtime.backends.protocol import Backend, Tensors
from mapt.runtime.perception.fusion import Detections
from mapt.runtime.perception.output_checks import (
    check_instances,
    check_labels,
    check_outputs,
    failed,
)
from mapt.runtime.perception.sigmoid import sigmoid
from mapt.runtime.perception.workspace import Workspace

Float = NDArray[np.float32]


class Clock:
    """Milliseconds by stage.

    Args:
        deadline_ms: milliseconds from now within which all of it should be over; None: no limit.
    """

    def __init__(self, deadline_ms: float | None = None) -> None:
        self.start = time.perf_counter_ns()
        self.deadline_ms = deadline_ms
        self.ms: dict[str, float] = {}

    def left_ms(self) -> float | None:
        """Return the milliseconds until the deadline; None if there is no deadline."""
        if self.deadline_ms is None:
            return None
        return self.deadline_ms - (time.perf_counter_ns() - self.start) / 1e6

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

    Attributes:
        pyramid: p4..p32, for the appearance head.
        s: semantic features (1,S,H/8,W/8).
        logits: semantic logits (K,H/4,W/4).
        labels: (H,W) uint8, the best stuff class of every pixel.
        detections: valid rows, in falling order of score.
        full: every detection slot was used: there may have been more objects.
    """

    pyramid: Tensors
    s: Float
    logits: Float
    labels: NDArray[np.uint8]
    detections: Detections
    full: bool


def run(backend: Backend, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
    """Run one subgraph and check what comes out.

    Raises:
        BackendError: the backend raised.
        OutputError: the output breaks the contract.
    """
    try:
        outputs = backend.run(subgraph, inputs)
    except Exception as error:
        raise failed(subgraph, error) from error
    check_outputs(subgraph, outputs, backend.info)
    return outputs


def perceive(backend: Backend, image: NDArray[np.uint8], clock: Clock) -> Perception:
    """Backbone, semantic and instance heads on an input (1,H,W,3) uint8.

    Raises:
        StepError: the backend raised or its output breaks the contract.
    """
    with clock.stage("backbone"):
        trunk = run(backend, "backbone", {"image": image})
    pyramid = {name: trunk[name] for name in ("p4", "p8", "p16", "p32")}
    with clock.stage("semantic"):
        semantic = run(
            backend, "semantic", {"c16": trunk["c16"], "p4": trunk["p4"], "p8": trunk["p8"]}
        )
        check_labels(semantic["labels"], backend.info)
    with clock.stage("instance"):
        instance = run(backend, "instance", pyramid)
        check_instances(instance, backend.info)
    count = int(instance["count"][0])
    detections = in_order(
        Detections(
            instance["boxes"][:count],
            instance["scores"][:count],
            instance["classes"][:count],
            instance["mask_logits"][:count],
            instance["masks8"][:count],
        )
    )
    full = count == backend.info.sizes["D"]
    return Perception(
        pyramid, semantic["s"], semantic["logits"][0], semantic["labels"][0], detections, full
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
    s_prev: Float,
    s: Float,
    masks_prev: Float,
    detections: Detections,
    workspace: Workspace,
) -> tuple[Float, Float]:
    """The motion head on any number of tracks and detections, N rows at a time.

    Args:
        backend: runs it.
        s_prev: semantic features of the previous frame (1,S,H/8,W/8).
        s: of this frame.
        masks_prev: (T,1,H/8,W/8) masks of the live tracks at t - 1.
        detections: of this frame; their own masks give f_p.
        workspace: memory that is used again.

    Returns:
        Propagated masks (T,1,H/8,W/8) in [0,1], in the workspace, and propagated features f_p
        (D,M,7,7).
    """
    rows = backend.info.sizes["N"]
    grid = (1, *s.shape[2:])
    propagated: Float = workspace.take("propagated", (len(masks_prev), *grid))
    features = []
    for start in range(0, max(len(masks_prev), len(detections)), rows):
        part = slice(start, start + rows)
        out = run(
            backend,
            "motion",
            {
                "s_prev": s_prev,
                "s": s,
                "masks_prev": padded(
                    masks_prev[part], rows, workspace.take("rows_prev", (rows, *grid))
                ),
                "masks": padded(
                    detections.masks8[part], rows, workspace.take("rows", (rows, *grid))
                ),
                "boxes": padded(detections.boxes[part], rows),
            },
        )
        carried = propagated[part]
        sigmoid(out["propagated"][: len(carried)], carried, workspace)
        features.append(out["f_p"])
    f_p = (
        np.concatenate(features)[: len(detections)]
        if features
        else np.zeros((0, backend.info.sizes["M"], 7, 7), np.float32)
    )
    return propagated, f_p


def embed(
    backend: Backend, pyramid: Tensors, detections: Detections, f_p: Float, clock: Clock
) -> Float:
    """Unit embeddings (D,E) of the detections."""
    rows = backend.info.sizes["N"]
    parts = []
    with clock.stage("appearance"):
        for start in range(0, len(detections), rows):
            part = slice(start, start + rows)
            inputs: dict[str, NDArray[Any]] = {
                **pyramid,
                "boxes": padded(detections.boxes[part], rows),
                "mask_logits": padded(detections.mask_logits[part], rows),
                "f_p": padded(f_p[part], rows),
            }
            parts.append(run(backend, "appearance", inputs)["embeddings"])
    found = (
        np.concatenate(parts)[: len(detections)]
        if parts
        else np.zeros((0, backend.info.sizes["E"]), np.float32)
    )
    length = np.linalg.norm(found, axis=1, keepdims=True)
    unit: Float = found / np.maximum(length, np.float32(1e-12))
    return unit


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
