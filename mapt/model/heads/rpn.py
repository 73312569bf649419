"""The region proposal network, which scores anchors on every pyramid level and refines them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.model.batch import batch_mean, choose, count_true
from mapt.model.boxes import clip, decode, encode, intersection_over, large_enough
from mapt.model.fpn import STRIDES, Pyramid
from mapt.model.heads.anchors import anchor_shapes, anchors_per_cell, make_anchors
from mapt.model.layers import SeparableConv
from mapt.model.targets import FrameTargets
from mapt.ops import greedy_nms, suppresses_on_gpu, top_k

DELTA_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
FOREGROUND_IOU = 0.6
BACKGROUND_IOU = 0.3
SAMPLES = 256  # anchors per image in the loss, at most half positive


@dataclass(frozen=True)
class RpnOutput:
    """The outputs for all n anchors, first those of P4 and last those of P32.

    Attributes:
        scores: object logits (B,n) float32.
        deltas: box deltas (B,n,4) float32.
        anchors: (n,4) float32 xyxy, in pixels.
        counts: the number of anchors of each level.
    """

    scores: Tensor
    deltas: Tensor
    anchors: Tensor
    counts: tuple[int, ...]


class RegionProposals(nn.Module):
    """A small head that all pyramid levels share."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        count = anchors_per_cell(config)
        self.conv = SeparableConv(config.fpn_channels, config.fpn_channels, config.activation)
        self.score = nn.Conv2d(config.fpn_channels, count, 1)
        self.delta = nn.Conv2d(config.fpn_channels, count * 4, 1)
        # As buffers they are copied to a GPU once, instead of in each call.
        for level in range(len(STRIDES)):
            self.register_buffer(f"anchors{level}", anchor_shapes(config, level), persistent=False)
        nn.init.constant_(self.score.bias, -4.0)  # type: ignore[arg-type]  # objects are rare
        nn.init.normal_(self.delta.weight, std=0.01)

    def forward(self, pyramid: Pyramid) -> RpnOutput:
        """Compute scores and deltas of all anchors."""
        scores = []
        deltas = []
        anchors = []
        for level, (feature, stride) in enumerate(zip(pyramid.levels(), STRIDES, strict=True)):
            x = self.conv(feature)
            scores.append(self.score(x).permute(0, 2, 3, 1).flatten(1))
            deltas.append(self.delta(x).permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4))
            anchors.append(
                make_anchors(self.get_buffer(f"anchors{level}"), x.shape[2], x.shape[3], stride)
            )
        counts = tuple(len(a) for a in anchors)
        return RpnOutput(
            torch.cat(scores, 1).float(), torch.cat(deltas, 1).float(), torch.cat(anchors), counts
        )

    def propose(self, output: RpnOutput, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Compute the proposals of one image, for inference and export.

        Shapes are static, and the greedy suppression is exact.

        Args:
            output: the outputs for a batch of one image.
            height: of the network's input, pixels.
            width: of the network's input, pixels.

        Returns:
            Boxes (P,4) xyxy in falling order of score, and (P,) bool, which tells the valid ones.
            Invalid boxes are zero.
        """
        boxes = []
        scores = []
        levels = []
        start = 0
        for level, count in enumerate(output.counts):
            part = slice(start, start + count)
            start += count
            score = output.scores[0, part].sigmoid()
            keep = top_k(score, self.config.rpn_top_k)
            deltas = output.deltas[0, part].index_select(0, keep)
            anchors = output.anchors[part].index_select(0, keep)
            boxes.append(clip(decode(deltas, anchors, DELTA_WEIGHTS), height, width))
            scores.append(score.index_select(0, keep))
            levels.append(torch.full_like(keep, level))
        box = torch.cat(boxes)
        score = torch.cat(scores)
        group = torch.cat(levels)
        valid = large_enough(box, self.config.min_box)
        order = top_k(score, score.shape[0])
        box = box.index_select(0, order)
        valid = valid.index_select(0, order)
        score = score.index_select(0, order)
        survivors = greedy_nms(box, group.index_select(0, order), valid, self.config.rpn_nms_iou)
        first = top_k(score * survivors, self.config.proposals)
        kept = survivors.index_select(0, first)
        return box.index_select(0, first) * kept[:, None], kept

    @torch.no_grad()
    def sample_proposals(
        self, output: RpnOutput, height: int, width: int, limit: int
    ) -> list[Tensor]:
        """Compute the proposals of each image, for training.

        Fixed limits make it faster than `propose`. On a GPU all images are suppressed before the
        host waits once, for the numbers of their survivors. On a CPU torchvision's NMS is faster.

        Args:
            output: the outputs for a batch.
            height: of the network's input, pixels.
            width: of the network's input, pixels.
            limit: the most proposals of an image.

        Returns:
            Boxes (p,4) xyxy of each image, p <= limit.
        """
        best = [
            self._best(scores, deltas, output, height, width)
            for scores, deltas in zip(output.scores.detach(), output.deltas.detach(), strict=True)
        ]
        if suppresses_on_gpu(output.scores):
            return self._survivors(best, limit)
        large = [large_enough(boxes, self.config.min_box) for boxes, _, _ in best]
        proposals = []
        for (every, scores, level), mask, count in zip(best, large, count_true(large), strict=True):
            rows = torch.nonzero_static(mask, size=count)[:, 0]
            boxes = every[rows]
            keep = torchvision.ops.batched_nms(
                boxes, scores[rows], level[rows], self.config.rpn_nms_iou
            )
            proposals.append(boxes[keep[:limit]])
        return proposals

    def _survivors(self, best: list[tuple[Tensor, Tensor, Tensor]], limit: int) -> list[Tensor]:
        """Suppress the boxes, scores and levels of each image where they are."""
        ranked = []
        kept = []
        for every, scores, level in best:
            order = scores.argsort(descending=True, stable=True)
            boxes = every[order]
            valid = large_enough(boxes, self.config.min_box)
            ranked.append(boxes)
            kept.append(greedy_nms(boxes, level[order], valid, self.config.rpn_nms_iou))
        return [
            boxes[torch.nonzero_static(mask, size=count)[:limit, 0]]
            for boxes, mask, count in zip(ranked, kept, count_true(kept), strict=True)
        ]

    def _best(
        self, scores: Tensor, deltas: Tensor, output: RpnOutput, height: int, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes (n,4), scores (n,) and levels (n,) of an image's best anchors of a level."""
        kept = []
        group = []
        start = 0
        for level, count in enumerate(output.counts):
            best = scores[start : start + count].topk(min(400, count)).indices + start
            kept.append(best)
            group.append(torch.full_like(best, level))
            start += count
        index = torch.cat(kept)
        boxes = clip(decode(deltas[index], output.anchors[index], DELTA_WEIGHTS), height, width)
        return boxes, scores[index], torch.cat(group)


def rpn_losses(
    output: RpnOutput, targets: list[FrameTargets], generators: list[torch.Generator]
) -> tuple[Tensor, Tensor]:
    """Compute L_os and L_op of Eq. 1 over sampled anchors.

    L_os is the object score loss (cross entropy), and L_op the proposal loss (smooth L1).

    Args:
        output: the outputs for a batch.
        targets: the objects of each image.
        generators: draw the anchors of each image.

    Returns:
        Two scalars, the means over all sampled anchors.
    """
    score_loss = output.scores.sum() * 0
    box_loss = output.deltas.sum() * 0
    total = 0
    sides = [_match_anchors(output.anchors, target) for target in targets]
    counts = count_true([mask for positive, negative, _ in sides for mask in (positive, negative)])
    for i, (scores, deltas, target, generator) in enumerate(
        zip(output.scores, output.deltas, targets, generators, strict=True)
    ):
        is_positive, is_negative, row = sides[i]
        positive = choose(is_positive, counts[2 * i], SAMPLES // 2, generator)
        negative = choose(is_negative, counts[2 * i + 1], SAMPLES - len(positive), generator)
        matched = row[positive]
        chosen = torch.cat((positive, negative))
        wanted = (torch.arange(len(chosen), device=scores.device) < len(positive)).float()
        score_loss = score_loss + nn.functional.binary_cross_entropy_with_logits(
            scores[chosen], wanted, reduction="sum"
        )
        if len(positive):
            goal = encode(target.boxes[matched], output.anchors[positive], DELTA_WEIGHTS)
            box_loss = box_loss + nn.functional.smooth_l1_loss(
                deltas[positive], goal, beta=1 / 9, reduction="sum"
            )
        total += len(chosen)
    return batch_mean(score_loss, total), batch_mean(box_loss, total)


def _match_anchors(anchors: Tensor, target: FrameTargets) -> tuple[Tensor, Tensor, Tensor]:
    """Tell positive and negative anchors (n,) bool, and give the target row (n,) of each."""
    if len(target.boxes):
        iou = torchvision.ops.box_iou(target.boxes, anchors)  # (n,anchors)
        best, row = iou.max(0)
        # The best anchors of an object are positive even if they fit badly (Ren et al., 2015).
        top = iou.max(1, keepdim=True).values
        forced = (iou >= top - 1e-6) & (top > 0.1)
        is_positive = best >= FOREGROUND_IOU
        # If several objects share a best anchor, the last one keeps it, on every device.
        numbers = torch.arange(1, len(forced) + 1, device=anchors.device)[:, None]
        keeper = (forced * numbers).amax(0)
        row = torch.where((keeper > 0) & ~is_positive, keeper - 1, row)
        is_positive |= keeper > 0
    else:
        best = anchors.new_zeros(len(anchors))
        row = anchors.new_zeros(len(anchors), dtype=torch.long)
        is_positive = torch.zeros_like(best, dtype=torch.bool)
    is_negative = (best < BACKGROUND_IOU) & ~is_positive
    if len(target.ignore_boxes):
        is_negative &= intersection_over(anchors, target.ignore_boxes).amax(1) < 0.5
    return is_positive, is_negative, row
