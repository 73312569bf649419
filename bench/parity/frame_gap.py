"""Decides whether two backends label a frame alike, which `run` and `parity` report."""

from __future__ import annotations

from dataclasses import dataclass

from mapt.runtime.frame import PanopticFrame


@dataclass(frozen=True)
class FrameGap:
    """A frame in which two backends' trackers give other ids or classes.

    Attributes:
        sequence, frame: which.
        ids: do the identities differ, or only pixels?
        pixels: that differ in class or id.
        detections: visible objects with the reference and with the other.
        margin: the narrowest identity decision of either up to there in the sequence.
    """

    sequence: str
    frame: int
    ids: bool
    pixels: int
    detections: tuple[int, int]
    margin: float


def compare_frames(
    reference: PanopticFrame, other: PanopticFrame, sequence: str, index: int, margin: float
) -> FrameGap | None:
    """Return the difference in a frame, or None if nothing differs."""
    different = (reference.instance != other.instance) | (reference.semantic != other.semantic)
    pixels = int(different.sum())
    seen = [sorted((t.id, t.label) for t in f.tracks if t.lost == 0) for f in (reference, other)]
    if not pixels and seen[0] == seen[1]:
        return None
    return FrameGap(
        sequence=sequence,
        frame=index,
        ids=seen[0] != seen[1],
        pixels=pixels,
        detections=(len(seen[0]), len(seen[1])),
        margin=margin,
    )
