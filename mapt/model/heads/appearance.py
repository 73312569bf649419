"""The appearance head (paper III-C): embeddings from masked and motion-enhanced RoI features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.model.batch import batch_mean, gather_rows
from mapt.model.heads.instance import BOX_ROI, MASK_SIZE
from mapt.model.layers import ConvNorm, activation
from mapt.ops.propagate import DILATIONS

MAX_SCALE = math.log(100.0)


class AppearanceHead(nn.Module):
    """Computes the features f~ = W_a * f_a + W_p * f_p (Eq. 5), and embeds them.

    f_a are RoI features inside the mask, and f_p propagated features. An attention over both gives
    the weights W. Two fully connected layers compute the embedding. In the ablations of Table VI,
    f~ is f_a, of the mask or of the whole box.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.fpn_channels
        reduced = config.head_channels // 2
        act = config.activation
        self.masked = config.appearance_input != "box"
        self.moving = config.appearance_input == "mask_motion"
        if self.moving:
            self.motion = ConvNorm(len(DILATIONS) * config.motion_filters, width, act)
            self.attention = nn.Sequential(
                nn.Linear(2 * width, width // 4),
                activation(act),
                nn.Linear(width // 4, 2 * width),
                nn.Sigmoid(),
            )
        self.reduce = ConvNorm(width, reduced, act)
        self.embed = nn.Sequential(
            nn.Flatten(),
            nn.Linear(reduced * BOX_ROI * BOX_ROI, config.embedding),
            activation(act),
            nn.Linear(config.embedding, config.embedding),
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, roi: Tensor, mask: Tensor, f_p: Tensor) -> Tensor:
        """Compute embeddings.

        Args:
            roi: RoI features (N,F,7,7).
            mask: weights (N,7,7) in [0,1] of mask pooling, from `pool_mask`. Boxes without a mask,
                such as negatives in training, have ones.
            f_p: propagated features (N,4*C_m,7,7). Boxes without a mask have zeros.

        Returns:
            (N,E) float32, not normalised.
        """
        fused = roi * mask[:, None] if self.masked else roi  # f_a
        if self.moving:
            f_p = self.motion(f_p)
            weights = self.attention(torch.cat((fused.mean((2, 3)), f_p.mean((2, 3))), 1))[
                :, :, None, None
            ]
            w_a, w_p = weights.chunk(2, 1)
            fused = w_a * fused + w_p * f_p
        embedding: Tensor = self.embed(self.reduce(fused)).float()
        return embedding


def pool_mask(logits: Tensor) -> Tensor:
    """Average mask probabilities of logits (N,28,28) to weights (N,7,7) of mask pooling."""
    return nn.functional.avg_pool2d(logits.sigmoid()[:, None], MASK_SIZE // BOX_ROI)[:, 0]


def appearance_loss(
    rows: Tensor, row_ids: Tensor, columns: Tensor, column_ids: Tensor, log_scale: Tensor
) -> Tensor:
    """Compute Eq. 6-7, the cross entropy over scaled cosine similarities.

    Args:
        rows: (n,E) embeddings of positives at t.
        row_ids: (n,) int64 identities, unique over the batches of all processes.
        columns: (m,E) embeddings of all sampled boxes at t - tau. The columns of other processes
            are added to them.
        column_ids: (m,) int64 identities, -1 for negatives.
        log_scale: scalar, the natural logarithm of the inverse temperature.

    Returns:
        Scalar, the mean over the rows whose identity has a column. Without such a row it is 0, and
        has a gradient.
    """
    columns, column_ids = gather_rows(nn.functional.normalize(columns, dim=1), column_ids)
    similarity = nn.functional.normalize(rows, dim=1) @ columns.T  # Eq. 6
    logits = similarity * log_scale.clamp(max=MAX_SCALE).exp()
    same = row_ids[:, None] == column_ids[None]
    counted = same.any(1)
    matching = logits.masked_fill(~same, -1e4).logsumexp(1)
    # Rows without a column count as zeros. If a mask selected the others, the host would wait for
    # the GPU.
    terms = torch.where(counted, logits.logsumexp(1) - matching, 0.0)
    return batch_mean(terms.sum(), counted.sum())
