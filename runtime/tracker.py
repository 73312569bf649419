"""The tracker that vehicle software embeds: an image in, labelled pixels with lasting ids out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.runtime.backend import Backend
from mapt.runtime.bundle import read_bundle
from mapt.runtime.frame import Decision, PanopticFrame, Track
from mapt.runtime.fusion import Fused, fuse
from mapt.runtime.pipeline import Clock, Perception, carry, embed, perceive
from mapt.runtime.preprocess import Fit, fit, to_image, to_input
from mapt.runtime.tracks import Association, TrackState, TrackTable

Float = NDArray[np.float32]


class PanopticTracker:
    """Motion and appearance-aware panoptic tracking of one camera.

    State belongs to the instance; several trackers in a process do not disturb each other.

    Args:
        backend: runs the network; `load` makes one from a bundle.
        association: "full", or for ablations "motion" (propagated masks only), "appearance" (embeddings only), "iou"
            (the previous masks where they were).
    """

    def __init__(self, backend: Backend, association: Association = "full") -> None:
        self.backend, self.association = backend, association
        self.stuff = tuple(c for c in range(len(backend.info.classes)) if c not in backend.info.things)
        self.table = TrackTable(backend.info.thresholds, association)
        self._s: Float | None = None
        self._stamp_ns: int | None = None

    @classmethod
    def load(
        cls,
        bundle_dir: str | Path,
        backend: Literal["auto", "ort"] = "auto",
        threads: int | None = None,
        association: Association = "full",
    ) -> PanopticTracker:
        """Open a bundle written by `mapt export`.

        Args:
            bundle_dir: its folder; every file is checked against the manifest's SHA-256 first.
            backend: "ort"; "auto" takes the best one that bundle and machine have.
            threads: of the network; None: as many as there are cores.
            association: see the class.

        Raises:
            InputError: not a bundle, a changed file, or a backend that is not available.
        """
        if backend not in ("auto", "ort"):
            raise InputError(f"backend {backend!r} is not available in this version; use 'ort' or 'auto'")
        from mapt.runtime.ort import OrtBackend

        return cls(OrtBackend(read_bundle(Path(bundle_dir)), threads), association)

    def reset(self) -> None:
        """Forget all tracks, as after a camera cut; ids go on counting."""
        self.table.tracks = []
        self._s = self._stamp_ns = None

    def step(self, image: NDArray[np.uint8], stamp_ns: int) -> PanopticFrame:
        """Label the next frame.

        Args:
            image: (h,w,3) uint8 RGB, any size.
            stamp_ns: its time in nanoseconds, above the previous frame's.

        Returns:
            Labels at the image's size, tracks, decisions and timings.

        Raises:
            InputError: wrong shape or type, or a stamp that does not rise; the state is as before.
        """
        self._check(image, stamp_ns)
        clock, info = Clock(), self.backend.info
        with clock.stage("frame"):
            with clock.stage("preprocess"):  # 1. one place where pixels become the network's input
                place = fit(image.shape[0], image.shape[1], info.height, info.width)
                pixels = to_input(image, place, info.height, info.width)
            seen = perceive(self.backend, pixels, clock)  # 2. backbone, semantic and instance heads
            with clock.stage("fusion"):  # 3. which pixel belongs to which detection
                fused = fuse(seen.detections, seen.logits, self.stuff, info.thresholds)
            propagated, embeddings = self._cues(seen, fused, stamp_ns, clock)  # 4. motion and appearance heads
            with clock.stage("association"):  # 5. propagated masks first, embeddings for the rest
                ids, decisions = self.table.update(fused, propagated, embeddings, stamp_ns)
            self._s, self._stamp_ns = seen.s, stamp_ns
            with clock.stage("output"):  # 6. back to the camera's pixels
                frame = self._frame(seen, fused, ids, decisions, place, stamp_ns)
        frame.timings_ms.update(clock.ms)
        return frame

    def _check(self, image: NDArray[np.uint8], stamp_ns: int) -> None:
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise InputError(f"image is {found}; step() needs uint8 (height, width, 3) RGB")
        if 0 in image.shape:
            raise InputError(f"image is empty {image.shape}; step() needs at least one pixel")
        if self._stamp_ns is not None and stamp_ns <= self._stamp_ns:
            raise InputError(f"stamp {stamp_ns} ns is not after {self._stamp_ns} ns; stamps must rise, or call reset()")

    def _cues(self, seen: Perception, fused: Fused, stamp_ns: int, clock: Clock) -> tuple[Float, Float]:
        """The live tracks' masks in this frame and the instances' embeddings."""
        info = self.backend.info
        gap = (stamp_ns - self._stamp_ns) / 1e9 if self._stamp_ns is not None else np.inf
        follows = self._s is not None and gap <= info.thresholds.max_gap
        live = self.table.live() if follows else []
        masks = np.stack([t.mask8 for t in live]) if live else np.zeros((0, *fused.masks8.shape[1:]), np.float32)
        if self.association == "iou":
            return masks, np.zeros((len(fused.detections), info.sizes["E"]), np.float32)
        s_prev = self._s if follows and self._s is not None else seen.s
        propagated, f_p = carry(self.backend, s_prev, seen.s, masks, fused.detections, clock)
        if self.association == "motion":
            return propagated, np.zeros((len(fused.detections), info.sizes["E"]), np.float32)
        return propagated, embed(self.backend, seen.pyramid, fused.detections, f_p, clock)

    def _frame(
        self, seen: Perception, fused: Fused, ids: list[int], decisions: list[Decision], place: Fit, stamp_ns: int
    ) -> PanopticFrame:
        table = np.array([0, *ids], np.int32)
        classes = np.concatenate((np.zeros(1, np.uint8), fused.detections.classes.astype(np.uint8)))
        semantic = np.where(fused.index > 0, classes[fused.index], seen.labels)
        tracks = sorted((t for t in self.table.tracks), key=lambda t: (t.lost > 0, t.id))
        limit = self.backend.info.thresholds.score
        overflow = int(seen.full and seen.detections.scores[-1] >= limit)
        return PanopticFrame(
            semantic=to_image(semantic, place).astype(np.uint8, copy=False),
            instance=to_image(table[fused.index], place).astype(np.int32, copy=False),
            tracks=tuple(_public(t, place) for t in tracks),
            decisions=tuple(decisions),
            timings_ms={},
            stamp_ns=stamp_ns,
            overflow=overflow,
        )


def _public(track: TrackState, place: Fit) -> Track:
    sx, sy = place.scale
    x1, x2 = (min(float(v) * sx, place.width) for v in track.box[::2])
    y1, y2 = (min(float(v) * sy, place.height) for v in track.box[1::2])
    return Track(track.id, track.label, track.score, (x1, y1, x2, y2), track.age, track.lost)
