"""The instance head: a modified Mask R-CNN with separable convolutions (paper III-A)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.model.batch import batch_mean, choose, count_true
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
class RoiSamples:
    """The boxes of an image that the losses use, positives first.

    Attributes:
        boxes: (r,4) float32 xyxy, in pixels.
        rows: (r,) int64, the target row of each positive. Values of negatives have no meaning.
        positives: the number of positives.
    """

    boxes: Tensor
    rows: Tensor
    positives: int


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

    def detect(
        self, pyramid: Pyramid, proposals: Tensor, valid: Tensor, height: int, width: int
    ) -> DetectionTensors:
        """Detect the objects of one image.

        Args:
            pyramid: the image's features.
            proposals: (P,4) float32 xyxy, in pixels.
            valid: (P,) bool.
            height: of the network's input, pixels.
            width: of the network's input, pixels.
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
    proposals: list[Tensor],
    targets: list[FrameTargets],
    count: int,
    generators: list[torch.Generator],
) -> list[RoiSamples]:
    """Draw the boxes of each image that the losses use (paper III-C).

    At most a quarter of them are positives, whose IoU with an object is at least 0.5. No negative
    lies half or more inside an ignored box.

    Args:
        proposals: (p,4) float32 xyxy of each image, in pixels. The objects' own boxes are added.
        targets: the objects of each image.
        count: the most boxes of an image to draw.
        generators: of each image, on the CPU.
    """
    boxes = [torch.cat((t.boxes, p)) for t, p in zip(targets, proposals, strict=True)]
    sides = [_match_boxes(own, target) for own, target in zip(boxes, targets, strict=True)]
    counts = count_true([mask for above, below, _ in sides for mask in (above, below)])
    samples = []
    for i, (own, (positive, negative, rows)) in enumerate(zip(boxes, sides, strict=True)):
        most = int(count * POSITIVE_SHARE)
        above = choose(positive, counts[2 * i], most, generators[i])
        below = choose(negative, counts[2 * i + 1], count - len(above), generators[i])
        chosen = torch.cat((above, below))
        samples.append(RoiSamples(own[chosen], rows[chosen], len(above)))
    return samples


def _match_boxes(boxes: Tensor, target: FrameTargets) -> tuple[Tensor, Tensor, Tensor]:
    """Tell positive and negative boxes (n,) bool, and give the target row (n,) of each."""
    if len(target.boxes):
        best, rows = torchvision.ops.box_iou(boxes, target.boxes).max(1)
    else:
        best = boxes.new_zeros(len(boxes))
        rows = boxes.new_zeros(len(boxes), dtype=torch.long)
    negative = best < POSITIVE_IOU
    if len(target.ignore_boxes):
        negative &= intersection_over(boxes, target.ignore_boxes).amax(1) < 0.5
    return best >= POSITIVE_IOU, negative, rows


def thing_index(labels: Tensor, things: Tensor) -> Tensor:
    """Return the index (n,) int64 of each train id (n,) in `things` (T,)."""
    return (labels[:, None] == things[None]).long().argmax(1)


def box_losses(
    logits: Tensor,
    deltas: Tensor,
    samples: list[RoiSamples],
    targets: list[FrameTargets],
    things: Tensor,
) -> tuple[Tensor, Tensor]:
    """Compute L_cls and L_bbx of Eq. 1.

    Args:
        logits: (R,T+1) class logits of all sampled boxes.
        deltas: (R,4) box deltas of all sampled boxes.
        samples: the sampled boxes of each image.
        targets: the objects of each image.
        things: (T,) int64, the train id of each thing index.

    Returns:
        Two scalars, the means over all sampled boxes.
    """
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
    """Compute L_mask of Eq. 1, the binary cross entropy of the positives' masks.

    Args:
        logits: (n,28,28) of the n positives of all images.
        samples: the sampled boxes of each image, in the same order.
        targets: the objects of each image.

    Returns:
        Scalar, the mean over pixels.
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
    """Select the values of the positives.

    Slices select them, because the host would wait for the GPU if a mask did.

    Args:
        values: (R,...) of all sampled boxes.
        samples: the sampled boxes of each image.

    Returns:
        (n,...) of the n positives of all images.
    """
    parts = values.split([len(sample.boxes) for sample in samples])
    return torch.cat(
        [part[: sample.positives] for part, sample in zip(parts, samples, strict=True)]
    )


def positive_rois(samples: list[RoiSamples]) -> Tensor:
    """Return the positives of all images as RoIs (n,5) [image index, x1, y1, x2, y2]."""
    return with_batch_index([sample.boxes[: sample.positives] for sample in samples])
