"""Computes a tracker's frames around what the network gives, from one state to the next."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from mapt.runtime.association.associator import Association
from mapt.runtime.association_inputs import compute_association_inputs
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.frame import Labels, PanopticFrame
from mapt.runtime.images.image import CameraImage
from mapt.runtime.images.network_input import InputMaker
from mapt.runtime.label_rendering import (
    Identified,
    LabelRenderer,
    label_frame,
    paint_labels,
    shown_classes,
    with_alarms,
)
from mapt.runtime.monitoring.deadline import Estimates
from mapt.runtime.monitoring.output_monitor import alarms
from mapt.runtime.perception.fusion import fuse
from mapt.runtime.perception.input_use import warn_of_waste
from mapt.runtime.perception.pipeline import Clock, Perception, read_planes
from mapt.runtime.perception.preprocess import fit
from mapt.runtime.perception.steps import Wanted
from mapt.runtime.perception.stuff import absorb_small_stuff
from mapt.runtime.perception.workspace import Workspace
from mapt.runtime.persistence.state import TrackerState


class FrameMaker:
    """Makes the frames of one camera, with memory that is used again and again.

    It keeps no state of the tracks, so an error leaves nothing behind.

    Args:
        backend: runs the motion and the appearance head. It may bring `estimates` of its own, and
            the `stream` and `memory` of a GPU.
        association: see `PanopticTracker`.
        max_objects: most objects in a frame, at most as many as the network has slots.

    Attributes:
        estimates: what the heads cost lately.
        workspace: memory of the host.
        inputs: makes images the network's input.
        labels: brings label maps to the images' size.
    """

    def __init__(self, backend: Backend, association: Association, max_objects: int) -> None:
        info = backend.info
        self.backend = backend
        self.association = association
        self.max_objects = max_objects
        replayed: Estimates | None = getattr(backend, "estimates", None)
        self.estimates = replayed or Estimates(info.thresholds.deadline_reserve)
        cells = info.height * info.width // 64  # of a mask, and there are so many masks
        self.workspace = Workspace(cells * max(64, info.sizes["D"], info.sizes["N"]))
        # A backend that runs on a GPU says on which stream it takes inputs that lie there.
        stream = getattr(backend, "stream", None)
        memory = getattr(backend, "memory", None)
        self.inputs = InputMaker(info, self.workspace, stream, memory)
        self.labels = LabelRenderer(self.inputs)

    def use_memory_of(self, other: FrameMaker) -> None:
        """Lay out another's memory with the frames that come, instead of memory of its own."""
        self.workspace = other.workspace
        self.inputs = other.inputs

    def make(
        self, before: TrackerState, image: CameraImage, stamp: int, clock: Clock, where: Labels
    ) -> Generator[Wanted, Perception, tuple[PanopticFrame, TrackerState]]:
        """Compute the next frame and the state after it.

        Nothing changes except the running estimates.

        Args:
            before: the state after the last frame.
            image: as it was read.
            stamp: its time, nanoseconds.
            clock: takes the times and knows how much is left.
            where: the labels are wanted, "host" or "device".
        """
        info = self.backend.info
        workspace = self.workspace
        limits = info.thresholds
        size = (image.height, image.width)
        with clock.stage("frame"):
            with clock.stage("preprocess"):  # 1. one place where pixels become the network's input
                letterbox = fit(*size, info.height, info.width)
                warn_of_waste(letterbox, info.height, info.width)
                made = self.inputs.make(image, letterbox)
            # 2. backbone, semantic and instance heads
            seen = yield Wanted(made.tensor, clock)
            with clock.stage("preprocess"):
                look = made.look()
            with clock.stage("fusion"):  # 3. which pixel belongs to which detection
                found, overflow = seen.detections.first(self.max_objects, limits.score)
                inner = (letterbox.inner_height, letterbox.inner_width)
                found = found.first(0)[0] if look.blind else found
                fused = fuse(found, seen.margins, info.things, limits, inner, workspace)
            after = before.next(seen.s, stamp, look.pixels, size)
            follows = not look.blind and after.follows(before, limits.max_gap)
            inputs = compute_association_inputs(  # 4. motion and appearance heads
                self.backend,
                self.association,
                seen,
                fused,
                before if follows else None,
                clock,
                self.estimates,
                workspace,
            )
            with clock.stage("association"):  # 5. propagated masks first, embeddings for the rest
                table, ids, decisions = before.table.update(
                    fused, inputs.propagated, inputs.embeddings, stamp
                )
                for i, number in enumerate(ids):
                    if not number:
                        fused.hide(i)
            with clock.stage("output"):  # 6. back to the camera's pixels
                identified = Identified([] if look.blind else decisions, table, info.classes)
                overflow += int(seen.full and seen.detections.scores[-1] >= limits.score)
                labels = absorb_small_stuff(
                    seen.labels,
                    fused.index,
                    lambda planes, rows: read_planes("semantic", seen.logits, planes, rows),
                    limits.stuff_area,
                    inner,
                    workspace,
                )
                maps = paint_labels(labels, fused, ids, workspace)
                frame = label_frame(
                    self.labels.render(maps, letterbox, where),
                    identified,
                    letterbox,
                    stamp,
                    overflow,
                    inputs.degraded,
                )
        frame.timings_ms.update(clock.ms)
        self.estimates.learn_from(clock.ms, inputs.calls, inputs.degraded)
        if look.blind:
            return with_alarms(frame, ("blind",)), replace(before, accepted_ns=stamp)
        births = sum(d.stage == "birth" for d in decisions)
        visible = sum(number > 0 for number in ids)
        after = replace(
            after, table=table, recent=before.counted(births, visible) if follows else before.recent
        )
        classes = shown_classes(maps[0], letterbox)
        found_wrong = alarms(after.frozen, overflow, classes, after.recent, limits)
        return with_alarms(frame, found_wrong), after
