"""What differs between two networks in one recording."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from mapt.runtime import PanopticFrame
from mapt.runtime.frame import Decision

NOTHING = "nothing"


@dataclass(frozen=True)
class DecisionDifference:
    """The first decision about an identity that differs.

    Attributes:
        frame: its name.
        index: its number in the sequence.
        first: the decision of the first network, in words.
        second: that of the second.
    """

    frame: str
    index: int
    first: str
    second: str


@dataclass(frozen=True)
class RecordingDifference:
    """A recording under two networks.

    Attributes:
        name: of the recording.
        source: where it lies.
        frames: how many.
        labels: share of the pixels whose class differs.
        ids: share of the frames in which any pixel's id differs.
        tracks: identities of each network.
        pat: of each network; None where truth is not known.
        decision: the first one that differs; None: none does.
    """

    name: str
    source: str
    frames: int
    labels: float
    ids: float
    tracks: tuple[int, int]
    pat: tuple[float | None, float | None]
    decision: DecisionDifference | None

    @property
    def much(self) -> float:
        """How much differs: the shares of pixels and frames, and the difference in PAT."""
        first, second = self.pat
        pat = 0.0 if first is None or second is None else abs(first - second)
        return self.labels + self.ids + pat


class DifferenceCounter:
    """Compares the frames of a recording in order."""

    def __init__(self) -> None:
        self.frames = 0
        self.decision: DecisionDifference | None = None
        self._labels = 0.0
        self._ids = 0
        self._tracks: tuple[set[int], set[int]] = (set(), set())

    def add(self, name: str, first: PanopticFrame, second: PanopticFrame) -> None:
        """Compare a frame, whose ids begin at 1 in both."""
        self._labels += float((first.semantic != second.semantic).mean())
        self._ids += not np.array_equal(first.instance, second.instance)
        for seen, frame in zip(self._tracks, (first, second), strict=True):
            seen.update(track.id for track in frame.tracks)
        if self.decision is None:
            self.decision = _first_difference(name, self.frames, first, second)
        self.frames += 1

    @property
    def labels(self) -> float:
        """Share of the pixels whose class differs."""
        return self._labels / max(1, self.frames)

    @property
    def ids(self) -> float:
        """Share of the frames in which any pixel's id differs."""
        return self._ids / max(1, self.frames)

    @property
    def tracks(self) -> tuple[int, int]:
        """Identities of each network."""
        return len(self._tracks[0]), len(self._tracks[1])


def _first_difference(
    name: str, index: int, first: PanopticFrame, second: PanopticFrame
) -> DecisionDifference | None:
    """The first decision of a frame that has another outcome; scores may differ."""
    for one, other in zip_longest(_by_track(first), _by_track(second)):
        outcomes = [d and (d.stage, d.track) for d in (one, other)]
        if outcomes[0] != outcomes[1]:
            return DecisionDifference(name, index, _told(one), _told(other))
    return None


def _by_track(frame: PanopticFrame) -> list[Decision]:
    return sorted(frame.decisions, key=lambda decision: decision.track)


def _told(decision: Decision | None) -> str:
    if decision is None:
        return NOTHING
    return (
        f"{decision.stage} of {decision.track}, {decision.score:.3f} against"
        f" {decision.threshold:.2f}, margin {decision.margin:.3f}"
    )
