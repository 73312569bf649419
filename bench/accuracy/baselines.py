"""Runs ByteTrack and OC-SORT of roboflow's `trackers` (Apache-2.0) as baselines.

Both see boxes and scores only, and use Kalman filters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.runtime.frame import PanopticFrame
from mapt.runtime.perception.fusion import Fused

INSTALL = (
    "no peers to compare with: pip install '.[cpu,export,bench]' in a checkout, in an environment"
    " of its own"
)


class Peer:
    """A tracker of `trackers`, which is given the instances of the fusion in its own format.

    Args:
        tracker: has `update`.
        detections: `supervision.Detections`.
    """

    def __init__(self, tracker: Any, detections: type[Any]) -> None:
        self.tracker = tracker
        self.detections = detections
        self.ids: set[int] = set()
        self.numbers: dict[int, int] = {}  # ours, from 1, by the tracker's id

    def prepare(self, fused: Fused) -> Callable[[], object]:
        """The update with a frame's instances: boxes (n,4), scores and classes (n,)."""
        found = fused.detections
        given = self.detections(xyxy=fused.boxes, confidence=found.scores, class_id=found.classes)
        return lambda: self.ids.update(self.tracker.update(given).tracker_id.tolist())

    def identify(self, frame: PanopticFrame) -> dict[int, int]:
        """Return the baseline's id, from 1, of each visible track of a frame.

        A track that the baseline has not confirmed yet has id 0.
        """
        seen = [track for track in frame.tracks if track.lost == 0]
        given = self.detections(
            xyxy=np.array([t.box for t in seen], np.float32).reshape(-1, 4),
            confidence=np.array([t.score for t in seen], np.float32),
            class_id=np.array([t.label for t in seen], int),
        )
        # Ours go through as the detections' data would, so that an order of the tracker's own does
        # not matter.
        given.data = {"ours": np.array([t.id for t in seen], int)}
        found = self.tracker.update(given)
        if "ours" not in found.data:  # nothing was found, and nothing has no data
            return {}
        return {
            int(a): int(b) + 1 for a, b in zip(found.data["ours"], found.tracker_id, strict=True)
        }


def relabelled(frame: PanopticFrame, peer: Peer) -> NDArray[np.int32]:
    """Return the instances (H,W) of a frame, relabelled with a baseline's ids.

    An instance that the baseline has not confirmed gets a number that no other instance has.
    """
    given = peer.identify(frame)
    table = np.zeros(int(frame.instance.max(initial=0)) + 1, np.int32)
    for track in frame.tracks:
        if track.lost == 0 and track.id < len(table):
            theirs = given.get(track.id, 0)
            key = theirs if theirs > 0 else -1 - len(peer.numbers)
            table[track.id] = peer.numbers.setdefault(key, len(peer.numbers) + 1)
    result: NDArray[np.int32] = table[frame.instance]
    return result


def find_peers(fps: float, score: float) -> dict[str, Peer]:
    """Return the installed baselines by name, with settings that favour them.

    Their defaults expect a detector's scores from 0.6 or 0.7 on and leave a new track's first
    frames without an id. The fusion has left nothing below `score`, and an instance keeps its
    pixels whether it has an id or not: here a higher threshold, or to wait, can only cost them. All
    else is their own.

    Args:
        fps: frames per second.
        score: the runtime's own threshold.
    """
    try:
        from supervision import Detections
        from trackers import ByteTrackTracker, OCSORTTracker
    except ImportError:
        return {}
    given = {"frame_rate": fps, "high_conf_det_threshold": score, "minimum_consecutive_frames": 1}
    return {
        "ByteTrack": Peer(ByteTrackTracker(track_activation_threshold=score, **given), Detections),
        "OC-SORT": Peer(OCSORTTracker(**given), Detections),
    }
