"""What an archive's index tells: sums, where alarms gather, and which recordings to look at."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mapt.fleet.rows.row import ALARMS, SHORT, TRACKS

MOST = 20  # recordings worth looking at
GROUPS = 12  # folders that are listed
Row = dict[str, Any]


@dataclass(order=True)
class Candidate:
    """A recording that may be worth looking at.

    Attributes:
        worth: share of frames with alarms, plus share of tracks that were short, plus what PAT
            lacks; 0: nothing is odd.
        name: of the recording.
        row: of the index.
    """

    worth: float
    name: str
    row: Row = field(compare=False)

    @property
    def reasons(self) -> str:
        """Why, in words."""
        row = self.row
        said = [
            f"{row['alarms']} of {row['frames']} frames with alarms" if row["alarms"] else "",
            f"{row['short_tracks']} of {row['tracks']} tracks in fewer than {SHORT} frames"
            if row["short_tracks"]
            else "",
            f"PAT {row['pat']:.3f}" if row.get("pat") is not None else "",
        ]
        return ", ".join(text for text in said if text) or "nothing odd"


@dataclass
class Overview:
    """Sums over an archive, taken row by row.

    Attributes:
        recordings: how many.
        frames: of all.
        late: frames whose step took longer than the time to the next frame.
        seconds: that tracking took, of all workers together.
        hours: of video.
        tracks: by class.
        alarms: frames by alarm.
        folders: alarms and short tracks by the folder of the source.
        best: the recordings worth looking at.
        pats: PAT of the recordings that have ground truth.
        bundles: networks that were used.
    """

    recordings: int = 0
    frames: int = 0
    late: int = 0
    seconds: float = 0.0
    hours: float = 0.0
    tracks: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    folders: dict[str, Counter[str]] = field(default_factory=dict)
    best: list[Candidate] = field(default_factory=list)
    pats: list[float] = field(default_factory=list)
    bundles: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Overview:
        """Take in every row of an index."""
        overview = cls()
        for row in rows:
            overview._add(row)
        overview.best.sort(key=lambda candidate: (-candidate.worth, candidate.name))
        return overview

    def _add(self, row: Row) -> None:
        self.recordings += 1
        self.frames += row["frames"]
        self.late += row["late"]
        self.seconds += row["seconds"]
        self.hours += row["frames"] / row["fps"] / 3600
        self.bundles[row["bundle"]] += 1
        for name, value in row.items():
            if value and name.startswith(TRACKS):
                self.tracks[name.removeprefix(TRACKS)] += value
            elif value and name.startswith(ALARMS):
                self.alarms[name.removeprefix(ALARMS)] += value
        folder = self.folders.setdefault(row["source"].rpartition("/")[0], Counter())
        folder.update(
            {key: row[key] for key in ("frames", "tracks", "alarms", "short_tracks")}, recordings=1
        )
        if row.get("pat") is not None:
            self.pats.append(row["pat"])
        candidate = Candidate(_worth(row), row["recording"], row)
        if len(self.best) < MOST:
            heapq.heappush(self.best, candidate)
        else:
            heapq.heappushpop(self.best, candidate)

    def where(self) -> list[tuple[str, Counter[str]]]:
        """The folders where most frames have alarms or most tracks are short, worst first."""
        return sorted(self.folders.items(), key=lambda item: -_share(item[1]))[:GROUPS]


def _worth(row: Row) -> float:
    lacks = 0.0 if row.get("pat") is None else 1.0 - row["pat"]
    return _share(row) + lacks


def _share(counts: Row | Counter[str]) -> float:
    return counts["alarms"] / max(1, counts["frames"]) + counts["short_tracks"] / max(
        1, counts["tracks"]
    )
