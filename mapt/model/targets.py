"""What the data loader hands to the network: frames with targets, and pairs of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor


@dataclass
class FrameTargets:
    """Ground truth of one frame.

    Attributes:
        semantic: (H,W) uint8, train ids, 255 void.
        index: (H,W) uint8, i + 1 where instance row i is visible, 0 elsewhere: row i's mask is
            `index == i + 1`.
        boxes: (n,4) float32, xyxy pixels, tight around the visible mask.
        labels: (n,) int64, train ids.
        track_ids: (n,) int64, equal ids in the frames of a pair are the same object.
        ignore_boxes: (m,4) float32, crowds and doubtful things: never a negative sample.
    """

    semantic: Tensor
    index: Tensor
    boxes: Tensor
    labels: Tensor
    track_ids: Tensor
    ignore_boxes: Tensor

    def masks(self) -> Tensor:
        """The instance masks (n,H,W) bool."""
        rows = torch.arange(
            1, len(self.boxes) + 1, dtype=self.index.dtype, device=self.index.device
        )
        return self.index[None] == rows[:, None, None]

    def to(self, device: torch.device) -> FrameTargets:
        """The same on a device; to a GPU the host does not wait for the copy."""
        ahead = device.type == "cuda"
        return FrameTargets(
            *(getattr(self, f.name).to(device, non_blocking=ahead) for f in fields(self))
        )

    def pin_memory(self) -> FrameTargets:
        """The same in memory that a GPU can copy from by itself."""
        return FrameTargets(*(getattr(self, f.name).pin_memory() for f in fields(self)))


@dataclass
class PairBatch:
    """B training samples: frames t - 2 tau, t - tau and t of the same scene.

    Attributes:
        images_before: (B,H,W,3) uint8 RGB at t - 2 tau: semantic features only, no loss.
        images_prev: (B,H,W,3) uint8 RGB at t - tau.
        images: (B,H,W,3) uint8 RGB at t.
        prev: B targets at t - tau.
        now: B targets at t.
        names: B sample names, for error messages.
        seeds: B numbers, unique within a run: what the losses draw for a pair depends on them
            alone.
        skipped: a line for each bad file that was left out in drawing these samples.
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
        """The same on a device; to a GPU the host does not wait for the copy."""
        ahead = device.type == "cuda"
        return self._each(
            lambda image: image.to(device, non_blocking=ahead), lambda target: target.to(device)
        )

    def pin_memory(self) -> PairBatch:
        """The same in memory that a GPU can copy from by itself; PyTorch's loader calls it."""
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
