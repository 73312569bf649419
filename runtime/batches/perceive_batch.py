"""Perceives the images of several cameras in one call of each frame graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mapt.contract import ModelInfo
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.batches.batch import join, part
from mapt.runtime.errors import StepError
from mapt.runtime.perception.output_checks import check_outputs
from mapt.runtime.perception.pipeline import (
    Clock,
    FrameOutputs,
    Perception,
    call,
    read_outputs,
    run_graphs,
)
from mapt.runtime.perception.steps import Wanted


def perceive_batch(
    backend: Backend, batch: int, images: Sequence[Wanted]
) -> list[Perception | StepError]:
    """Perceive images of different cameras, as `pipeline.perceive` does one.

    Every image's clock takes the time of the whole batch, and of reading what it gave for that
    image.

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
        with together.stage("backbone"):
            whole = join("backbone", [{"image": image.tensor} for image in images], batch)
        outputs = run_graphs(backend, whole["image"], together, call)
    except StepError as error:
        return [_copied(error) for _ in images]
    for image in images:
        for stage, ms in together.ms.items():
            image.clock.ms[stage] = image.clock.ms.get(stage, 0.0) + ms
    return [_read(backend.info, outputs, place, image) for place, image in enumerate(images)]


def _copied(error: StepError) -> StepError:
    """The same error for one of several cameras, which raise it at the same time."""
    copied = type(error)(str(error))
    copied.__cause__ = error.__cause__
    return copied


def _read(
    info: ModelInfo, outputs: FrameOutputs, place: int, image: Wanted
) -> Perception | StepError:
    try:
        return read_outputs(_own(info, outputs, place), info, image.clock)
    except StepError as error:
        return error


def _own(info: ModelInfo, outputs: FrameOutputs, place: int) -> FrameOutputs:
    """The outputs of one image.

    Raises:
        OutputError: they break the contract.
    """
    trunk = part("backbone", outputs.trunk, place, info.sizes)
    semantic = part("semantic", outputs.semantic, place, info.sizes)
    slots = part("instance", outputs.slots, place, info.sizes)
    for subgraph, own in (("backbone", trunk), ("semantic", semantic), ("instance", slots)):
        check_outputs(subgraph, own, info)
    if isinstance(semantic["s"], np.ndarray):
        # Remembered until the camera's next frame, which should not keep the whole batch.
        semantic["s"] = semantic["s"].copy()
    return FrameOutputs(trunk, semantic, slots)
