"""Reproduces the rows of Tables IV, V and VI with one set of weights.

The rows use the same weights under other associations, with optical flow, and with trackers that
see boxes only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from mapt.bench.accuracy.baselines import INSTALL, find_peers, relabelled
from mapt.bench.accuracy.optical_flow import FlowMotion
from mapt.bench.latency.backend_variants import Verification
from mapt.bench.report.constants import mean_and_spread
from mapt.data.datasets.kitti_step import list_sequences, read_labelled
from mapt.evaluation.evaluate import evaluate
from mapt.metrics import PanopticTrackingMetrics, Scores
from mapt.model.class_names import network_labels
from mapt.runtime import PanopticTracker
from mapt.runtime.association.associator import Association
from mapt.runtime.backends.protocol import Backend

TRAIN = (
    "needs other weights: mapt train nano-heads --init WEIGHTS --set model.{}, exported, with"
    " --beside"
)


@dataclass(frozen=True)
class Variant:
    """A row of the ablation.

    Attributes:
        title: for people.
        paper: the paper's PAT on KITTI-STEP validation, percent.
        association: what decides, of those that the runtime has.
        setting: configuration of the weights that it needs, "" for the bundle's own.
    """

    title: str
    paper: float
    association: Association
    setting: str = ""


VARIANTS: dict[str, Variant] = {
    "iou": Variant("IoU matching", 59.45, "iou"),
    "OC-SORT": Variant("OC-SORT, boxes", 45.96, "iou"),
    "ByteTrack": Variant("ByteTrack, boxes", 51.04, "iou"),
    "flow": Variant("optical flow (OpenCV DIS; paper: FlowNet2)", 61.01, "motion"),
    "backbone": Variant(
        "MaskProp-style: motion from backbone features", 59.59, "motion", "motion_input=backbone"
    ),
    "box": Variant("appearance of boxes", 54.75, "appearance", "appearance_input=box"),
    "mask": Variant("appearance of masks", 59.78, "appearance", "appearance_input=mask"),
    "appearance": Variant("MAPT appearance", 59.84, "appearance"),
    "motion": Variant("MAPT motion", 61.61, "motion"),
    "full": Variant("MAPT", 62.65, "full"),
}
PEERS = ("OC-SORT", "ByteTrack")


@dataclass
class Ablation:
    """The results of the ablation, and the rows that could not run.

    Attributes:
        scores: of every seed, by row.
        standings: of every row.
    """

    scores: dict[str, list[Scores]] = field(default_factory=dict)
    standings: dict[str, Verification] = field(default_factory=dict)


def run_ablation(
    backend: Backend,
    trained: Mapping[str, Backend],
    roots: dict[int | None, Path],
    split: str,
    fps: float,
    on_progress: Callable[[], None] | None = None,
) -> Ablation:
    """Run every row that can run, on every seed's sequences.

    Args:
        backend: the bundle's.
        trained: backends of other weights, by row.
        roots: folders in KITTI-STEP's layout by seed, see `mapt.bench.suites.Setting`.
        split: their label folder.
        fps: frames per second.
        on_progress: called once a row and seed, whether it ran or not.
    """
    out = Ablation()
    peers = find_peers(fps, backend.info.thresholds.score)
    for name, variant in VARIANTS.items():
        for root in roots.values():
            if name in PEERS:
                found = _boxes(backend, name, root, split, fps) if name in peers else None
            elif variant.setting:
                found = (
                    evaluate_row(trained[name], variant, root, split, fps)
                    if name in trained
                    else None
                )
            else:
                found = evaluate_row(
                    FlowMotion(backend) if name == "flow" else backend, variant, root, split, fps
                )
            if found:
                out.scores.setdefault(name, []).append(found)
            if on_progress:
                on_progress()
        why = INSTALL if name in PEERS else TRAIN.format(variant.setting)
        out.standings[name] = (
            Verification("proven here") if name in out.scores else Verification("unproven", why)
        )
    return out


def evaluate_row(backend: Backend, variant: Variant, root: Path, split: str, fps: float) -> Scores:
    """Score a row whose tracker is the runtime's own."""
    return evaluate(backend, root, split, fps=fps, association=variant.association).dataset


def _boxes(backend: Backend, name: str, root: Path, split: str, fps: float) -> Scores:
    """The runtime's instances with the ids of a tracker of boxes."""
    labels = network_labels(backend.info)
    limit = backend.info.thresholds.score
    metrics = PanopticTrackingMetrics(labels)
    for sequence in list_sequences(root, split):
        tracker = PanopticTracker(backend, "iou")
        peer = find_peers(fps, limit)[name]
        for image, truth, stamp_ns in read_labelled(sequence, fps, labels):
            frame = tracker.step(image, stamp_ns)
            metrics.update(sequence.name, truth, (frame.semantic, relabelled(frame, peer)))
    return metrics.compute().dataset


def out_of_order(scores: Mapping[str, list[Scores]]) -> list[str]:
    """List the mean PATs that are not in the paper's order.

    In that order MAPT is above each cue alone, and each cue alone is above IoU matching.
    """
    mean = {
        name: mean_and_spread([s.PAT for s in scores[name]])[0] for name in get_args(Association)
    }
    pairs = (("full", "motion"), ("full", "appearance"), ("motion", "iou"), ("appearance", "iou"))
    return [
        f"{VARIANTS[a].title} ({100 * mean[a]:.2f}) is not above {VARIANTS[b].title}"
        f" ({100 * mean[b]:.2f})"
        for a, b in pairs
        if mean[a] <= mean[b]
    ]
