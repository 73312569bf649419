"""What a fleet does with each recording, as a value that can be sent to other machines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mapt.errors import InputError
from mapt.fleet.sources.recordings import Recording
from mapt.io.sources.bags.bag import BagSource
from mapt.io.sources.choice import SourceOptions, open_named
from mapt.io.sources.folders import FolderSource, VideoSource
from mapt.io.sources.frame import Source
from mapt.io.sources.frame_selection import ALL_FRAMES, FrameSelection
from mapt.runtime import PanopticTracker

# Opens a tracker for a source, whose first frame may decide the input size.
OpenTracker = Callable[[Source], PanopticTracker]


@dataclass(frozen=True)
class Reading:
    """How recordings are read.

    Attributes:
        fps: frames per second in place of their own times; None: those.
        topic: of bags; None: their only one.
        selection: which frames are wanted.
    """

    fps: float | None = None
    topic: str | None = None
    selection: FrameSelection = ALL_FRAMES

    def open(self, recording: Recording, place: str) -> Source:
        """Open a recording whose files lie at `place`, under the recording's name.

        Raises:
            InputError: it cannot be read, or is not one sequence.
        """
        sequences = [recording.sequence] if recording.sequence else None
        options = SourceOptions(
            fps=self.fps, sequences=sequences, topic=self.topic, selection=self.selection
        )
        found = open_named([place], options)
        if len(found) != 1 or not isinstance(found[0], FolderSource | VideoSource | BagSource):
            raise InputError(f"{recording.source}: is not one recording; name its sequences")
        return replace(found[0], name=recording.name)


@dataclass(frozen=True)
class TrackJob:
    """What `mapt track` does with every recording of a fleet.

    Attributes:
        open: opens the tracker.
        model: fingerprint of the network.
        options: what else changes labels and ids, as JSON takes it.
        out: the archive: a path or an address.
        kinds: of `mapt.app.outputs.kinds`.
        classes: names by comma of what is written; None: all.
        conf: least score of what is written.
        reading: how recordings are read.
        truth: folder of ground truth; None: it is not known.
        dataset: name of the ground truth's classes.
        piece: frames after which the work is saved; None: only a whole recording is.
        bundle: how the index calls the network.
        versions: of the packages that compute, for the index.
    """

    open: OpenTracker
    model: str
    options: dict[str, Any]
    out: str
    kinds: tuple[str, ...]
    classes: str | None = None
    conf: float = 0.0
    reading: Reading = Reading()
    truth: Path | None = None
    dataset: str = "kitti-step"
    piece: int | None = None
    bundle: str = ""
    versions: str = ""

    def key(self, fingerprint: str) -> str:
        """Return what identifies the outputs of a source: network, source and options.

        The length of the pieces is no part of it, as it changes no output.
        """
        asked = {
            "model": self.model,
            "source": fingerprint,
            "options": self.options,
            "kinds": sorted(self.kinds),
            "classes": self.classes,
            "conf": self.conf,
            "fps": self.reading.fps,
            "topic": self.reading.topic,
            "selection": vars(self.reading.selection),
            "truth": None if self.truth is None else [str(self.truth), self.dataset],
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
