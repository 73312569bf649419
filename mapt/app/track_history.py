"""Shows the history of a track from a run's files, without torch.

The history is a table of decisions, and a strip of crops with the reason under each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from mapt.app.visualize import strip
from mapt.drawing.colours import track_colour
from mapt.drawing.text import Image
from mapt.errors import InputError
from mapt.io.sources.folders import open_sources
from mapt.io.sources.frame import Frame
from mapt.io.user_files import read_file, read_json
from mapt.runtime.frame import Stage

MOMENTS = 12  # crops in a strip at most
CONTEXT = 0.25  # of a box's longer side around it

Row = dict[str, Any]
NUMBER = (int, float)
FIELDS: dict[str, type | tuple[type, ...]] = {
    "track": int,
    "index": int,
    "frame": str,
    "stage": str,
    "score": NUMBER,
    "threshold": NUMBER,
    "margin": NUMBER,
    "runner_up": (*NUMBER, type(None)),
    "gate": (*NUMBER, type(None)),
}
MAX_NUMBER = 2.0**53
MAX_SIDE = 1 << 16  # pixels of an image
SHOWN = 20  # ids in a message


@dataclass(frozen=True)
class Moment:
    """A decision that the strip shows.

    Attributes:
        index: of the frame in the sequence.
        frame: its name.
        box: xyxy pixels of the image, of the track's last sighting.
        lines: why, in words.
    """

    index: int
    frame: str
    box: tuple[float, float, float, float]
    lines: tuple[str, ...]


def read_decisions(run: Path, track: int) -> list[Row]:
    """A track's rows of `decisions.jsonl`, in order.

    Raises:
        InputError: no such file, a damaged one, or no such track.
    """
    path = run / "decisions.jsonl"
    lines = read_file(path, "run `mapt track ... --save json` first").splitlines()
    rows: list[Row] = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(_row(line))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise InputError(f"{path}:{number}: is damaged; run `mapt track` again") from None
    own = [row for row in rows if row["track"] == track]
    if not own:
        ids = sorted({row["track"] for row in rows})
        listed = ", ".join(map(str, ids[:SHOWN])) + (
            f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        )
        raise InputError(f"{path}: has no track {track}; it has {listed or 'none'}")
    return own


def _row(line: bytes) -> Row:
    """Parse a line of the file, and check the types of the fields that are read."""
    row: Row = json.loads(line)
    if not isinstance(row, dict):
        raise TypeError("no row")
    row.setdefault("gate", None)  # the first files had none
    for key, kind in FIELDS.items():
        value = row[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(key)
        if isinstance(value, int | float) and not abs(float(value)) <= MAX_NUMBER:
            raise ValueError(key)
    if row["stage"] not in get_args(Stage) or row["index"] < 0:
        raise ValueError("stage")
    return row


def choose_moments(run: Path, track: int, rows: list[Row], most: int = MOMENTS) -> list[Moment]:
    """Choose the decisions to draw.

    Births, losses and recoveries come first, then the narrowest decision, then those far from the
    others.

    Args:
        run: a sequence's folder, for the boxes in its `tracks.json`.
        track: the id.
        rows: of `read_decisions`.
        most: how many.

    Raises:
        InputError: `tracks.json` is missing, damaged or another run's.
    """
    boxes = _boxes(run / "tracks.json", track)
    chosen = [i for i, row in enumerate(rows) if row["stage"] != "propagation"]
    chosen = (
        chosen[:1] + sorted(chosen[1:], key=lambda i: rows[i]["stage"] == "removed")[: most - 1]
    )
    narrow = [i for i in range(len(rows)) if i not in chosen]
    if narrow and len(chosen) < most:
        chosen.append(min(narrow, key=lambda i: rows[i]["margin"]))
    while len(chosen) < min(most, len(rows)):
        rest = (i for i in range(len(rows)) if i not in chosen)
        chosen.append(
            max(rest, key=lambda i: min(abs(rows[i]["index"] - rows[j]["index"]) for j in chosen))
        )
    moments = []
    for row in (rows[i] for i in sorted(chosen)):
        seen = max((n for n in boxes if n <= row["index"]), default=None)
        box = None if seen is None else boxes[seen]
        if box is None:
            raise InputError(
                f"{run / 'tracks.json'}: lacks track {track}; it is another run's, run `mapt track`"
                " again"
            )
        moments.append(Moment(row["index"], row["frame"], box, _reason(row)))
    return moments


def _boxes(path: Path, track: int) -> dict[int, tuple[float, float, float, float]]:
    """The track's box by index of the frame."""
    advice = "run `mapt track` again"
    content = read_json(path, advice)
    try:
        frames = content["frames"]
        found = {
            n: t["box"]
            for n, frame in enumerate(frames)
            for t in frame["tracks"]
            if t["id"] == track
        }
        boxes = {n: (float(b[0]), float(b[1]), float(b[2]), float(b[3])) for n, b in found.items()}
    except (ValueError, KeyError, TypeError, IndexError, OverflowError):
        raise InputError(f"{path}: lacks frames with tracks and boxes; {advice}") from None
    if not all(abs(side) <= MAX_SIDE for box in boxes.values() for side in box):
        raise InputError(f"{path}: a box of track {track} lies outside every picture; {advice}")
    return boxes


def _reason(row: Row) -> tuple[str, ...]:
    stage = row["stage"]
    score = row["score"]
    limit = row["threshold"]
    if stage in ("lost", "removed", "overflow"):
        return (
            stage,
            f"unseen for {score:.2f} s",
            f"of {limit:.2f} s" if stage != "overflow" else "the table is full",
        )
    kind = {"propagation": "mask IoU", "appearance": "cosine", "birth": "score"}[stage]
    runner_up = "no runner-up" if row["runner_up"] is None else f"runner-up {row['runner_up']:.3f}"
    first = stage if row["gate"] is None else f"{stage}, {tell_gate(row)}"
    return (first, f"{kind} {score:.3f} >= {limit:.2f}", f"{runner_up}, margin {row['margin']:.3f}")


def tell_gate(row: Row) -> str:
    """Describe what the gate on distance and size decided.

    The text says how much of the gate a match used, or how far beyond it a look-alike was.
    """
    share = row["gate"]
    if share is None:
        return "-"
    return f"gate {share:.2f} of 1" if share <= 1 else f"look-alike too far: {share:.1f} of 1"


def draw_life(run: Path, track: int, moments: list[Moment], images: Path | None) -> Image:
    """Draw the strip of crops.

    Args:
        run: a sequence's folder; its annotated `video.mp4` is used where `images` is None.
        track: its colour frames the box.
        moments: what to draw.
        images: the frames that were tracked: a folder, a video, or a dataset with the sequence in
            it.

    Raises:
        InputError: no frames, or not those that were tracked.
    """
    source = images or run / "video.mp4"
    if not source.exists():
        raise InputError(
            f"{source}: no such file; run `mapt track ... --save video,json`, or give --images"
        )
    # Frames of the run's own video are in the order of its indices; those of the source have names,
    # of which a run with --stride or --start did not take all.
    wanted = {m.index: m.frame if images else f"{m.index:06d}" for m in moments}
    found = _pictures(source, run.name, set(wanted.values()))
    missing = sorted(set(wanted.values()) - set(found))
    if missing:
        raise InputError(
            f"{source}: has no frame {missing[0]}; give the frames that were tracked with --images"
        )
    frames = {index: found[name] for index, name in wanted.items()}
    for m in moments:
        side = max(frames[m.index].image.shape[:2])
        if not (-side <= min(m.box) and max(m.box) <= 2 * side):
            raise InputError(
                f"{source}: frame {m.index} is smaller than the box in it; give the frames of"
                " the run"
            )
    cells = [
        (_crop(frames[m.index].image, m.box, track), (f"frame {m.frame}", *m.lines))
        for m in moments
    ]
    return strip(cells)


def _pictures(source: Path, sequence: str, wanted: set[str]) -> dict[str, Frame]:
    """The frames with these names, as far as they are there."""
    found = open_sources(source)
    if len(found) > 1:
        found = open_sources(source, sequences=[sequence])
    frames = dict[str, Frame]()
    for frame in found[0]:
        if frame.stem in wanted:
            frames[frame.stem] = frame
            if len(frames) == len(wanted):
                break
    return frames


def _crop(image: Image, box: tuple[float, float, float, float], track: int) -> Image:
    """Cut a square around a box and draw the box.

    Parts outside the image are black.
    """
    import cv2

    x1, y1, x2, y2 = (round(v) for v in box)
    side = max(8, round(max(x2 - x1, y2 - y1) * (1 + 2 * CONTEXT)))
    left = (x1 + x2 - side) // 2
    top = (y1 + y2 - side) // 2
    drawn = cv2.rectangle(image.copy(), (x1 - 1, y1 - 1), (x2, y2), track_colour(track), 1)
    padded = np.pad(np.asarray(drawn, np.uint8), ((side, side), (side, side), (0, 0)))
    y = np.clip(top + side, 0, padded.shape[0] - side)
    x = np.clip(left + side, 0, padded.shape[1] - side)
    return padded[y : y + side, x : x + side]
