"""Chooses what is written and shown: classes, and objects from a score on. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mapt.errors import InputError, suggest
from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import VOID
from mapt.runtime import PanopticFrame


@dataclass(frozen=True)
class Selection:
    """What is asked for; the tracker itself goes on with everything.

    Attributes:
        classes: train ids; None: all.
        score: least score of an object.
    """

    classes: frozenset[int] | None = None
    score: float = 0.0


def select(classes: str | None, score: float, labels: ClassSet) -> Selection:
    """Parse the options `--classes`, names by comma, and `--conf`.

    Raises:
        InputError: a score that is none, or a name that the network does not have; the message
            names the nearest one.
    """
    if not 0 <= score <= 1:  # also true of NaN, which no comparison finds
        raise InputError(f"--conf {score}: is no score; give a number from 0 to 1")
    if classes is None:
        return Selection(None, score)
    names = [part.strip() for part in classes.split(",") if part.strip()]
    if not names:
        raise InputError(f"--classes {classes}: names none; give names by comma, or leave it out")
    for name in names:
        if name not in labels.classes:
            raise InputError(
                f"--classes: this network has no class {name}; {suggest(name, labels.classes)}"
            )
    return Selection(frozenset(labels.classes.index(name) for name in names), score)


class Selector:
    """Applies a selection to the frames of a sequence, in their order."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self._told = set[int]()  # tracks that were selected in some frame

    def apply(self, frame: PanopticFrame) -> PanopticFrame:
        """Leave out what was not asked for.

        Pixels of what is left out are void, without an id. A decision stays if its track was
        selected in this frame or an earlier one.
        """
        classes = self.selection.classes
        if classes is None and not self.selection.score:
            return frame
        kept = tuple(
            t
            for t in frame.tracks
            if (classes is None or t.label in classes) and t.score >= self.selection.score
        )
        self._told |= {t.id for t in kept}
        told = frozenset(self._told)
        self._told &= {t.id for t in frame.tracks}  # others are decided about for the last time
        left_out = [t.id for t in frame.tracks if t not in kept]
        hidden = np.isin(frame.instance, left_out)
        void = hidden
        if classes is not None:
            lookup = np.ones(256, np.bool_)
            lookup[[*classes]] = False
            void = hidden | lookup[frame.semantic]
        return replace(
            frame,
            semantic=np.where(void, np.uint8(VOID), frame.semantic),
            instance=np.where(hidden, np.int32(0), frame.instance),
            tracks=kept,
            decisions=tuple(d for d in frame.decisions if d.track in told),
        )
