"""Tells the whole lives of tracks from a run's `tracks.json`, without torch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from mapt.drawing.colours import track_colour
from mapt.drawing.text import Image, put_text
from mapt.errors import InputError
from mapt.io.user_files import read_json

ADVICE = "run `mapt track` again"
LOST_COLOUR = (90, 90, 90)
BAR = 22  # height of the bar of a life, pixels
WORDS = 28  # and of the words below
LETTERS = 13


@dataclass(frozen=True)
class Life:
    """A track from its birth to its end.

    Attributes:
        track: its id.
        label: the name of its class; "-" if the file does not say.
        frames: names of the sequence's frames.
        begin: index of the frame of its birth.
        states: of each frame from there to its end, "seen" or "lost", or "" where the track is not
            in the table.
    """

    track: int
    label: str
    frames: tuple[str, ...]
    begin: int
    states: tuple[str, ...]

    def count(self, state: str) -> int:
        """Return the number of frames in which the track is "seen" or "lost"."""
        return self.states.count(state)

    @property
    def first(self) -> str:
        """The name of the frame in which it was first seen."""
        return self.frames[self.begin + self.states.index("seen")]

    @property
    def last(self) -> str:
        """The name of the frame in which it was last seen."""
        return self.frames[self.begin + len(self.states) - 1 - self.states[::-1].index("seen")]

    def spells(self) -> str:
        """Tell from which to which frame it was seen and lost, in words."""
        told = []
        number = self.begin
        for state, group in groupby(self.states):
            length = len(list(group))
            if state:
                begin = self.frames[number]
                end = self.frames[number + length - 1]
                told.append(f"{state} {begin}" + (f" to {end}" if length > 1 else ""))
            number += length
        return ", ".join(told)


def find_run(path: Path) -> Path:
    """Find the folder of a sequence's outputs from what a user may name instead of it.

    Args:
        path: that folder, a file in it, or the folder of a run with one sequence alone.

    Returns:
        The folder; `path` itself where nothing better is found.

    Raises:
        InputError: the run has several sequences.
    """
    if path.is_file():
        return path.parent
    if (path / "tracks.json").exists():
        return path
    found = sorted(file.parent for file in path.glob("*/tracks.json"))
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise InputError(f"{path}: holds several sequences; choose one of {names}")
    return found[0] if found else path


def read_lives(run: Path) -> list[Life]:
    """Read the life of every track of a sequence, by id.

    Args:
        run: a sequence's folder written by `mapt track`.

    Raises:
        InputError: `tracks.json` is missing or damaged.
    """
    path = run / "tracks.json"
    content = read_json(path, "run `mapt track ... --save json` first")
    try:
        classes = [str(name) for name in content.get("classes", ())]
        frames = list(content["frames"])
        names = tuple(str(frame.get("frame", n)) for n, frame in enumerate(frames))
        begins: dict[int, int] = {}
        states: dict[int, list[str]] = {}
        labels: dict[int, str] = {}
        for number, frame in enumerate(frames):
            for track in frame["tracks"]:
                identity = int(track["id"])
                begin = begins.setdefault(identity, number)
                own = states.setdefault(identity, [])
                own += [""] * (number - begin - len(own))
                own.append("lost" if track.get("lost") else "seen")
                label = track.get("label")
                labels[identity] = "-" if label is None else classes[int(label)]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError):
        raise InputError(f"{path}: lacks frames with tracks and classes; {ADVICE}") from None
    return [
        Life(track, labels[track], names, begins[track], tuple(own))
        for track, own in sorted(states.items())
        if "seen" in own
    ]


def find_life(run: Path, track: int) -> Life:
    """Read the life of one track.

    Raises:
        InputError: `tracks.json` is missing or damaged, or has no such track.
    """
    life = next((life for life in read_lives(run) if life.track == track), None)
    if life is None:
        raise InputError(
            f"{run / 'tracks.json'}: lacks track {track}; it is another run's, {ADVICE}"
        )
    return life


def draw_timeline(life: Life, marked: Collection[int], width: int) -> Image:
    """Draw a life as a bar over all frames of the sequence, with a line of words below.

    Args:
        life: it is drawn in the track's colour where it was seen, and gray where it was lost.
        marked: indices of frames that get a white mark.
        width: of the picture, pixels.

    Returns:
        (h, width, 3) uint8 RGB.
    """
    colours = {"seen": track_colour(life.track), "lost": LOST_COLOUR, "": (0, 0, 0)}
    row = np.zeros((1, len(life.frames), 3), np.uint8)
    row[0, life.begin : life.begin + len(life.states)] = [colours[s] for s in life.states]
    bar = np.asarray(cv2.resize(row, (width, BAR), interpolation=cv2.INTER_NEAREST), np.uint8)
    for index in marked:
        x = min(width - 1, round((index + 0.5) * width / len(life.frames)))
        bar[: BAR // 2, max(0, x - 1) : x + 1] = 255
    words = np.zeros((WORDS, width, 3), np.uint8)
    text = f"{life.label} {life.track}: {life.spells()}"
    put_text(words, text, (6, 18), (255, 255, 255), LETTERS)
    return np.vstack((bar, words))
