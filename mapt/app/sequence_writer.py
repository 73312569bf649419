"""Writes what was asked for of a sequence, frame by frame and in bounded memory. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO

import numpy as np

from mapt.app.result_writers import CocoResults, mot_lines
from mapt.app.visualize import Image, draw
from mapt.errors import InputError
from mapt.io.growing_json import GrowingJson
from mapt.io.sources.frame import Frame, Source
from mapt.io.sources.live import StreamCounts
from mapt.io.video_writer import VideoWriter
from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import MAX_INSTANCE, write_step
from mapt.runtime import PanopticFrame


class SequenceWriter:
    """Writes a sequence's files into a working folder."""

    def __init__(
        self,
        step: Path,
        run: Path,
        kinds: tuple[str, ...],
        labels: ClassSet,
        source: Source,
        samples: int,
        providers: Mapping[str, str],
    ) -> None:
        self.step = step
        self.run = run
        self.kinds = kinds
        self.labels = labels
        self.fps = source.fps
        self.providers = dict(providers)
        self.video: VideoWriter | None = None
        self.index = 0
        total = len(source)
        self.begin_ns = 0
        self.tracks: GrowingJson | None = None
        self.decisions: IO[str] | None = None
        self.coco: CocoResults | None = None
        self.mot: IO[str] | None = None
        if "json" in kinds:
            self.tracks = GrowingJson(run / "tracks.json", "frames")
            self.decisions = (run / "decisions.jsonl").open("w", encoding="utf-8")
        if "coco" in kinds:
            self.coco = CocoResults(run / "coco.json", labels)
        if "mot" in kinds:
            self.mot = (run / "mot.txt").open("w", encoding="utf-8")
        self.wanted = (
            {round(i) for i in np.linspace(0, max(total - 1, 0), samples)} if samples else set()
        )
        self.samples: list[tuple[Image, str]] = []

    def write(self, frame: Frame, labelled: PanopticFrame) -> None:
        """Add a frame.

        Raises:
            InputError: a track's id is beyond what STEP can hold; nothing of the frame is written.
        """
        if self.index == 0:
            self.begin_ns = frame.stamp_ns
        if "step" in self.kinds:
            most = max((t.id for t in labelled.tracks), default=0)
            if most > MAX_INSTANCE:
                raise InputError(
                    f"frame {frame.stem}: track {most} is beyond STEP's {MAX_INSTANCE}; split the"
                    " sequence"
                )
            write_step(self.step / f"{frame.stem}.png", labelled.semantic, labelled.instance)
        if "video" in self.kinds or self.index in self.wanted:
            caption = f"frame {self.index}  {labelled.stamp_ns / 1e9:.2f} s"
            picture = draw(frame.image, labelled, self.labels, caption)
            if self.index in self.wanted:
                self.samples.append((picture, frame.stem))
            if "video" in self.kinds:
                if self.video is None:
                    size = (picture.shape[1], picture.shape[0])
                    self.video = VideoWriter(self.run / "video.mp4", size, self.fps)
                self.video.write(frame.stamp_ns - self.begin_ns, picture)
        if self.tracks is not None and self.decisions is not None:
            tracks = [asdict(t) for t in labelled.tracks]
            self.tracks.append(
                "frames",
                {
                    "frame": frame.stem,
                    "stamp_ns": labelled.stamp_ns,
                    "alarms": list(labelled.alarms),
                    "tracks": tracks,
                },
            )
            for decision in labelled.decisions:
                row = {"frame": frame.stem, "index": self.index, **asdict(decision)}
                self.decisions.write(json.dumps(row) + "\n")
        if self.coco is not None:
            self.coco.add(frame.file or f"{frame.stem}.png", labelled)
        if self.mot is not None:
            self.mot.writelines(line + "\n" for line in mot_lines(self.index, labelled))
        self.index += 1

    def finish(self, stream: StreamCounts | None = None) -> None:
        """Finish every file.

        Args:
            stream: what became of the frames of a live source.
        """
        if self.tracks is not None:
            before = {"classes": list(self.labels.classes), "providers": self.providers}
            self.tracks.finish(before, {} if stream is None else {"stream": asdict(stream)})
        if self.coco is not None:
            self.coco.finish()
        for file in (self.decisions, self.mot):
            if file is not None:
                file.close()
        if self.video is not None:
            self.video.close()
            self.video = None

    def close(self) -> None:
        """Release every file, and discard a video that is not finished."""
        for part in (self.tracks, self.coco, self.decisions, self.mot):
            if part is not None:
                part.close()
        if self.video is not None:
            self.video.abort()
            self.video = None
