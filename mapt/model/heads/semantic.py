"""The semantic head: a dilated block, a Dense Prediction Cell, and a decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.labels.step_png import VOID
from mapt.model.batch import batch_sum
from mapt.model.fpn import Pyramid
from mapt.model.layers import ConvNorm, SeparableConv, upsample


@dataclass(frozen=True)
class Semantic:
    """The outputs of the semantic head.

    Attributes:
        s: semantic features (B,S,H/8,W/8), which the motion head compares. They are averages of the
            decoder's features at 1/4. In ablations they are a projection of P8, or the image
            (`mapt.model.heads.optical_flow`).
        logits: class logits (B,K,H/4,W/4).
    """

    s: Tensor
    logits: Tensor


class DensePredictionCell(nn.Module):
    """The Dense Prediction Cell of Chen et al., 2018, Fig. 5.

    It has five 3x3 branches with the dilations (1,6), (1,1), (6,21), (18,15) and (6,3). The first
    one feeds the next three, and (18,15) feeds the last one. A 1x1 convolution mixes all five.
    """

    def __init__(self, inputs: int, width: int, config: ModelConfig) -> None:
        super().__init__()
        act = config.activation
        self.first = SeparableConv(inputs, width, act, dilation=(1, 6))
        self.near = SeparableConv(width, width, act, dilation=(1, 1))
        self.wide = SeparableConv(width, width, act, dilation=(6, 21))
        self.far = SeparableConv(width, width, act, dilation=(18, 15))
        self.last = SeparableConv(width, width, act, dilation=(6, 3))
        self.mix = ConvNorm(5 * width, width, act)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,inputs,h,w) to (B,width,h,w)."""
        first = self.first(x)
        far = self.far(first)
        mixed: Tensor = self.mix(
            torch.cat((first, self.near(first), self.wide(first), far, self.last(far)), 1)
        )
        return mixed


class SemanticHead(nn.Module):
    """Computes class logits and semantic features from c16, P4 and P8 (paper III-A)."""

    def __init__(self, c16_channels: int, config: ModelConfig) -> None:
        super().__init__()
        act = config.activation
        width = config.dpc_channels
        features = config.semantic_channels
        self.dilated = nn.Sequential(
            ConvNorm(c16_channels, width, act),
            SeparableConv(width, width, act, dilation=2),
            SeparableConv(width, width, act, dilation=4),
        )
        self.dpc = DensePredictionCell(width, width, config)
        self.merge8 = SeparableConv(width + config.fpn_channels, features, act)
        self.merge4 = SeparableConv(features + config.fpn_channels, features, act)
        self.classify = nn.Conv2d(features, config.classes, 1)
        self.backbone_features = (
            ConvNorm(config.fpn_channels, features, act)
            if config.motion_input == "backbone"
            else None
        )

    def forward(self, c16: Tensor, pyramid: Pyramid) -> Semantic:
        """Compute the outputs from c16 (B,C,H/16,W/16), P4 and P8."""
        x = self.dpc(self.dilated(c16))
        x = self.merge8(torch.cat((upsample(x, 2), pyramid.p8), 1))
        x = self.merge4(torch.cat((upsample(x, 2), pyramid.p4), 1))
        s = (
            nn.functional.avg_pool2d(x, 2)
            if self.backbone_features is None
            else self.backbone_features(pyramid.p8)
        )
        return Semantic(s, self.classify(x))


def semantic_loss(
    logits: Tensor,
    labels: Tensor,
    stride: int = 1,
    hard_share: float = 0.25,
    balance: float = 0.0,
    jaccard: float = 0.0,
) -> Tensor:
    """Compute Eq. 2-3, the log-loss of the worst quarter of each image's pixels.

    Each of these pixels has the weight 4/WH, and the loss is averaged over images.

    Args:
        logits: (B,K,H/4,W/4) float.
        labels: (B,H,W) uint8 train ids. Void pixels (255) have no loss.
        stride: 1 uses every pixel. 2 or 4 uses a regular sample of them, at a quarter or a
            sixteenth of the cost.
        hard_share: share of the worst pixels. With 1 the loss is the mean of the log-loss.
        balance: exponent b of the pixels' weights f^-b, where f is the share of their class in the
            batch. The mean weight is 1, and with 0 all weights are equal.
        jaccard: weight of `jaccard_loss`, which is added.

    Returns:
        Scalar.
    """
    full = upsample(logits.float(), 4 // stride)
    near = (stride - 1) // 2  # the label pixel nearest to the middle of each cell
    wanted = labels[:, near::stride, near::stride].long()
    log_share = full.log_softmax(1)
    pixel = nn.functional.nll_loss(log_share, wanted, ignore_index=VOID, reduction="none").flatten(
        1
    )
    if balance:
        pixel = pixel * _class_weights(wanted, logits.shape[1], balance).flatten(1)
    hard = max(1, int(pixel.shape[1] * hard_share))
    loss = pixel.topk(hard, sorted=False).values.mean()
    return loss + jaccard * jaccard_loss(log_share.exp(), wanted) if jaccard else loss


def jaccard_loss(shares: Tensor, labels: Tensor) -> Tensor:
    """Compute 1 - soft IoU, averaged over the classes that an image shows and over images.

    Small and large classes of an image have the same weight, as in PQ and mean IoU.

    Args:
        shares: probabilities (B,K,h,w).
        labels: (B,h,w) int64 train ids. Void pixels (255) are left out.

    Returns:
        Scalar. An image that is void everywhere counts as 0.
    """
    images, classes = shares.shape[:2]
    known = labels != VOID
    wanted = torch.where(known, labels, 0)
    # The probability of the true class, (B,h,w).
    right = shares.gather(1, wanted[:, None])[:, 0] * known
    cell = (wanted + torch.arange(images, device=labels.device)[:, None, None] * classes).flatten()
    both = (
        right.new_zeros(images * classes).index_add(0, cell, right.flatten()).view(images, classes)
    )
    area = (
        right.new_zeros(images * classes)
        .index_add(0, cell, known.flatten().to(right))
        .view(images, classes)
    )
    said = (shares * known[:, None]).sum((2, 3))
    lacking = 1 - both / (said + area - both).clamp(min=1e-6)
    shown = area > 0
    return ((lacking * shown).sum(1) / shown.sum(1).clamp(min=1)).mean()


def _class_weights(labels: Tensor, classes: int, balance: float) -> Tensor:
    """Compute the weight (B,h,w) of each pixel, which is f^-balance for its class's share f.

    The mean over all pixels that are not void is 1.
    """
    counts = batch_sum(torch.bincount(labels.flatten(), minlength=VOID + 1)[:classes].float())
    weights = counts.clamp(min=1).pow(-balance)
    weights = weights * (counts.sum() / (weights * counts).sum().clamp(min=1))
    return torch.cat((weights, weights.new_zeros(VOID + 1 - classes)))[labels]
