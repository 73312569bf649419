"""The training loop."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch
from torch import nn

from mapt.data.loader import load_batches
from mapt.errors import InputError
from mapt.model.network import Network
from mapt.model.targets import PairBatch
from mapt.model.weights import load_imagenet, load_weights, save_weights
from mapt.training.checkpoint import State, checkpoints, restore_checkpoint, save_checkpoint
from mapt.training.config import TrainConfig
from mapt.training.log import RunLog
from mapt.training.optimizer import MovingAverage, build_optimizer, rate_at
from mapt.training.sources import build_samples


def train(config: TrainConfig, folder: Path, resume: bool = False, init: Path | None = None) -> Path:
    """Train a network as configured.

    Args:
        config: the run.
        folder: where checkpoints, logs and `weights.safetensors` go.
        resume: continue from the newest checkpoint in `folder`; begins anew where there is none.
        init: weights to start from instead of ImageNet's.

    Returns:
        The weight file: the moving average after the last step.

    Raises:
        InputError: bad data, a run that is already there, or a checkpoint of another configuration.
        FloatingPointError: the loss is not finite.
    """
    if checkpoints(folder) and not resume:
        raise InputError(f"{folder}: already holds a run; continue it with --resume, or choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    torch.manual_seed(config.seed)
    samples = build_samples(config, folder)
    state = start_state(config, init)
    if resume:
        restore_checkpoint(folder, state, config)
    schedule = config.schedule
    batches = load_batches(samples, schedule.batch, state.iteration, schedule.iterations, config.data.workers)
    with RunLog(folder, state.iteration, schedule.iterations, config.log_every) as log:
        for batch in batches:
            losses, norm = step(state, batch, config)
            log.step(losses, rate_at(state.iteration - 1, schedule), norm)
            if state.iteration % config.checkpoint_every == 0 or state.iteration == schedule.iterations:
                path = save_checkpoint(folder, state, config)
                save_average(folder, state)
                log.note(f"wrote {path.name}")
    save_average(folder, state)
    return folder / "weights.safetensors"


def start_state(config: TrainConfig, init: Path | None) -> State:
    """A network at the start of a run, with its optimiser and moving average."""
    if init:
        network = load_weights(init, **{k: v for k, v in config.model.model_dump().items() if k != "thresholds"})
    else:
        network = Network(config.model)
        if config.imagenet:
            load_imagenet(network)
    if config.channels_last:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)
    network.train()
    return State(network, MovingAverage(network, config.schedule.ema), build_optimizer(network, config.schedule))


def step(state: State, batch: PairBatch, config: TrainConfig) -> tuple[dict[str, float], float]:
    """One iteration; returns the losses and the gradient norm before clipping."""
    network, optimizer = state.network, state.optimizer
    assert isinstance(network, Network)
    for group in optimizer.param_groups:
        group["lr"] = rate_at(state.iteration, config.schedule)
    autocast = torch.autocast("cpu", torch.bfloat16) if config.bf16 else contextlib.nullcontext()
    with autocast:
        losses = network.losses(batch)
    total = torch.stack([loss.float() for loss in losses.values()]).sum()
    if not bool(total.isfinite()):
        values = {name: round(loss.item(), 3) for name, loss in losses.items()}
        raise FloatingPointError(f"loss is not finite at iteration {state.iteration}: {values}, samples {batch.names}")
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.schedule.clip)
    optimizer.step()
    state.average.update(network)
    state.iteration += 1
    return {name: loss.item() for name, loss in losses.items()}, float(norm)


def save_average(folder: Path, state: State) -> None:
    """Write the averaged weights as `weights.safetensors`."""
    network = state.average.network
    assert isinstance(network, Network)
    save_weights(folder / "weights.safetensors", network, {"iterations": str(state.iteration)})
