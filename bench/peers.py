"""ByteTrack and OC-SORT of roboflow's `trackers` (Apache-2.0) beside ours: boxes and scores only, Kalman filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mapt.runtime.fusion import Fused

INSTALL = "no peers to compare with: pip install 'mapt[bench]', in an environment of its own"


class Peer:
    """A tracker of `trackers`, which is handed what the fusion gives as it likes it.

    Args:
        tracker: has `update`.
        detections: `supervision.Detections`.
    """

    def __init__(self, tracker: Any, detections: type[Any]) -> None:
        self.tracker, self.detections = tracker, detections
        self.ids: set[int] = set()

    def prepare(self, fused: Fused) -> Callable[[], object]:
        """The update with a frame's instances: boxes (n,4), scores and classes (n,)."""
        found = fused.detections
        given = self.detections(xyxy=fused.boxes, confidence=found.scores, class_id=found.classes)
        return lambda: self.ids.update(self.tracker.update(given).tracker_id.tolist())


def find_peers(fps: float) -> dict[str, Peer]:
    """The peers by name with their own defaults; none where they are not installed.

    Args:
        fps: frames per second.
    """
    try:
        from supervision import Detections
        from trackers import ByteTrackTracker, OCSORTTracker
    except ImportError:
        return {}
    return {
        "ByteTrack": Peer(ByteTrackTracker(frame_rate=fps), Detections),
        "OC-SORT": Peer(OCSORTTracker(frame_rate=fps), Detections),
    }
