"""Draws the network's inputs and predictions."""

from __future__ import annotations

import numpy as np

from mapt.app.visualize import contact_sheet
from mapt.drawing.frames import draw_frame
from mapt.drawing.text import Image
from mapt.evaluation.torch_backend import TorchBackend
from mapt.labels.class_sets import ClassSet
from mapt.model.targets import FrameTargets, PairBatch
from mapt.runtime import PanopticFrame, PanopticTracker
from mapt.runtime.frame import Track

INTERVAL_NS = 100_000_000


def draw_batch(batch: PairBatch, labels: ClassSet, limit: int = 4) -> Image:
    """Draw the frames t - tau and t of a batch's first pairs with their labels.

    Args:
        batch: the batch.
        labels: the network's classes.
        limit: the most pairs to draw.

    Returns:
        (H,W,3) uint8 RGB, with a row for each pair.
    """
    cells = []
    captions = []
    for row in range(min(limit, len(batch.names))):
        for images, targets, when in (
            (batch.images_prev, batch.prev, "t - tau"),
            (batch.images, batch.now, "t"),
        ):
            image = np.asarray(images[row].cpu().numpy(), np.uint8)
            cells.append(draw_frame(image, _as_frame(targets[row], labels)))
            captions.append(f"{when}: {batch.names[row].rsplit('/', 1)[-1]}")
    return contact_sheet(cells, captions)


def draw_predictions(batch: PairBatch, backend: TorchBackend, labels: ClassSet) -> Image:
    """Draw a batch's first pair with its labels, and below with the tracker's predictions.

    Args:
        batch: the batch.
        backend: runs the network.
        labels: the network's classes.

    Returns:
        (H,W,3) uint8 RGB.
    """
    truth = draw_batch(batch, labels, 1)
    tracker = PanopticTracker(backend)
    cells = []
    for number, images in enumerate((batch.images_prev, batch.images)):
        image = np.asarray(images[0].cpu().numpy(), np.uint8)
        cells.append(draw_frame(image, tracker.step(image, number * INTERVAL_NS)))
    return np.vstack((truth, contact_sheet(cells, ["prediction", "prediction"])))


def _as_frame(targets: FrameTargets, labels: ClassSet) -> PanopticFrame:
    """Return targets as the tracker would have labelled them.

    An object has the same colour in both frames of a pair.
    """
    index = targets.index.cpu().numpy()
    ids = targets.track_ids.cpu().numpy()
    numbers = np.concatenate(([0], ids // 256)).astype(np.int32)  # the class is in the lowest byte
    tracks = tuple(
        Track(int(i // 256), label, 1.0, tuple(box), 1, 0, labels.classes[label])
        for i, label, box in zip(ids, targets.labels.tolist(), targets.boxes.tolist(), strict=True)
    )
    semantic = targets.semantic.cpu().numpy()
    return PanopticFrame(semantic, numbers[index], tracks, (), {}, 0, 0, classes=labels.classes)
