"""Takes training steps, each of which updates the weights and their moving average."""

from __future__ import annotations

import contextlib
import math

import torch
from torch import nn

from mapt.model.targets import PairBatch
from mapt.ops.depthwise import HalfDepthwise
from mapt.training.config import TrainConfig
from mapt.training.distributed import average
from mapt.training.optimizer import rate_at
from mapt.training.state import State


class NotFiniteError(FloatingPointError):
    """A loss or the gradient is NaN or infinite. The step did not change the weights."""


def step(state: State, batch: PairBatch, config: TrainConfig) -> tuple[dict[str, float], float]:
    """Run one iteration.

    Args:
        state: is updated.
        batch: this process's part of the batch.
        config: the run's configuration.

    Returns:
        The losses of the whole batch by name, and the gradient's norm before clipping.

    Raises:
        NotFiniteError: a loss or the gradient is not finite. The message names the samples.
    """
    for group in state.optimizer.param_groups:
        group["lr"] = rate_at(state.iteration, config.schedule) * group["factor"]
    with half_depthwise(state, config), autocast(state, config):
        losses: dict[str, torch.Tensor] = state.module(batch.to(state.place.device))
    parts = torch.stack([loss.float() for loss in losses.values()])
    state.optimizer.zero_grad(set_to_none=True)
    state.scaler.scale(parts.sum()).backward()
    state.scaler.unscale_(state.optimizer)
    gradient = nn.utils.clip_grad_norm_(state.network.parameters(), config.schedule.clip)
    # Copy all numbers at once, because each copy waits for the GPU. Losses are averaged over
    # processes, so that all processes stop at a loss that is not finite.
    numbers = torch.cat((average(parts.detach(), state.place), gradient.detach().to(parts).view(1)))
    *found, norm = numbers.tolist()
    values = dict(zip(losses, found, strict=True))
    if not all(math.isfinite(value) for value in found):
        shown = {name: round(value, 3) for name, value in values.items()}
        raise NotFiniteError(
            f"loss is not finite at iteration {state.iteration}: {shown}, samples {batch.names}"
        )
    # Raise before the step would damage weights and average. Under fp16 the scaler skips such a
    # step, and halves the scale of the next loss. At a scale of 1 the gradient itself is at fault.
    if not math.isfinite(norm) and not (config.fp16 and state.scaler.get_scale() > 1):
        raise NotFiniteError(
            f"gradient is not finite at iteration {state.iteration}, samples {batch.names}"
        )
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.average.update(state.network)
    state.iteration += 1
    return values, norm


def autocast(state: State, config: TrainConfig) -> contextlib.AbstractContextManager[object]:
    """Return a context that computes in half precision if the configuration asks for it."""
    if not (config.bf16 or config.fp16):
        return contextlib.nullcontext()
    return torch.autocast(state.place.device.type, torch.float16 if config.fp16 else torch.bfloat16)


def half_depthwise(state: State, config: TrainConfig) -> contextlib.AbstractContextManager[object]:
    """Return a context in which depthwise convolutions learn fast in half precision on a CPU.

    It does not reach the backward pass, so not what is computed there again.
    """
    meant = config.bf16 and state.place.device.type == "cpu"
    if not meant or config.compile or config.recompute:
        return contextlib.nullcontext()
    return HalfDepthwise()
