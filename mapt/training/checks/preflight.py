"""Checks a run before its first step: describes the first batch, and tries the deployment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mapt.errors import InputError
from mapt.evaluation.torch_backend import TorchBackend
from mapt.io.atomic_files import atomic_file
from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import VOID
from mapt.model.targets import PairBatch
from mapt.runtime import BackendError, PanopticTracker
from mapt.runtime.errors import OutputError
from mapt.training.state import State


def check_deployable(state: State) -> None:
    """Run the five subgraphs of the averaged weights under the tracker, on two random images.

    Raises:
        InputError: a subgraph breaks its contract.
    """
    config = state.network.config
    tracker = PanopticTracker(TorchBackend(state.averaged))
    rng = np.random.default_rng(0)
    try:
        for stamp in (0, 100_000_000):
            tracker.step(rng.integers(0, 256, (config.height, config.width, 3), np.uint8), stamp)
    except (BackendError, OutputError) as error:
        raise InputError(
            f"the network cannot be deployed: {error}; change [model] in the configuration"
        ) from None


def describe_batch(batch: PairBatch, labels: ClassSet) -> tuple[str, list[str]]:
    """Describe a batch.

    Args:
        batch: the batch.
        labels: the network's classes.

    Returns:
        A line about the batch, and a line for each peculiarity, such as an image of one colour.
    """
    frames = [*batch.prev, *batch.now]
    classes = np.unique(np.concatenate([np.unique(f.semantic.cpu().numpy()) for f in frames]))
    names = [labels.classes[c] for c in classes if c != VOID]
    objects = sum(len(f.boxes) for f in frames)
    both = sum(
        len(set(a.track_ids.tolist()) & set(b.track_ids.tolist()))
        for a, b in zip(batch.prev, batch.now, strict=True)
    )
    line = (
        f"{len(batch.names)} pairs, {objects} objects, {both} seen in both frames;"
        f" {', '.join(names) or 'all void'}"
    )
    odd = []
    if not names:
        odd.append("every pixel of the first batch is void: are the labels of these classes?")
    if objects and not both:
        odd.append("no object of the first batch is seen in both frames: do ids last over frames?")
    dark = [
        n
        for n, image in zip(batch.names, batch.images, strict=True)
        if int(image.max()) - int(image.min()) < 8
    ]
    odd += [f"{name}: the image shows nothing" for name in dark]
    return line, odd


def save_batch(path: Path, batch: PairBatch) -> None:
    """Write a batch's tensors, to be read with `torch.load(path)`."""

    def plain(values: object) -> dict[str, object]:
        return {name: value for name, value in vars(values).items()}

    content = {
        **plain(batch),
        "prev": [plain(f) for f in batch.prev],
        "now": [plain(f) for f in batch.now],
    }
    with atomic_file(path) as temporary:
        torch.save(content, temporary)
