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
from mapt.training.stop import StopRequest


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
        FloatingPointError: the loss or its gradient is not finite; names the samples.
        KeyboardInterrupt: stopped by a signal, after a checkpoint.
    """
    if checkpoints(folder) and not resume:
        raise InputError(f"{folder}: already holds a run; continue it with --resume, or choose another --out")
    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    torch.manual_seed(config.seed)
    state = start_state(config, init)
    if resume:
        restore_checkpoint(folder, state, config)
    samples = build_samples(config, folder)
    folder.mkdir(parents=True, exist_ok=True)
    schedule = config.schedule
    batches = load_batches(samples, schedule.batch, state.iteration, schedule.iterations, config.data.workers)
    with StopRequest() as stop, RunLog(folder, state.iteration, schedule.iterations, config.log_every) as log:
        log.note(f"{'resumed' if state.iteration else 'started'} at iteration {state.iteration} on {describe(config)}")
        for batch in batches:
            losses, norm = step(state, batch, config)
            log.step(losses, rate_at(state.iteration - 1, schedule), norm)
            finished = state.iteration == schedule.iterations
            if finished or stop.requested or state.iteration % config.checkpoint_every == 0:
                path = save_checkpoint(folder, state, config)
                save_average(folder, state, config)
                log.note(f"wrote {path.name}")
            if stop.requested and not finished:
                log.note("stopped; --resume continues")
                raise KeyboardInterrupt
    save_average(folder, state, config)
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
        group["lr"] = rate_at(state.iteration, config.schedule) * group["factor"]
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
    if not bool(norm.isfinite()):  # before the step: it would carry the damage into weights and average
        raise FloatingPointError(f"gradient is not finite at iteration {state.iteration}, samples {batch.names}")
    optimizer.step()
    state.average.update(network)
    state.iteration += 1
    return {name: loss.item() for name, loss in losses.items()}, float(norm)


def save_average(folder: Path, state: State, config: TrainConfig) -> None:
    """Write the averaged weights as `weights.safetensors`, with what they were trained on."""
    network = state.average.network
    assert isinstance(network, Network)
    card = {"iterations": str(state.iteration), "batch": str(config.schedule.batch), "data": describe(config)}
    save_weights(folder / "weights.safetensors", network, card)


def describe(config: TrainConfig) -> str:
    """The training data in words, without paths: it is stored in the weights."""
    data, parts = config.data, []
    if data.synthetic.sequences:
        synthetic = data.synthetic
        parts.append(f"synthetic streets ({synthetic.sequences} x {synthetic.frames} frames, seed {synthetic.seed})")
    folders = {
        "a KITTI-STEP folder": data.step,
        "a MOTChallenge-STEP folder": data.motchallenge,
        "KITTI-MOTS (research use only)": data.kitti_mots,
        "Cityscapes (research use only)": data.cityscapes,
    }
    parts += [f"{name} ({part.split})" for name, part in folders.items() if part.root]
    if data.camvid.root:
        parts.append("CamVid train (research use only)")
    return " + ".join(parts)
