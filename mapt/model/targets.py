"""Defines the network's training input: frames with targets, and batches of pairs of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor


@dataclass
class FrameTargets:
    """The ground truth of one frame.

    Attributes:
        semantic: train ids (H,W) uint8, 255 void.
        index: (H,W) uint8, i + 1 where instance i is visible, and 0 elsewhere.
        boxes: (n,4) float32 xyxy, in pixels, tight around the visible masks.
        labels: (n,) int64 train ids.
        track_ids: (n,) int64. An object has the same id in both frames of a pair.
        ignore_boxes: (m,4) float32 xyxy of crowds and doubtful objects. No negative sample is drawn
            from them.
    """

    semantic: Tensor
    index: Tensor
    boxes: Tensor
    labels: Tensor
    track_ids: Tensor
    ignore_boxes: Tensor

    def masks(self) -> Tensor:
        """Return the instances' masks (n,H,W) bool."""
        rows = torch.arange(
            1, len(self.boxes) + 1, dtype=self.index.dtype, device=self.index.device
        )
        return self.index[None] == rows[:, None, None]

    def to(self, device: torch.device) -> FrameTargets:
        """Copy the targets to a device. The host does not wait for a copy to a GPU."""
        ahead = device.type == "cuda"
        return FrameTargets(
            *(getattr(self, f.name).to(device, non_blocking=ahead) for f in fields(self))
        )

    def pin_memory(self) -> FrameTargets:
        """Copy the targets into pinned memory, from which a GPU copies without the host."""
        return FrameTargets(*(getattr(self, f.name).pin_memory() for f in fields(self)))


@dataclass
class PairBatch:
    """A batch of B training samples, each of frames t - 2 tau, t - tau and t of a scene.

    Attributes:
        images_before: (B,H,W,3) uint8 RGB at t - 2 tau. They give semantic features, and no loss.
        images_prev: (B,H,W,3) uint8 RGB at t - tau.
        images: (B,H,W,3) uint8 RGB at t.
        prev: B targets at t - tau.
        now: B targets at t.
        names: names of the B samples, for error messages.
        seeds: B numbers, unique within a run. The losses' random draws for a sample depend on its
            seed alone.
        skipped: a line for each bad file that was skipped when the samples were drawn.
    """

    images_before: Tensor
    images_prev: Tensor
    images: Tensor
    prev: list[FrameTargets]
    now: list[FrameTargets]
    names: list[str]
    seeds: list[int]
    skipped: list[str] = field(default_factory=list)

    def to(self, device: torch.device) -> PairBatch:
        """Copy the batch to a device. The host does not wait for a copy to a GPU."""
        ahead = device.type == "cuda"
        return self._each(
            lambda image: image.to(device, non_blocking=ahead), lambda target: target.to(device)
        )

    def pin_memory(self) -> PairBatch:
        """Copy the batch into pinned memory. PyTorch's loader calls this method."""
        return self._each(Tensor.pin_memory, FrameTargets.pin_memory)

    def _each(
        self, image: Callable[[Tensor], Tensor], target: Callable[[FrameTargets], FrameTargets]
    ) -> PairBatch:
        return replace(
            self,
            images_before=image(self.images_before),
            images_prev=image(self.images_prev),
            images=image(self.images),
            prev=[target(frame) for frame in self.prev],
            now=[target(frame) for frame in self.now],
        )
