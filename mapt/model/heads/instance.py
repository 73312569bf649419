"""The instance head: a modified Mask R-CNN with separable convolutions (paper III-A)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.model.boxes import (
    clip,
    decode,
    large_enough,
    paste_masks,
)
from mapt.model.fpn import STRIDES, Pyramid
from mapt.model.layers import ConvNorm, SeparableConv, activation
from mapt.ops import greedy_nms, multiscale_roi_align, top_k

DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
BOX_ROI = 7
MASK_ROI = 14
MASK_SIZE = 28
MIN_SCORE = 0.05  # detections with a lower score are dropped


@dataclass(frozen=True)
class DetectionTensors:
    """Detections in D slots, in falling order of score.

    They are the outputs of the `instance` subgraph. All slots from `count` on are zero.

    Attributes:
        boxes: (D,4) float32 xyxy, in pixels.
        scores: (D,) float32 in [0,1].
        classes: (D,) int32 train ids.
        mask_logits: (D,28,28) float32 inside the boxes.
        masks8: (D,1,H/8,W/8) float32 in [0,1], area averages over the image.
        count: (1,) int32, the number of detections.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    mask_logits: Tensor
    masks8: Tensor
    count: Tensor


@dataclass(frozen=True)
class Candidates:
    """Objects in D slots, in falling order of score, without their masks.

    Attributes:
        boxes: (D,4) float32 xyxy, in pixels. Those of empty slots are zero.
        things: (D,) int64, the thing index of each. Those of empty slots have no meaning.
        scores: (D,) float32 in [0,1].
        kept: (D,) bool, False for empty slots.
    """

    boxes: Tensor
    things: Tensor
    scores: Tensor
    kept: Tensor


class BoxBranch(nn.Module):
    """Computes class logits and class-agnostic box deltas from 7x7 RoI features.

    The logits are those of the T things, and then that of the background.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.head_channels
        hidden = config.box_hidden
        reduced = config.head_channels // 2
        self.conv = SeparableConv(config.fpn_channels, width, config.activation)
        self.reduce = ConvNorm(width, reduced, config.activation)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(reduced * BOX_ROI * BOX_ROI, hidden),
            activation(config.activation),
            nn.Linear(hidden, hidden),
            activation(config.activation),
        )
        self.classify = nn.Linear(hidden, len(config.things) + 1)
        self.delta = nn.Linear(hidden, 4)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.normal_(self.delta.weight, std=0.001)

    def forward(self, roi: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits (R,T+1) and deltas (R,4), float32, of RoI features (R,F,7,7)."""
        x = self.hidden(self.reduce(self.conv(roi)))
        return self.classify(x).float(), self.delta(x).float()


class MaskBranch(nn.Module):
    """Computes 28x28 mask logits of a thing class from 14x14 RoI features."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.head_channels
        act = config.activation
        self.convs = nn.Sequential(
            SeparableConv(config.fpn_channels, width, act),
            *(SeparableConv(width, width, act) for _ in range(3)),
        )
        self.upsample = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.act = activation(act)
        self.classify = nn.Conv2d(width, len(config.things), 1)

    def forward(self, roi: Tensor, things: Tensor) -> Tensor:
        """Compute mask logits.

        Args:
            roi: RoI features (R,F,14,14).
            things: (R,) int64, the thing index of each box.

        Returns:
            (R,28,28) float32, the logits of each box's class.
        """
        logits = self.classify(self.act(self.upsample(self.convs(roi))))  # (R,T,28,28)
        index = things.view(-1, 1, 1, 1).expand(-1, 1, MASK_SIZE, MASK_SIZE)
        chosen: Tensor = torch.gather(logits, 1, index)[:, 0].float()
        return chosen


class InstanceHead(nn.Module):
    """The box branch and the mask branch.

    Attributes:
        things: (T,) int64, the train id of each thing index.
    """

    things: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.box = BoxBranch(config)
        self.mask = MaskBranch(config)
        self.register_buffer("things", torch.tensor(config.things), persistent=False)

    def find(
        self, pyramid: Pyramid, proposals: Tensor, valid: Tensor, height: int, width: int
    ) -> Candidates:
        """Find the objects of one image.

        Args:
            pyramid: the image's features.
            proposals: (P,4) float32 xyxy, in pixels.
            valid: (P,) bool.
            height: of the image, pixels.
            width: of the image, pixels.
        """
        config = self.config
        rois = nn.functional.pad(proposals, (1, 0))  # batch index 0 in front
        logits, deltas = self.box(multiscale_roi_align(pyramid.levels(), rois, BOX_ROI, STRIDES))
        boxes = clip(decode(deltas, proposals, DELTA_WEIGHTS), height, width)
        scores = logits.softmax(1)[:, :-1]  # (P,T)
        thing_count = scores.shape[1]
        usable = (valid & large_enough(boxes, config.min_box))[:, None] & (scores > MIN_SCORE)
        flat = torch.where(usable, scores, torch.zeros_like(scores)).flatten()
        order = top_k(flat, flat.shape[0])
        box = boxes.index_select(0, order // thing_count)
        return self.suppress(box, order % thing_count, flat.index_select(0, order))

    def suppress(self, boxes: Tensor, things: Tensor, scores: Tensor) -> Candidates:
        """Keep the D best of overlapping boxes.

        Args:
            boxes: (n,4) float32 xyxy, in pixels.
            things: (n,) int64, the thing index of each.
            scores: (n,) float32 in falling order. Boxes of score 0 are none.
        """
        keep = greedy_nms(boxes, things, scores > 0, self.config.nms_iou)
        first = top_k(scores * keep, self.config.detections)
        kept = keep.index_select(0, first)
        return Candidates(
            boxes.index_select(0, first) * kept[:, None],
            things.index_select(0, first),
            scores.index_select(0, first) * kept,
            kept,
        )

    @staticmethod
    def pool(pyramid: Pyramid, boxes: Tensor) -> Tensor:
        """Compute the RoI features (n,F,14,14) from which `mask` works, of boxes (n,4) xyxy."""
        rois = nn.functional.pad(boxes, (1, 0))
        return multiscale_roi_align(pyramid.levels(), rois, MASK_ROI, STRIDES)

    def segment(
        self, found: Candidates, masks: Tensor, height: int, width: int
    ) -> DetectionTensors:
        """Give objects their masks.

        Args:
            found: the objects.
            masks: (D,28,28) float32 logits inside the boxes.
            height: of the network's input, pixels.
            width: of the network's input, pixels.
        """
        things = found.things
        kept = found.kept
        masks = masks * kept[:, None, None]
        masks8 = paste_masks(masks.sigmoid(), found.boxes, height, width)
        classes = torch.where(kept, self.things[things], torch.zeros_like(things)).to(torch.int32)
        count = kept.sum(0, keepdim=True, dtype=torch.int32)
        return DetectionTensors(found.boxes, found.scores, classes, masks, masks8, count)


def thing_index(labels: Tensor, things: Tensor) -> Tensor:
    """Return the index (n,) int64 of each train id (n,) in `things` (T,)."""
    return (labels[:, None] == things[None]).long().argmax(1)
