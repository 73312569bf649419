"""The result of a step: a labelled frame with its tracks and decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import DataFrame

Labels = Literal["host", "device"]
Stage = Literal["propagation", "appearance", "birth", "lost", "removed", "overflow"]
# A track in 36 bytes without padding, for readers in other languages.
TRACK_DTYPE = np.dtype(
    [
        ("id", "i4"),
        ("label", "i4"),
        *((name, "f4") for name in ("score", "x1", "y1", "x2", "y2")),
        ("age", "i4"),
        ("lost", "i4"),
    ]
)


@dataclass(frozen=True)
class Track:
    """A track as of this frame.

    Attributes:
        id: never reused within a tracker's life, from 1.
        label: train id.
        score: of its last detection, in [0,1].
        box: xyxy, pixels of the input image, around the visible mask; of the last sighting where
            lost.
        age: frames since its birth.
        lost: frames since it was last seen, 0 where it is visible now.
        label_name: the class's name; empty where the network has no names.
    """

    id: int
    label: int
    score: float
    box: tuple[float, float, float, float]
    age: int
    lost: int
    label_name: str = ""


@dataclass(frozen=True)
class Decision:
    """Why an identity is what it is.

    Attributes:
        stage: propagation and appearance continue a track, birth starts one, lost and removed end a
            sighting or track, overflow ends a lost track before its time because the table is full.
        track: its id.
        detection: index among the frame's instances, by falling score; -1 where there is none.
        score: mask IoU, cosine, or for a birth the detection's score.
        runner_up: the best competing score; None where there was no competitor.
        threshold: the limit that applied.
        margin: how much the scores would have to change for another decision; of a birth also what
            the nearest pair that was refused lacks of its threshold.
        gate: share of the distance or of the change of size that is allowed
            (`mapt.runtime.association.spatial_gate`). Of an appearance match what it took, at most
            1. Of a birth what the nearest track would have taken that looks alike and was refused
                for it, above 1. None where the gate decided nothing.
    """

    stage: Stage
    track: int
    detection: int
    score: float
    runner_up: float | None
    threshold: float
    margin: float
    gate: float | None = None


@dataclass(frozen=True)
class PanopticFrame:
    """A labelled frame.

    Attributes:
        semantic: (H,W) uint8 train ids, at the input image's size. Labels that were left on a GPU
            are copied to the host when they are first read.
        instance: (H,W) int32 track ids, 0 = none; on a GPU likewise.
        tracks: visible ones first, then lost ones, each by id.
        decisions: one for every change or continuation of an identity.
        timings_ms: by stage; `frame` is all of the step.
        stamp_ns: the frame's time.
        overflow: how many objects above the score were left out because there were too many, those
            of the lowest score first; one more where every detection slot of the network is filled,
            as there may be others.
        degraded: heads left out for the deadline, of "appearance" and "motion".
        alarms: what the monitor finds wrong: "blind" (an image of one colour; identities stay as
            they were), "frozen" (the pixels of the frame before), "saturated" (objects were left
            out), "empty" (one class everywhere), "churn" (most of what was visible lately was new).
        classes: the network's class names by train id.
    """

    semantic: NDArray[np.uint8]
    instance: NDArray[np.int32]
    tracks: tuple[Track, ...]
    decisions: tuple[Decision, ...]
    timings_ms: dict[str, float]
    stamp_ns: int
    overflow: int
    degraded: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """One line without the arrays: the time, the size and the tracks that are not lost."""
        height, width = self.__dict__["semantic"].shape  # which does not fetch them from a GPU
        seen = ", ".join(f"{t.label_name or t.label} {t.id}" for t in self.tracks if not t.lost)
        return f"PanopticFrame({self.stamp_ns} ns, {height}x{width} pixels, tracks: {seen or '-'})"

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: all of it on the host."""
        kept = {k: v for k, v in self.__dict__.items() if not k.startswith("_")}
        return kept | {"semantic": self.semantic, "instance": self.instance}

    @property
    def device_labels(self) -> tuple[Any, Any] | None:
        """`semantic` and `instance` on the GPU, where `step(..., labels="device")` left them.

        Both have `__cuda_array_interface__`, and their memory is theirs while anybody holds them.
        None: they are on the host.
        """
        pair = (self.__dict__["semantic"], self.__dict__["instance"])
        return None if isinstance(pair[0], np.ndarray) else pair

    def track_array(self) -> NDArray[np.void]:
        """The tracks (n,) as one flat block of `TRACK_DTYPE`, in their order."""
        return np.array(
            [(t.id, t.label, t.score, *t.box, t.age, t.lost) for t in self.tracks], TRACK_DTYPE
        )

    def plot(
        self, image: NDArray[np.uint8], *, labels: bool = True, legend: bool = True
    ) -> NDArray[np.uint8]:
        """Draw the frame: a tint for each class, masks and contours in the tracks' colours.

        Args:
            image: (H,W,3) uint8 RGB, the one that the step labelled.
            labels: write class, id and score on the objects that are large enough.
            legend: name the classes at the lower edge.

        Returns:
            (H,W,3) uint8 RGB, a new array.

        Raises:
            InputError: the image is not of this type or not of the frame's size.
        """
        from mapt.runtime.conversions import plot

        return plot(self, image, labels, legend)

    def to_dict(self) -> dict[str, Any]:
        """The frame without its pixels, as JSON takes it.

        Returns:
            `stamp_ns`, `height`, `width`, `classes`, `tracks` (with lost ones), `decisions`,
            `timings_ms`, `overflow`, `degraded` and `alarms`, named as in `PanopticFrame`, `Track`
            and `Decision`.
        """
        from mapt.runtime.conversions import to_dict

        return to_dict(self)

    def to_dataframe(self) -> DataFrame:
        """The visible tracks as a table of pandas, a row each in the order of ids.

        Returns:
            Columns `stamp_ns`, `id`, `label`, `label_name`, `score`, `x1`, `y1`, `x2`, `y2` in
            pixels, and `age`.

        Raises:
            InputError: pandas is not installed.
        """
        from mapt.runtime.conversions import to_dataframe

        return to_dataframe(self)

    def to_supervision(self) -> Any:
        """The visible tracks as `supervision.Detections`, for its annotators and sinks.

        Returns:
            n detections in the order of ids: xyxy (n,4) float32 pixels, mask (n,H,W) bool,
            confidence (n,) float32, class_id (n,) int64 train ids, tracker_id (n,) int64, and
            data["class_name"] (n,) str.

        Raises:
            InputError: supervision is not installed.
        """
        from mapt.runtime.conversions import to_supervision

        return to_supervision(self)


class HostArray:
    """A field whose array may lie on a GPU: it comes to the host when it is first read.

    Args:
        name: of the field, under which the instance's dictionary keeps what it was given.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, frame: object, owner: type) -> NDArray[Any]:
        """The array on the host, the same one every time.

        Raises:
            AttributeError: of the class.
        """
        if frame is None:
            raise AttributeError(self._name)
        given = frame.__dict__[self._name]
        if isinstance(given, np.ndarray):
            return given
        on_host = f"_{self._name}_on_host"
        if on_host not in frame.__dict__:
            frame.__dict__[on_host] = np.asarray(given)
        held: NDArray[Any] = frame.__dict__[on_host]
        return held

    def __set__(self, frame: object, array: object) -> None:
        """Keep the array as it was given."""
        frame.__dict__[self._name] = array


# The dataclass has made its constructor by now, so the fields have no default.
for _name in ("semantic", "instance"):
    setattr(PanopticFrame, _name, HostArray(_name))
