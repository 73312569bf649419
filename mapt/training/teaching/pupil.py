"""Computes the losses of a network that also learns the features of a teacher."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mapt.model.fpn import Pyramid
from mapt.model.heads.semantic import Semantic
from mapt.model.network import Network
from mapt.model.targets import PairBatch


class Pupil(nn.Module):
    """A network, and a teacher whose features it learns (Romero et al., "FitNets", 2015).

    Args:
        network: learns. Its first channels are compared with those of the teacher.
        teacher: a narrower network, which stays as it is.
        weight: of the loss.
    """

    def __init__(self, network: Network, teacher: Network, weight: float) -> None:
        super().__init__()
        self.network = network
        self.teacher = teacher.eval().requires_grad_(False)
        self.weight = weight

    def train(self, mode: bool = True) -> Pupil:
        """Set training mode of the network. The teacher stays in evaluation mode."""
        self.network.train(mode)
        return self

    def forward(self, batch: PairBatch) -> dict[str, Tensor]:
        """Compute the network's own losses, and `teacher`, the distance of the features."""
        images = self.network.images(batch)
        features = self.network.features(images)
        losses = self.network.losses(batch, features)
        with torch.no_grad():
            goal = self.teacher.features(images)
        losses["teacher"] = self.weight * feature_loss(features, goal)
        return losses


def feature_loss(features: tuple[Pyramid, Semantic], goal: tuple[Pyramid, Semantic]) -> Tensor:
    """Compare features with those of a teacher.

    Args:
        features: pyramid and semantic features (B,C,h,w) of the network.
        goal: those of the teacher, with as many or fewer channels.

    Returns:
        Scalar, the squared distance as a share of the teacher's variance, averaged over the levels
        of the pyramid and the semantic features.
    """
    own = [*features[0].levels(), features[1].s]
    wanted = [*goal[0].levels(), goal[1].s]
    parts = []
    for a, b in zip(own, wanted, strict=True):
        difference = a[:, : b.shape[1]].float() - b.float()
        parts.append(difference.square().mean() / b.float().var().clamp(min=1e-6))
    return torch.stack(parts).mean()
