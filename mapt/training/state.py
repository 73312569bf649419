"""Defines the state of a run, and builds the state in which it starts."""

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
from mapt.training.teaching.pupil import Pupil
from mapt.training.teaching.widen import check_wider, widen

FIXED = "shared = false: heads learn on the features of given weights; name them with --init"


@dataclass
class State:
    """Everything that changes during a run.

    Attributes:
        network: the weights that are trained.
        module: computes the losses. It is the network, or its wrapper for several processes.
        average: the moving average of the weights.
        optimizer: the optimiser with its momenta.
        scaler: scales the loss under fp16, and has no effect otherwise.
        place: this process and its device.
        iteration: the number of steps taken.
        best: the best score of an evaluation so far, or None.
        skipped: a line for each bad file that was skipped.
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
    """Build the state at the start of a run.

    Args:
        config: the run's configuration.
        init: weights to start from instead of ImageNet's.
        place: this process and its device. None is a single process on the CPU.

    Raises:
        InputError: the weights are missing or do not fit, or the device lacks the precision.
    """
    place = place or Rank()
    if config.fp16 and place.device.type != "cuda":
        raise InputError("fp16 = true: needs a GPU; use bf16 on a CPU")
    if config.bf16 and place.device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise InputError("bf16 = true: this GPU has no bfloat16; use fp16")
    teacher = load_teacher(config) if config.teacher else None
    network = start_network(config, init, teacher).to(place.device)
    average = MovingAverage(network, config.schedule.ema)  # a copy, before `spread` changes parts
    optimizer = build_optimizer(network, config.schedule)
    module: nn.Module = network
    if teacher:
        module = Pupil(network, teacher.to(place.device), config.teacher_weight)
    module = spread(module, network, config, place)
    scaler = torch.amp.GradScaler(place.device.type, enabled=config.fp16)
    return State(network, module, average, optimizer, scaler, place)


def start_network(
    config: TrainConfig, init: Path | None, teacher: Network | None = None
) -> Network:
    """Build the network with which a run begins, in training mode.

    Args:
        config: the run's configuration.
        init: weights to start from instead of ImageNet's.
        teacher: a narrower network, whose pyramid and heads a network without `init` starts with.

    Raises:
        InputError: the weights are missing or do not fit.
    """
    if init:
        model = {k: v for k, v in config.model.model_dump().items() if k != "thresholds"}
        network = load_weights(init, anew=config.anew, **model)
    else:
        network = build_network(config.model, "model")
        if config.imagenet:
            load_imagenet(network)
        if teacher:
            widen(network, teacher)
    if config.channels_last:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)
    network.learn(config.heads, config.shared, config.frozen_norm)
    network.train()
    return network


def load_teacher(config: TrainConfig) -> Network:
    """Load the teacher of a run.

    Raises:
        InputError: it cannot be read, or is not a narrower form of the network that is trained.
    """
    teacher = load_weights(Path(config.teacher))
    check_wider(config.model, teacher.config, config.teacher)
    return teacher


def spread(module: nn.Module, network: Network, config: TrainConfig, place: Rank) -> nn.Module:
    """Prepare a network for recomputation, compilation and several processes, as configured.

    Args:
        module: computes the losses with the network's own weights.
        network: the network.
        config: the run's configuration.
        place: this process and its device.

    Returns:
        `module`, or its wrapper.
    """
    if config.recompute:
        for stage in network.backbone.stages():
            # The trunk's norms are frozen, so running a stage twice gives the same result.
            stage.forward = partial(checkpoint, stage.forward, use_reentrant=False)
    if config.compile:
        for part in (network.backbone, network.fpn, network.semantic):
            part.compile()
    if place.world == 1:
        return module
    gpu = place.device.type == "cuda"
    if gpu:  # replace norms in the network, so that names of weights stay
        _synchronise_norms(network)
    return DistributedDataParallel(module, device_ids=[place.device.index] if gpu else None)


def _synchronise_norms(network: Network) -> None:
    """Let batch norms use the statistics of all processes, except those of the frozen trunk."""
    for name, child in network.named_children():
        if name != "backbone":
            setattr(network, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
