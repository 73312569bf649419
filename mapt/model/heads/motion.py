"""The motion head (paper III-B).

The change of the semantic features gives offsets. Deformable convolutions with these offsets
propagate the masks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.model.layers import ConvNorm, activation
from mapt.model.optical_flow import flow_offsets
from mapt.ops import propagate_masks, propagated_features
from mapt.ops.propagate import DILATIONS

TAPS = 9
GAIN = 8.0  # mask logits at the start: sigmoid(+-4) for a mask carried unchanged


class MotionHead(nn.Module):
    """S_{t-1} - S_t -> residual block -> four offset fields -> four deformable convolutions -> 1x1.

    From the offsets on everything is linear in the masks, so `propagate_masks` may collapse it. It
    starts as the identity: with zero offsets a mask is carried to where it was.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.semantic_channels
        filters = config.motion_filters
        act = config.activation
        self.from_flow = config.motion_input == "flow"
        if not self.from_flow:
            self.residual = nn.Sequential(
                ConvNorm(width, width, act, kernel=3), ConvNorm(width, width, None, kernel=3)
            )
            self.act = activation(act)
        dilations = () if self.from_flow else DILATIONS
        self.offsets = nn.ModuleList(
            nn.Conv2d(width, 2 * TAPS, 3, padding=d, dilation=d) for d in dilations
        )
        self.weights = nn.Parameter(torch.randn(len(DILATIONS), filters, 1, 3, 3) * 0.02)
        self.projection = nn.Parameter(
            torch.full((len(DILATIONS) * filters,), GAIN / (len(DILATIONS) * filters))
        )
        self.bias = nn.Parameter(torch.full((1,), -GAIN / 2))
        with torch.no_grad():
            self.weights[:, :, 0, 1, 1] += 1.0
        for conv in self.offsets:
            assert isinstance(conv, nn.Conv2d)
            nn.init.normal_(conv.weight, std=0.001)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def offset_fields(self, s_prev: Tensor, s: Tensor) -> Tensor:
        """Compute offsets (B,4,18,h,w) from the semantic features (B,S,h,w) of two frames.

        Offsets count in cells of 8 pixels.
        """
        if self.from_flow:  # every tap follows the flow
            return (
                flow_offsets(s_prev, s)
                .repeat(1, TAPS, 1, 1)[:, None]
                .expand(-1, len(DILATIONS), -1, -1, -1)
            )
        difference = s_prev - s
        x = self.act(difference + self.residual(difference))
        return torch.stack([conv(x).float() for conv in self.offsets], 1)

    def propagate(self, masks: Tensor, offsets: Tensor) -> Tensor:
        """Masks (N,1,h,w) of t - 1 and offsets (4,18,h,w) -> mask logits (N,1,h,w) at t."""
        return propagate_masks(masks, offsets, self.weights, self.projection, self.bias)[0]

    def features(self, masks: Tensor, offsets: Tensor, boxes: Tensor) -> Tensor:
        """Propagated features f_p (N,4*C_m,7,7) of masks (N,1,h,w) inside their boxes (N,4)."""
        return propagated_features(masks, offsets, self.weights, boxes)


def soft_iou(masks: Tensor, others: Tensor) -> Tensor:
    """Sum min / sum max of masks in [0,1]: (N,1,h,w) twice -> (N,). Both empty: 0."""
    low = torch.minimum(masks, others).flatten(1).sum(1)
    high = torch.maximum(masks, others).flatten(1).sum(1)
    return low / high.clamp(min=1e-6)


def motion_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Compute Eq. 4, the sum of 1 - sIoU over all instances.

    It compares the propagated logits (N,1,h,w) with the masks of the reference frame.
    """
    return (1 - soft_iou(logits.sigmoid(), masks)).sum()
