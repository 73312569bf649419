"""Provides the optimiser, its schedule, and the moving average of weights (paper III-E)."""

from __future__ import annotations

import copy

import torch
from torch import nn

from mapt.training.config import Schedule


def build_optimizer(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Build SGD with momentum, or AdamW with the momentum as its first beta.

    Weight decay applies to filters and matrices, not to biases, norms and scalars. Each group of
    parameters has a `factor`, by which `mapt.training.steps.step` multiplies the learning rate.
    """
    groups = []
    for pretrained in (True, False):
        named = [
            (n, p) for n, p in network.named_parameters() if n.startswith("backbone.") == pretrained
        ]
        factor = 1.0 if pretrained else schedule.new_rate
        for decayed in (True, False):
            chosen = [p for _, p in named if p.requires_grad and (p.ndim > 1) == decayed]
            if chosen:
                decay = schedule.weight_decay if decayed else 0.0
                groups.append({"params": chosen, "weight_decay": decay, "factor": factor})
    if schedule.optimizer == "adamw":
        return torch.optim.AdamW(groups, schedule.rate, (schedule.momentum, 0.999))
    return torch.optim.SGD(groups, schedule.rate, schedule.momentum)


def rate_at(iteration: int, schedule: Schedule) -> float:
    """Compute the learning rate of an iteration (paper III-E).

    It rises linearly from a third during the warm-up, and is divided at each milestone.
    """
    if iteration < schedule.warmup:
        return schedule.rate * (1 + 2 * iteration / schedule.warmup) / 3
    passed = sum(iteration >= milestone * schedule.iterations for milestone in schedule.milestones)
    return float(schedule.rate / schedule.decay**passed)


class MovingAverage:
    """Keeps the exponential moving average of all floating-point weights and buffers.

    Args:
        network: is copied.
        momentum: in [0,1). The first updates use a lower one, so that the average follows faster.
    """

    def __init__(self, network: nn.Module, momentum: float) -> None:
        self.momentum = momentum
        self.updates = 0
        self.network = copy.deepcopy(network).eval()
        self.network.requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Update the average with the weights after a step."""
        self.updates += 1
        momentum = min(self.momentum, self.updates / (self.updates + 10))
        averaged = self.network.state_dict()
        current = network.state_dict()
        for name, value in current.items():
            if value.dtype.is_floating_point:
                averaged[name].lerp_(value, 1 - momentum)
            else:
                averaged[name].copy_(value)
