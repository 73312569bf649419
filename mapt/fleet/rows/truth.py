"""Scores a recording against ground truth while it is tracked."""

from __future__ import annotations

from pathlib import Path

from mapt.errors import InputError
from mapt.io.listing import FrameKey, by_frame, frame_key, list_files
from mapt.labels.step_png import pack, read_packed
from mapt.metrics import PanopticTrackingMetrics
from mapt.metrics.folders import truth_folders
from mapt.metrics.frame_pair import labels_of
from mapt.metrics.histogram import joint_histogram
from mapt.runtime import PanopticFrame


class RecordingTruth:
    """Compares labelled frames with ground truth; frames without any are left out.

    Args:
        name: of the sequence.
        files: label images in STEP's format, by frame.
        dataset: name of the classes, or a file of them.
    """

    def __init__(self, name: str, files: dict[FrameKey, Path], dataset: str) -> None:
        self._name = name
        self._files = files
        self._labels = labels_of(dataset)
        self._metrics = PanopticTrackingMetrics(self._labels)

    def add(self, stem: str, labels: PanopticFrame) -> None:
        """Compare a frame.

        Raises:
            InputError: its ground truth cannot be read, or has another size.
        """
        path = self._files.get(frame_key(Path(f"{stem}.png")))
        if path is None:
            return
        truth = read_packed(path)
        if truth.shape != labels.semantic.shape:
            raise InputError(f"{path}: has another size than the frame; check --truth")
        found = pack(labels.semantic, labels.instance)
        self._metrics.add(self._name, joint_histogram(truth, found, self._labels.things))

    def pat(self) -> float | None:
        """PAT of the frames so far, in 0..1; None where it is undefined."""
        if not self._metrics.sequences:
            return None
        scores = self._metrics.compute().to_json()["dataset"]
        value = scores["PAT"]
        return None if value is None else float(value)


def find_truth(root: Path | None, name: str, dataset: str) -> RecordingTruth | None:
    """Open the ground truth of a recording; None where there is none.

    Args:
        root: `<name>/<frame>.png`, in the folder or under its panoptic_maps/<split>.
        name: of the recording.
        dataset: name of the classes, or a file of them.
    """
    if root is None:
        return None
    folder = truth_folders(root).get(name)
    if folder is None:
        return None
    return RecordingTruth(name, by_frame(list_files(folder, ".png")), dataset)
