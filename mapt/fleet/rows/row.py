"""What the index tells of a recording: counted while it is tracked, in bounded memory."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mapt.app.outputs.output import Labelled
from mapt.fleet.rows.truth import RecordingTruth

SHORT = 5  # frames; a track that is seen in fewer is short

# The columns that every index has. Others follow for each class and each alarm.
COLUMNS = {
    "recording": "string",
    "source": "string",
    "frames": "int64",
    "fps": "double",
    "height": "int32",
    "width": "int32",
    "tracks": "int64",
    "short_tracks": "int64",
    "alarms": "int64",
    "late": "int64",
    "pat": "double",
    "bundle": "string",
    "versions": "string",
    "seconds": "double",
    "finished": "double",
    "key": "string",
}
TRACKS = "tracks_"  # and the name of a class
ALARMS = "alarms_"  # and the name of an alarm


@dataclass
class RowBuilder:
    """Counts the frames of a recording.

    Attributes:
        fps: frames per second of the source, which say which frames are late.
        truth: ground truth, where it is known.
    """

    fps: float
    truth: RecordingTruth | None = None
    frames: int = 0
    size: tuple[int, int] = (0, 0)
    late: int = 0
    tracks: Counter[str] = field(default_factory=Counter)
    short: int = 0
    alarmed: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    _alive: dict[int, int] = field(default_factory=dict)  # frames in which a track was seen
    _begun: float = field(default_factory=time.monotonic)

    def add(self, name: str, labelled: Labelled) -> None:
        """Take in the next frame of the sequence `name`."""
        labels = labelled.labels
        self.frames += 1
        self.size = (labels.semantic.shape[0], labels.semantic.shape[1])
        self.late += labels.timings_ms["frame"] > 1e3 / self.fps
        self.alarmed += bool(labels.alarms)
        self.alarms.update(labels.alarms)
        there = {track.id for track in labels.tracks}
        for gone in self._alive.keys() - there:
            self.short += self._alive.pop(gone) < SHORT
        for track in labels.tracks:
            if track.id not in self._alive:
                self.tracks[track.label_name or str(track.label)] += 1
                self._alive[track.id] = 0
            self._alive[track.id] += not track.lost
        if self.truth is not None:
            self.truth.add(labelled.frame.stem, labels)

    def row(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Return the row, with what else is known of the recording."""
        short = self.short + sum(seen < SHORT for seen in self._alive.values())
        return {
            **facts,
            "frames": self.frames,
            "fps": self.fps,
            "height": self.size[0],
            "width": self.size[1],
            "tracks": self.tracks.total(),
            "short_tracks": short,
            "alarms": self.alarmed,
            "late": self.late,
            "pat": None if self.truth is None else self.truth.pat(),
            "seconds": round(time.monotonic() - self._begun, 3),
            "finished": round(time.time(), 3),
            **{f"{TRACKS}{name}": count for name, count in sorted(self.tracks.items())},
            **{f"{ALARMS}{name}": count for name, count in sorted(self.alarms.items())},
        }
