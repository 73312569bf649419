"""The state of a run: everything that changes in it, and how it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from mapt.errors import InputError
from mapt.model.network import Network
from mapt.model.weights import build_network, load_imagenet, load_weights
from mapt.training.config import TrainConfig
from mapt.training.distributed import Rank
from mapt.training.optimizer import MovingAverage, build_optimizer

FIXED = "shared = false: heads learn on the features of given weights; name them with --init"


@dataclass
class State:
    """Everything that changes during a run.

    Attributes:
        network: the weights.
        module: gives the losses: the network itself, or what spreads it over processes.
        average: their moving average.
        optimizer: its momenta.
        scaler: of the loss, for fp16; else idle.
        place: where it runs.
        iteration: steps done.
        best: the best evaluation so far, None before the first.
        skipped: what was wrong with every bad file that was left out.
    """

    network: Network
    module: nn.Module
    average: MovingAverage
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    place: Rank
    iteration: int = 0
    best: float | None = None
    skipped: list[str] = field(default_factory=list)

    @property
    def averaged(self) -> Network:
        """The network with the averaged weights, in evaluation mode."""
        assert isinstance(self.average.network, Network)
        return self.average.network


def start_state(config: TrainConfig, init: Path | None, place: Rank | None = None) -> State:
    """A network at the start of a run, with its optimiser and moving average.

    Raises:
        InputError: weights to start from are missing or do not fit, or a precision that the device
            does not have.
    """
    place = place or Rank()
    if config.fp16 and place.device.type != "cuda":
        raise InputError("fp16 = true: needs a GPU; use bf16 on a CPU")
    if config.bf16 and place.device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise InputError("bf16 = true: this GPU has no bfloat16; use fp16")
    network = start_network(config, init).to(place.device)
    average = MovingAverage(network, config.schedule.ema)
    optimizer = build_optimizer(network, config.schedule)
    scaler = torch.amp.GradScaler(place.device.type, enabled=config.fp16)
    return State(network, spread(network, config, place), average, optimizer, scaler, place)


def start_network(config: TrainConfig, init: Path | None) -> Network:
    """The weights a run begins with, in training mode."""
    if init:
        model = {k: v for k, v in config.model.model_dump().items() if k != "thresholds"}
        network = load_weights(init, anew=config.anew, **model)
    else:
        network = build_network(config.model, "model")
        if config.imagenet:
            load_imagenet(network)
    if config.channels_last:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)
    network.learn(config.heads, config.shared, config.frozen_norm)
    network.train()
    return network


def spread(network: Network, config: TrainConfig, place: Rank) -> nn.Module:
    """Prepare the network for training, shared by the processes.

    It adds what saves time or memory. The network's own weights stay in it.
    """
    if config.recompute:
        for stage in network.backbone.stages():
            # The trunk's norms are frozen: running a stage twice changes nothing but the time.
            stage.forward = partial(checkpoint, stage.forward, use_reentrant=False)
    if config.compile:
        for part in (network.backbone, network.fpn, network.semantic):
            part.compile()
    if place.world == 1:
        return network
    gpu = place.device.type == "cuda"
    if gpu:  # in place: names of weights and the optimiser's parameters stay
        _synchronise_norms(network)
    return DistributedDataParallel(network, device_ids=[place.device.index] if gpu else None)


def _synchronise_norms(network: Network) -> None:
    """Batch norms outside the trunk use the statistics of all processes; the trunk's are frozen."""
    for name, child in network.named_children():
        if name != "backbone":
            setattr(network, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
