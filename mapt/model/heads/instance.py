"""The instance head, its losses and its detections.

It is a modified Mask R-CNN with separable convolutions (paper III-A).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.model.batch import batch_mean, choose
from mapt.model.boxes import (
    clip,
    decode,
    encode,
    intersection_over,
    large_enough,
    paste_masks,
    with_batch_index,
)
from mapt.model.fpn import STRIDES, Pyramid
from mapt.model.layers import ConvNorm, SeparableConv, activation
from mapt.model.targets import FrameTargets
from mapt.ops import greedy_nms, multiscale_roi_align, top_k

DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
BOX_ROI = 7
MASK_ROI = 14
MASK_SIZE = 28
POSITIVE_IOU = 0.5
POSITIVE_SHARE = 0.25
MIN_SCORE = 0.05  # detections below it are never reported


@dataclass(frozen=True)
class DetectionTensors:
    """Detections in D slots, sorted by falling score and zero from `count` on.

    The fields are the outputs of the `instance` subgraph.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    mask_logits: Tensor
    masks8: Tensor
    count: Tensor


@dataclass(frozen=True)
class RoiSamples:
    """The boxes one image contributes to the losses, positives first.

    Attributes:
        boxes: (r,4).
        rows: (r,) int64, the target row of each box; meaningless for negatives.
        positives: how many of them are positive.
    """

    boxes: Tensor
    rows: Tensor
    positives: int


class BoxBranch(nn.Module):
    """Turns 7x7 RoI features into class logits and class-agnostic box deltas.

    The logits are T things, and the background last.
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
        """(R,F,7,7) -> logits (R,T+1), deltas (R,4)."""
        x = self.hidden(self.reduce(self.conv(roi)))
        return self.classify(x).float(), self.delta(x).float()


class MaskBranch(nn.Module):
    """14x14 RoI features to 28x28 mask logits per thing class."""

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
        """(R,F,14,14) and thing indices (R,) int64 -> logits (R,28,28) of that class."""
        logits = self.classify(self.act(self.upsample(self.convs(roi))))  # (R,T,28,28)
        index = things.view(-1, 1, 1, 1).expand(-1, 1, MASK_SIZE, MASK_SIZE)
        chosen: Tensor = torch.gather(logits, 1, index)[:, 0].float()
        return chosen


class InstanceHead(nn.Module):
    """Box and mask branches; `things` maps a thing index to its train id."""

    things: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.box = BoxBranch(config)
        self.mask = MaskBranch(config)
        self.register_buffer("things", torch.tensor(config.things), persistent=False)

    def detect(
        self, pyramid: Pyramid, proposals: Tensor, valid: Tensor, height: int, width: int
    ) -> DetectionTensors:
        """Detections of one image from proposals (P,4) and (P,) bool."""
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
        thing = order % thing_count
        score = flat.index_select(0, order)
        keep = greedy_nms(box, thing, score > 0, config.nms_iou)
        first = top_k(score * keep, config.detections)
        kept = keep.index_select(0, first)
        box = box.index_select(0, first) * kept[:, None]
        thing = thing.index_select(0, first)
        score = score.index_select(0, first) * kept
        rois = nn.functional.pad(box, (1, 0))
        mask = self.mask(multiscale_roi_align(pyramid.levels(), rois, MASK_ROI, STRIDES), thing)
        mask = mask * kept[:, None, None]
        masks8 = paste_masks(mask.sigmoid(), box, height, width)
        classes = torch.where(kept, self.things[thing], torch.zeros_like(thing)).to(torch.int32)
        count = kept.sum(0, keepdim=True, dtype=torch.int32)
        return DetectionTensors(box, score, classes, mask, masks8, count)


def sample_boxes(
    proposals: Tensor, target: FrameTargets, count: int, generator: torch.Generator
) -> RoiSamples:
    """Draw `count` boxes, a quarter of them with an IoU of at least 0.5 with an object.

    This is the sampling of paper III-C. Ignored boxes never count.
    """
    boxes = torch.cat((target.boxes, proposals))
    if len(target.boxes):
        best, rows = torchvision.ops.box_iou(boxes, target.boxes).max(1)
    else:
        best = boxes.new_zeros(len(boxes))
        rows = boxes.new_zeros(len(boxes), dtype=torch.long)
    negative = best < POSITIVE_IOU
    if len(target.ignore_boxes):
        negative &= intersection_over(boxes, target.ignore_boxes).amax(1) < 0.5
    above = choose(best >= POSITIVE_IOU, int(count * POSITIVE_SHARE), generator)
    below = choose(negative, count - len(above), generator)
    chosen = torch.cat((above, below))
    return RoiSamples(boxes[chosen], rows[chosen], len(above))


def thing_index(labels: Tensor, things: Tensor) -> Tensor:
    """Train ids (n,) to indices into `things` (T,)."""
    return (labels[:, None] == things[None]).long().argmax(1)


def box_losses(
    logits: Tensor,
    deltas: Tensor,
    samples: list[RoiSamples],
    targets: list[FrameTargets],
    things: Tensor,
) -> tuple[Tensor, Tensor]:
    """L_cls and L_bbx of Eq. 1 over all sampled boxes."""
    labels = []
    goals = []
    for sample, target in zip(samples, targets, strict=True):
        label = logits.new_full((len(sample.boxes),), logits.shape[1] - 1, dtype=torch.long)
        if sample.positives:
            rows = sample.rows[: sample.positives]
            label[: sample.positives] = thing_index(target.labels[rows], things)
            goals.append(
                encode(target.boxes[rows], sample.boxes[: sample.positives], DELTA_WEIGHTS)
            )
        labels.append(label)
    wanted = torch.cat(labels)
    class_loss = nn.functional.cross_entropy(logits, wanted, reduction="sum")
    box_loss = deltas.sum() * 0
    if goals:
        box_loss = nn.functional.smooth_l1_loss(
            positive_rows(deltas, samples), torch.cat(goals), beta=1.0, reduction="sum"
        )
    return batch_mean(class_loss, len(wanted)), batch_mean(box_loss, len(wanted))


def mask_loss(logits: Tensor, samples: list[RoiSamples], targets: list[FrameTargets]) -> Tensor:
    """L_mask of Eq. 1: per-pixel cross entropy of the positives' masks.

    Args:
        logits: (sum of positives,28,28).
        samples: per image, in the same order.
        targets: per image.
    """
    goals = []
    for sample, target in zip(samples, targets, strict=True):
        if sample.positives:
            rows = sample.rows[: sample.positives]
            boxes = sample.boxes[: sample.positives]
            masks = target.masks().float()[:, None]  # (n,1,H,W)
            rois = torch.cat((rows[:, None].float(), boxes), 1)
            goals.append(
                torchvision.ops.roi_align(masks, rois, MASK_SIZE, 1.0, 2, aligned=True)[:, 0]
            )
    total = logits.sum() * 0
    if goals:
        total = nn.functional.binary_cross_entropy_with_logits(
            logits, torch.cat(goals), reduction="sum"
        )
    return batch_mean(total, logits.numel())


def positive_rows(values: Tensor, samples: list[RoiSamples]) -> Tensor:
    """Select the values of the positives from values (R,...) of all sampled boxes.

    It takes slices, because a mask would make the host wait for the GPU.
    """
    parts = values.split([len(sample.boxes) for sample in samples])
    return torch.cat(
        [part[: sample.positives] for part, sample in zip(parts, samples, strict=True)]
    )


def positive_rois(samples: list[RoiSamples]) -> Tensor:
    """The positives of every image as RoIs (n,5)."""
    return with_batch_index([sample.boxes[: sample.positives] for sample in samples])
