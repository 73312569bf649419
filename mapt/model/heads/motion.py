"""The motion head (paper III-B).

It computes offsets from the change of the semantic features. Deformable convolutions with these
offsets propagate masks into the next frame.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.model.heads.optical_flow import flow_offsets
from mapt.model.layers import ConvNorm, activation
from mapt.ops import propagate_masks, propagated_features
from mapt.ops.propagate import DILATIONS

TAPS = 9
GAIN = 8.0  # at the start, logits are +4 inside and -4 outside a mask that does not move


class MotionHead(nn.Module):
    """Propagates masks by the change of the semantic features.

    S_{t-1} - S_t passes a residual block, which gives four offset fields. Four deformable
    convolutions and a 1x1 convolution then propagate the masks. They are linear in the masks, so
    `propagate_masks` may collapse them. Initially masks stay where they are, up to small random
    offsets.
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
        """Compute the offset fields of two frames.

        Args:
            s_prev: semantic features (B,S,h,w) of the earlier frame.
            s: semantic features (B,S,h,w) of the later frame.

        Returns:
            (B,4,18,h,w) float32: for each dilation and tap (dy, dx), in cells of 8 pixels.
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
        """Propagate masks into the next frame.

        Args:
            masks: (N,1,h,w) in [0,1] of frame t - 1.
            offsets: (4,18,h,w) from `offset_fields`.

        Returns:
            Mask logits (N,1,h,w) of frame t.
        """
        return propagate_masks(masks, offsets, self.weights, self.projection, self.bias)[0]

    def features(self, masks: Tensor, offsets: Tensor, boxes: Tensor) -> Tensor:
        """Compute propagated features f_p inside boxes.

        Args:
            masks: (N,1,h,w) in [0,1].
            offsets: (4,18,h,w) from `offset_fields`.
            boxes: (N,4) float32 xyxy, in pixels, of the masks.

        Returns:
            (N,4*C_m,7,7).
        """
        return propagated_features(masks, offsets, self.weights, boxes)


def soft_iou(masks: Tensor, others: Tensor) -> Tensor:
    """Compute the soft IoU, the sum of minima over the sum of maxima (in Eq. 4).

    Args:
        masks: (N,1,h,w) in [0,1].
        others: (N,1,h,w) in [0,1].

    Returns:
        (N,), 0 if both masks are empty.
    """
    low = torch.minimum(masks, others).flatten(1).sum(1)
    high = torch.maximum(masks, others).flatten(1).sum(1)
    return low / high.clamp(min=1e-6)


def motion_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Compute Eq. 4, the sum of 1 - sIoU over all instances.

    Args:
        logits: propagated mask logits (N,1,h,w).
        masks: (N,1,h,w) in [0,1] of the frame into which they are propagated.

    Returns:
        Scalar.
    """
    return (1 - soft_iou(logits.sigmoid(), masks)).sum()
