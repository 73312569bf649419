"""Counts appearance matches that land far from the last position of their track.

    python -m mapt.bench.accuracy.teleports BUNDLE SOURCE [SOURCE ...] [--fps 10] [--json FILE]

SOURCE is a folder of frames, a video or a dataset. A match of stage 2 counts as a jump where the
new box does not touch the old one and the centres lie more than two sizes apart; a size is the root
of the old box's area.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.machine import describe_machine
from mapt.bench.parity.clips import FrameSequence, open_clips
from mapt.docstrings import text_of
from mapt.io.atomic_files import write_json
from mapt.model.class_names import network_labels
from mapt.runtime import PanopticFrame, PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.frame import Track

FAR = 2.0  # sizes

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Jump:
    """An appearance match that lands far away.

    Attributes:
        frame: index in its sequence.
        track: the id.
        sizes: distance of the centres in sizes of the old box.
        missed: frames in which the track was not seen before.
    """

    frame: int
    track: int
    sizes: float
    missed: int


@dataclass(frozen=True)
class Count:
    """The counts of one sequence.

    Attributes:
        frames: how many there were.
        matches: appearance matches.
        births: new ids.
        jumps: the matches that land far away.
    """

    frames: int
    matches: int
    births: int
    jumps: tuple[Jump, ...]


def count(backend: Backend, clip: FrameSequence) -> Count:
    """Track a sequence and look at every appearance match.

    Raises:
        InputError: a frame cannot be read.
    """
    tracker = PanopticTracker(backend)
    before = dict[int, Track]()
    frames = 0
    matches = 0
    births = 0
    jumps = list[Jump]()
    for number, picture in enumerate(clip.frames(network_labels(backend.info))):
        frame = tracker.step(picture.image, picture.stamp_ns)
        matched = [decision.track for decision in frame.decisions if decision.stage == "appearance"]
        frames = frames + 1
        matches = matches + len(matched)
        births += sum(decision.stage == "birth" for decision in frame.decisions)
        jumps += far_matches(number, matched, before, frame)
        before = {track.id: track for track in frame.tracks}
    return Count(frames, matches, births, tuple(jumps))


def far_matches(
    number: int, matched: Iterable[int], before: dict[int, Track], frame: PanopticFrame
) -> list[Jump]:
    """Find the matched tracks whose new box is neither near the old one nor touches it.

    `before` holds the old boxes, and `frame` the new ones.
    """
    now = {track.id: track for track in frame.tracks}
    jumps = []
    for track in matched:
        old = before[track]
        sizes = distance(old.box, now[track].box)
        if sizes > FAR and not touch(old.box, now[track].box):
            jumps.append(Jump(number, track, round(sizes, 2), old.lost))
    return jumps


def distance(old: Box, new: Box) -> float:
    """Compute the distance between the centres of two boxes xyxy, in sizes of the old one."""
    across = old[0] + old[2] - new[0] - new[2]
    down = old[1] + old[3] - new[1] - new[3]
    return math.hypot(across, down) / 2 / math.sqrt((old[2] - old[0]) * (old[3] - old[1]))


def touch(old: Box, new: Box) -> bool:
    """Tell whether two boxes xyxy share an edge, a corner or more."""
    return old[0] <= new[2] and new[0] <= old[2] and old[1] <= new[3] and new[1] <= old[3]


@told_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.accuracy.teleports",
        description=text_of(__name__).splitlines()[0],
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--trust", type=Path, help="public key that must have signed the bundle")
    parser.add_argument("sources", type=Path, nargs="+", metavar="SOURCE")
    parser.add_argument("--fps", type=float, default=10.0, help="of folders; videos know their own")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    backend = OrtBackend(read_bundle(given.bundle, given.trust), given.threads)
    found = {
        clip.name: count(backend, clip)
        for source in given.sources
        for clip in open_clips(source, given.fps)
    }
    table = Table("sequence", "frames", "births", "appearance matches", "far away", "share")
    for name, one in found.items():
        share = f"{100 * len(one.jumps) / one.matches:.1f} %" if one.matches else "-"
        table.add_row(
            name, str(one.frames), str(one.births), str(one.matches), str(len(one.jumps)), share
        )
    Console().print(table)
    if given.json:
        counts = {name: asdict(one) for name, one in found.items()}
        write_json(given.json, {"machine": describe_machine(given.threads), "sequences": counts})


if __name__ == "__main__":
    main()
