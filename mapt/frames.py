"""Where frames come from: a folder, a video, or a dataset of sequences. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.files import natural_order
from mapt.png import SIGNATURE, is_whole

SUFFIXES = (".png", ".jpg", ".jpeg")
MISCOUNTED = 3  # frames by which what a container announces may be wrong


@dataclass(frozen=True)
class Frame:
    """One frame: its name for outputs, its time, and (H,W,3) uint8 RGB pixels."""

    stem: str
    stamp_ns: int
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class FolderSource:
    """Image files in the order of their names, numbers in them counting as numbers, `fps` apart."""

    name: str
    files: tuple[Path, ...]
    fps: float

    def __len__(self) -> int:
        """How many frames."""
        return len(self.files)

    def __iter__(self) -> Iterator[Frame]:
        """The frames; an unreadable or differently sized file is an InputError that names it."""
        shape: tuple[int, ...] | None = None
        for index, path in enumerate(self.files):
            image = read_rgb(path)
            if shape is not None and image.shape != shape:
                raise InputError(
                    f"{path}: is {image.shape[1]}x{image.shape[0]}, the frames before are {shape[1]}x{shape[0]}; "
                    "track frames of one size, a folder per camera"
                )
            shape = image.shape
            yield Frame(path.stem, round(index * 1e9 / self.fps), image)


@dataclass(frozen=True)
class VideoSource:
    """A video file; times follow from its own frame rate."""

    name: str
    path: Path
    fps: float
    frames: int

    def __len__(self) -> int:
        """How many frames the container announces; it may be wrong by a few."""
        return self.frames

    def __iter__(self) -> Iterator[Frame]:
        """The frames, named by their number."""
        video = cv2.VideoCapture(str(self.path))
        try:
            index = 0
            while True:
                good, image = video.read()
                if not good:
                    break
                rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
                yield Frame(f"{index:06d}", round(index * 1e9 / self.fps), rgb)
                index += 1
        finally:
            video.release()
        if index == 0:
            raise InputError(f"{self.path}: no frame of it can be decoded; convert it, e.g. to H.264 in MP4")


Source = FolderSource | VideoSource


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """An image file as (H,W,3) uint8 RGB.

    Raises:
        InputError: missing, truncated or not an image. Damage inside a JPEG of full length shows in the picture alone.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    # OpenCV fills what is missing of a truncated file with grey and only warns.
    whole = is_whole(data) if data[:8] == SIGNATURE else b"\xff\xd9" in data[-1024:]
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data and whole else None
    if image is None:
        raise InputError(f"{path}: is truncated or not a readable image; copy it again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def open_sources(path: Path, fps: float, sequences: list[str] | None = None) -> list[Source]:
    """What there is to track at `path`.

    Args:
        path: a video, a folder of images, or a dataset root with `training/image_02/<seq>` or `image_02/<seq>`.
        fps: frames per second of folders.
        sequences: names to restrict a dataset to.

    Raises:
        InputError: nothing there, nothing in it, or a video that does not open.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a folder of frames, a video or a dataset")
    for inner in ("training/image_02", "image_02"):
        if (path / inner).is_dir():
            return _open_dataset(path / inner, fps, sequences)
    if sequences:
        raise InputError(f"{path}: has no sequences to choose from, it is one; leave out --sequences")
    if path.is_file():
        return [_open_video(path)]
    files = _images(path)
    if not files:
        raise InputError(f"{path}: holds no {', '.join(SUFFIXES)} files; give a folder of frames, a video or a dataset")
    return [FolderSource(path.resolve().name, files, fps)]


def _open_dataset(folder: Path, fps: float, sequences: list[str] | None) -> list[Source]:
    found = {p.name: _images(p) for p in sorted(folder.iterdir()) if p.is_dir()}
    found = {name: files for name, files in found.items() if files}
    if not found:
        raise InputError(f"{folder}: holds no sequence with images; check the dataset's path")
    for name in sequences or []:
        if name not in found:
            raise InputError(f"{folder}: has no sequence {name}; it has {', '.join(found)}")
    return [FolderSource(name, files, fps) for name, files in found.items() if sequences is None or name in sequences]


def _images(folder: Path) -> tuple[Path, ...]:
    found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    found.sort(key=natural_order)
    for stem, times in Counter(p.stem for p in found).items():
        if times > 1:  # their outputs would have one name
            raise InputError(f"{folder}: has frame {stem} in {times} formats; remove all but one")
    return tuple(found)


def _open_video(path: Path) -> VideoSource:
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise InputError(f"{path}: is not a video that OpenCV can open; convert it, e.g. to H.264 in MP4")
        fps, frames = video.get(cv2.CAP_PROP_FPS), int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        video.release()
    return VideoSource(path.stem, path, fps if 0 < fps < 1000 else 25.0, max(frames, 0))
