"""Evaluates networks with the deployed tracker.

Only the backend differs from a deployment, so any difference in the scores comes from the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from mapt.data.datasets.kitti_step import Sequence, frame_number, list_sequences, read_labelled
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP, ClassSet
from mapt.metrics import PanopticTrackingMetrics, Results
from mapt.model.class_names import network_labels
from mapt.runtime import PanopticTracker
from mapt.runtime.association.associator import Association
from mapt.runtime.backends.protocol import Backend


def evaluate(
    backend: Backend,
    root: Path,
    split: str = "val",
    *,
    fps: float = 10.0,
    association: Association = "full",
    sequences: Collection[str] = (),
    labels: ClassSet | None = None,
    on_progress: Callable[[str, int], None] | None = None,
) -> Results:
    """Track the sequences of a folder in KITTI-STEP's layout and score them.

    Args:
        backend: runs the network, such as `TorchBackend(network)`.
        root: contains `training/image_02/<seq>` and `panoptic_maps/<split>/<seq>`.
        split: the folder of a split.
        fps: frames per second. A frame's time follows from its number.
        association: "full", or one of the ablations.
        sequences: names of the sequences to track. If it is empty, all are tracked.
        labels: the dataset's classes. None takes the network's.
        on_progress: called after each frame with the sequence's name and the number of its frames
            so far.

    Returns:
        PQ, TQ, PAT, STQ and their parts, for the dataset, each sequence and each class.

    Raises:
        InputError: a folder, frame or label is missing or bad, or a sequence is unknown.
    """
    chosen = choose_sequences(root, split, sequences)
    return track_sequences(
        backend, chosen, fps, association, labels or network_labels(backend.info), on_progress
    ).compute()


def choose_sequences(root: Path, split: str, names: Collection[str]) -> list[Sequence]:
    """List sequences of a folder in KITTI-STEP's layout.

    Args:
        root: the dataset's folder.
        split: the folder of a split.
        names: the sequences to list. If it is empty, all are listed.

    Raises:
        InputError: a folder or image is missing, a sequence is unknown, or a frame is not named by
            its number.
    """
    found = {sequence.name: sequence for sequence in list_sequences(root, split)}
    unknown = sorted(set(names) - set(found))
    if unknown:
        raise InputError(
            f"{root}: has no sequence {unknown[0]!r} in {split}; it has {', '.join(found)}"
        )
    chosen = [sequence for name, sequence in found.items() if not names or name in names]
    for image in (image for sequence in chosen for image in sequence.images):
        frame_number(image)
    return chosen


def track_sequences(
    backend: Backend,
    sequences: Collection[Sequence],
    fps: float,
    association: Association = "full",
    labels: ClassSet = KITTI_STEP,
    on_progress: Callable[[str, int], None] | None = None,
) -> PanopticTrackingMetrics:
    """Track sequences and add them to the metrics, see `evaluate`."""
    metrics = PanopticTrackingMetrics(labels)
    for sequence in sequences:
        _track(PanopticTracker(backend, association), sequence, fps, metrics, labels, on_progress)
    return metrics


def _track(
    tracker: PanopticTracker,
    sequence: Sequence,
    fps: float,
    metrics: PanopticTrackingMetrics,
    labels: ClassSet,
    on_progress: Callable[[str, int], None] | None,
) -> None:
    """Track a sequence with a new tracker, and add its output to the metrics."""
    for count, (image, truth, stamp_ns) in enumerate(read_labelled(sequence, fps, labels), 1):
        frame = tracker.step(image, stamp_ns)
        metrics.update(sequence.name, truth, (frame.semantic, frame.instance))
        if on_progress:
            on_progress(sequence.name, count)
