"""Perceives the images of several cameras in one call of each frame graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mapt.runtime.backends.protocol import Backend
from mapt.runtime.batches.batch import join, part
from mapt.runtime.errors import StepError
from mapt.runtime.perception.output_checks import (
    check_instances,
    check_labels,
    check_outputs,
    failed,
)
from mapt.runtime.perception.pipeline import Clock, Perception, assemble, read
from mapt.runtime.perception.steps import Wanted


@dataclass(frozen=True)
class _Outputs:
    """What the three frame graphs gave for a batch, or for one of its images."""

    trunk: Mapping[str, Any]
    semantic: Mapping[str, Any]
    slots: Mapping[str, Any]

    def of(self, place: int, sizes: dict[str, int]) -> _Outputs:
        return _Outputs(
            part("backbone", self.trunk, place, sizes),
            part("semantic", self.semantic, place, sizes),
            part("instance", self.slots, place, sizes),
        )


def perceive_batch(
    backend: Backend, batch: int, images: Sequence[Wanted]
) -> list[Perception | StepError]:
    """Perceive images of different cameras, as `pipeline.perceive` does one.

    Every image's clock takes the time of the whole batch.

    Args:
        backend: its frame graphs take `batch` images.
        batch: see there.
        images: at most so many. What lacks is padded with zeros, which takes as long.

    Returns:
        What each image shows, or why that is not known: a graph failed, for all of them, or gave
        this image an output that breaks the contract.
    """
    together = Clock()
    try:
        outputs = _run(backend, batch, images, together)
    except StepError as error:
        return [_copied(error) for _ in images]
    for image in images:
        for stage, ms in together.ms.items():
            image.clock.ms[stage] = image.clock.ms.get(stage, 0.0) + ms
    return [_read(backend, outputs, place) for place in range(len(images))]


def _run(backend: Backend, batch: int, images: Sequence[Wanted], clock: Clock) -> _Outputs:
    with clock.stage("backbone"):
        inputs = join("backbone", [{"image": image.tensor} for image in images], batch)
        trunk = _call(backend, "backbone", inputs)
    with clock.stage("semantic"):
        semantic = _call(backend, "semantic", {name: trunk[name] for name in ("c16", "p4", "p8")})
    with clock.stage("instance"):
        pyramid = {name: trunk[name] for name in ("p4", "p8", "p16", "p32")}
        slots = _call(backend, "instance", pyramid)
    return _Outputs(trunk, semantic, slots)


def _call(backend: Backend, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return backend.run(subgraph, inputs)
    except Exception as error:
        raise failed(subgraph, error) from error


def _copied(error: StepError) -> StepError:
    """The same error for one of several cameras, which raise it at the same time."""
    copied = type(error)(str(error))
    copied.__cause__ = error.__cause__
    return copied


def _read(backend: Backend, outputs: _Outputs, place: int) -> Perception | StepError:
    try:
        own = outputs.of(place, backend.info.sizes)
        check_outputs("backbone", own.trunk, backend.info)
        check_outputs("semantic", own.semantic, backend.info)
        check_outputs("instance", own.slots, backend.info)
        found = read("instance", own.slots)
        check_instances(found, backend.info)
        seen = read("semantic", own.semantic)
        check_labels(seen["labels"], backend.info)
        pyramid = {name: own.trunk[name] for name in ("p4", "p8", "p16", "p32")}
        # Remembered until the camera's next frame, which should not keep the whole batch.
        s = own.semantic["s"]
        semantic = {**own.semantic, "s": s.copy() if isinstance(s, np.ndarray) else s}
        return assemble(pyramid, semantic, own.slots, found, seen)
    except StepError as error:
        return error
