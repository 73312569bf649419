"""The samples and losses from which the instance head learns (paper III-C, Eq. 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn

from mapt.model.batch import batch_mean, choose, count_true
from mapt.model.boxes import encode, intersection_over, with_batch_index
from mapt.model.heads.instance import DELTA_WEIGHTS, MASK_SIZE, thing_index
from mapt.model.targets import FrameTargets

POSITIVE_IOU = 0.5
POSITIVE_SHARE = 0.25


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
