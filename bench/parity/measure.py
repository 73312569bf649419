"""Compares PyTorch and a bundle on the same frames, from single tensors to whole sequences.

The levels of this parity ladder are tensor, head, frame and sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mapt.bench.parity.clips import FrameSequence
from mapt.bench.parity.frame_gap import FrameGap, compare_frames
from mapt.bench.parity.margins import Margins, Tally, narrowest
from mapt.bench.parity.paired_backend import Divergence, HeadGap, PairedBackend
from mapt.contract import SUBGRAPHS
from mapt.export.bundle.compare_outputs import TOLERANCE
from mapt.export.precision.accuracy_gate import LIMITS, Score
from mapt.metrics import PanopticTrackingMetrics, Scores
from mapt.model.class_names import network_labels
from mapt.ops.nms import watched
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.protocol import Backend


@dataclass(frozen=True)
class SequenceGap:
    """The differences over a whole sequence.

    Attributes:
        sequence: its name.
        frames: how many.
        ids_differ: frames whose identities differ.
        first: the first of them; None: there is none.
        pixels: largest share of a frame's pixels that differ in class or id.
        tracks: identities that PyTorch and the bundle gave out.
        agreement: the bundle's output scored with PyTorch's as the truth; all 1 where they are
            equal.
        scores: of PyTorch and of the bundle against the labels; None without labels.
    """

    sequence: str
    frames: int
    ids_differ: int
    first: int | None
    pixels: float
    tracks: tuple[int, int]
    agreement: Scores
    scores: tuple[Scores, Scores] | None


@dataclass
class Parity:
    """The results of the parity ladder, from tensors to sequences.

    Attributes:
        precision: of the bundle.
        heads: by subgraph.
        first: the first tensor beyond the tolerance, in the order of frames and, in a frame, of
            heads.
        frames: those that differ, in order.
        sequences: in order.
        scores: over all labelled sequences, of PyTorch and of the bundle; None without labels.
        margins: decisions of PyTorch by kind.
    """

    precision: str
    heads: dict[str, HeadGap]
    first: Divergence | None = None
    frames: list[FrameGap] = field(default_factory=list)
    sequences: list[SequenceGap] = field(default_factory=list)
    scores: tuple[Scores, Scores] | None = None
    margins: dict[str, Tally] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """List the differences that are not acceptable.

        They are a float32 head beyond the tolerance, other ids in float32, and too large a loss of
        accuracy in a lower precision.
        """
        found = []
        if self.first:
            d = self.first
            found.append(
                f"{d.head} differs from PyTorch by {d.relative:.1e} of {d.tensor}'s largest value"
                f" in frame {d.frame} of {d.sequence}, more than {TOLERANCE:g}"
            )
        changed = [f for f in self.frames if f.ids]
        if changed and self.precision == "fp32":
            found.append(
                f"ids differ in {len(changed)} frames, first in frame {changed[0].frame} of "
                f"{changed[0].sequence}"
            )
        if self.scores and self.precision != "fp32":
            ours, theirs = (Score(s.PAT or 0.0, s.TQ or 0.0, s.IDS) for s in self.scores)
            found += theirs.faults(LIMITS[self.precision], ours)
        return found


def run_parity(
    reference: Backend,
    other: Backend,
    precisions: Mapping[str, str],
    clips: Sequence[FrameSequence],
    on_progress: Callable[[], None] = lambda: None,
) -> Parity:
    """Track clips with both, frame by frame.

    Args:
        reference: PyTorch.
        other: the bundle.
        precisions: of the bundle's subgraphs.
        clips: frames, with labels or without.
        on_progress: called after each frame.

    Raises:
        InputError: a frame that cannot be read, or a label that does not fit it or the network.
    """
    lowest = next((p for p in precisions.values() if p != "fp32"), "fp32")
    parity = Parity(lowest, {s.name: HeadGap(precisions[s.name]) for s in SUBGRAPHS})
    labels = network_labels(reference.info)
    sides = (PanopticTrackingMetrics(labels), PanopticTrackingMetrics(labels))
    margins = Margins()
    shadow = PairedBackend(reference, other, parity.heads, margins.ties)
    for clip in clips:
        _run_clip(clip, shadow, parity, sides, margins, on_progress)
    parity.first = shadow.first
    parity.margins = margins.tallies
    if any(clip.labelled for clip in clips):
        parity.scores = sides[0].compute().dataset, sides[1].compute().dataset
    return parity


def _run_clip(
    clip: FrameSequence,
    shadow: PairedBackend,
    parity: Parity,
    sides: tuple[PanopticTrackingMetrics, PanopticTrackingMetrics],
    margins: Margins,
    on_progress: Callable[[], None],
) -> None:
    trackers = PanopticTracker(shadow), PanopticTracker(shadow.other)
    labels = network_labels(shadow.info)
    agreement = PanopticTrackingMetrics(labels)
    gaps: list[FrameGap] = []
    pixels = 0.0
    closest = float("inf")
    index = -1
    ids: tuple[set[int], set[int]] = set(), set()
    for index, frame in enumerate(clip.frames(labels)):
        shadow.place = clip.name, index
        with watched(margins):
            ours = trackers[0].step(frame.image, frame.stamp_ns)
        theirs = trackers[1].step(frame.image, frame.stamp_ns)
        margins.decided(ours)
        margins.detected(shadow.detections, shadow.info.thresholds.score)
        closest = min(closest, narrowest(ours), narrowest(theirs))
        gap = compare_frames(ours, theirs, clip.name, index, closest)
        gaps += [gap] if gap else []
        pixels = max(pixels, gap.pixels / ours.semantic.size if gap else 0.0)
        agreement.update(
            clip.name, (ours.semantic, ours.instance), (theirs.semantic, theirs.instance)
        )
        for side, seen, metrics in zip((ours, theirs), ids, sides, strict=True):
            seen.update(t.id for t in side.tracks)
            if frame.truth:
                metrics.update(clip.name, frame.truth, (side.semantic, side.instance))
        on_progress()
    parity.frames += gaps
    changed = [g.frame for g in gaps if g.ids]
    scores = tuple(m.compute().sequences[clip.name] for m in sides) if clip.labelled else None
    parity.sequences.append(
        SequenceGap(
            clip.name,
            index + 1,
            len(changed),
            changed[0] if changed else None,
            pixels,
            (len(ids[0]), len(ids[1])),
            agreement.compute().dataset,
            (scores[0], scores[1]) if scores else None,
        )
    )
