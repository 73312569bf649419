"""Reads frames from a folder, a video, or a dataset of sequences, without torch."""

from __future__ import annotations

import configparser
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mapt.errors import InputError
from mapt.io.image_files import read_rgb
from mapt.io.listing import IMAGES, by_frame, frame_key, list_files, list_folders, natural_order
from mapt.io.sources.frame import Frame
from mapt.io.sources.frame_selection import ALL_FRAMES, FrameSelection
from mapt.io.video.container import Remote
from mapt.io.video.reader import VideoInfo, decode, probe

FPS = 10.0  # of a folder that says nothing
UNIX_TIME = {
    19: 1,
    16: 1_000,
    13: 1_000_000,
}  # digits of a time since 1970 in ns, us, ms: how many ns its unit has


@dataclass(frozen=True)
class FolderSource:
    """Image files in the order of their numbers or names.

    Attributes:
        name: of the sequence.
        files: the images.
        fps: frames per second of consecutive numbers.
        assumed: why `fps` is a guess; empty where it was given.
        selection: which of the images are wanted.
    """

    name: str
    files: tuple[Path, ...]
    fps: float
    assumed: str = ""
    selection: FrameSelection = ALL_FRAMES

    @property
    def inputs(self) -> frozenset[Path]:
        """What outputs may not replace."""
        return frozenset(path.parent for path in self.files)

    @property
    def stems(self) -> frozenset[str]:
        """The names of the frames."""
        return frozenset(path.stem for path in self.files)

    def __len__(self) -> int:
        """Return the number of frames."""
        return sum(1 for _ in self.selection.apply(zip(self.stamps(), self.files, strict=True)))

    def __iter__(self) -> Iterator[Frame]:
        """The frames; an unreadable or differently sized file is an InputError that names it."""
        shape: tuple[int, ...] | None = None
        timed = zip(self.stamps(), self.files, strict=True)
        for _, stamp, path in self.selection.apply(timed):
            image = read_rgb(path)
            if shape is not None and image.shape != shape:
                raise InputError(
                    f"{path}: is {image.shape[1]}x{image.shape[0]}, the frames before are"
                    f" {shape[1]}x{shape[0]}; track frames of one size, a folder per camera"
                )
            shape = image.shape
            yield Frame(path.stem, stamp, image, path.name)

    def stamps(self) -> list[int]:
        """The time of every frame in ns from the first.

        By their numbers, so that a gap in the numbers is one in time; Unix times are taken as they
        are; names without a number count one after another.
        """
        numbers = frame_numbers(self.files)
        unit = unix_time_unit(self.files)
        if unit:
            return [(number - numbers[0]) * unit for number in numbers]
        return [round((number - numbers[0]) * 1e9 / self.fps) for number in numbers]


@dataclass(frozen=True)
class VideoSource:
    """A video file.

    Attributes:
        name: of the sequence.
        path: the file, here or on a server.
        info: what its container says.
        given_fps: frames per second in place of the container's times; None: those.
        selection: which frames are wanted.
    """

    name: str
    path: Path | Remote
    info: VideoInfo
    given_fps: float | None = None
    assumed: str = ""
    selection: FrameSelection = ALL_FRAMES
    stems: frozenset[str] = frozenset()

    @property
    def inputs(self) -> frozenset[Path]:
        """What outputs may not replace."""
        return frozenset({self.path} if isinstance(self.path, Path) else ())

    @property
    def fps(self) -> float:
        """Frames per second, the mean where they vary."""
        return self.given_fps or self.info.fps

    def __len__(self) -> int:
        """Return the number of frames that the container announces; 0 where nobody knows."""
        return self.info.frames if self.selection == ALL_FRAMES else 0

    def __iter__(self) -> Iterator[Frame]:
        """The frames, named by their number."""
        for number, stamp, image in decode(self.path, self.info, self.given_fps, self.selection):
            yield Frame(f"{number:06d}", stamp, image)


PathSource = FolderSource | VideoSource


def frame_numbers(files: Sequence[Path]) -> list[int]:
    """Return the number of each file.

    It is the number in the file's name, after a prefix that all files share. Otherwise it is the
    file's position.
    """
    stems = [path.stem for path in files]
    heads = {stem.rstrip("0123456789") for stem in stems}
    if len(heads) != 1 or "" in [stem[len(next(iter(heads))) :] for stem in stems]:
        return list(range(len(files)))
    return [int(stem[len(next(iter(heads))) :]) for stem in stems]


def unix_time_unit(files: Sequence[Path]) -> int | None:
    """Return the unit in ns of file names that are times since 1970.

    The result is None if the names are frame numbers.
    """
    lengths = {len(path.stem) if frame_key(path)[0] >= 0 else 0 for path in files}
    return UNIX_TIME.get(lengths.pop()) if len(lengths) == 1 else None


def open_sources(
    path: Path, fps: float | None = None, sequences: list[str] | None = None
) -> list[PathSource]:
    """Open the sequences at `path`.

    Args:
        path: a video, a folder of images, or a dataset root with `training/image_02/<seq>`,
            `image_02/<seq>`, or MOTChallenge's `<seq>/img1`, of which one sequence may be given
            alone.
        fps: frames per second of folders, and of a video in place of its own times; None: as the
            source says, and 10 for folders that do not.
        sequences: names to restrict a dataset to.

    Raises:
        InputError: nothing there, nothing in it, a video that does not open, or one without a clock
            and no `fps`.
    """
    if not path.exists():
        raise InputError(
            f"{path}: no such file or folder; give a folder of frames, a video or a dataset"
        )
    if path.is_dir():
        found = dataset_folders(path)
        if found is not None:
            return _choose(path, found, fps, sequences)
    if sequences:
        raise InputError(
            f"{path}: has no sequences to choose from, it is one; leave out --sequences"
        )
    if not path.is_dir():
        return [_open_video(path, fps)]
    folder = path / "img1" if (path / "img1").is_dir() else path
    files = _frames_of(folder, list_files(folder, *IMAGES))
    if not files:
        raise InputError(
            f"{path}: holds no {', '.join(IMAGES)} files; give a folder of frames, a video or a"
            " dataset"
        )
    return [_folder_source(folder, files, fps)]


def open_images(folder: Path, images: Iterable[Path], fps: float | None = None) -> FolderSource:
    """Open some images of a folder as a sequence.

    Raises:
        InputError: two are of one frame.
    """
    return _folder_source(folder, _frames_of(folder, images), fps)


def dataset_folders(path: Path) -> dict[str, Path] | None:
    """Return the folders of a dataset's images by sequence; None: the folder is no dataset."""
    for inner in ("training/image_02", "image_02"):
        if (path / inner).is_dir():
            return {folder.name: folder for folder in list_folders(path / inner)}
    found = {
        folder.name: folder / "img1" for folder in list_folders(path) if (folder / "img1").is_dir()
    }
    return found or None


def _choose(
    path: Path, found: dict[str, Path], fps: float | None, sequences: list[str] | None
) -> list[PathSource]:
    folders = {
        name: (folder, files)
        for name, folder in found.items()
        if (files := _frames_of(folder, list_files(folder, *IMAGES)))
    }
    if not folders:
        raise InputError(f"{path}: holds no sequence with images; check the dataset's path")
    for name in sequences or []:
        if name not in folders:
            raise InputError(f"{path}: has no sequence {name}; it has {', '.join(folders)}")
    return [
        _folder_source(folder, files, fps)
        for name, (folder, files) in folders.items()
        if sequences is None or name in sequences
    ]


def _folder_source(folder: Path, files: tuple[Path, ...], fps: float | None) -> FolderSource:
    """Return a folder of frames as a sequence.

    MOTChallenge names a sequence by the folder above its images, and states its rate in
    `seqinfo.ini`.
    """
    absolute = folder.resolve()
    home = absolute.parent if absolute.name == "img1" else absolute
    source = FolderSource(home.name or "frames", files, fps or FPS)
    if fps is not None or unix_time_unit(files):
        return source
    stated = _stated_rate(home / "seqinfo.ini")
    if stated is not None:
        return replace(source, fps=stated)
    return replace(source, assumed=f"{FPS:g} frames per second are assumed; --fps says otherwise")


def _stated_rate(path: Path) -> float | None:
    """Frames per second of a MOTChallenge sequence; None where nothing says it."""
    if not path.is_file():
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
        rate = parser.getfloat("Sequence", "frameRate")
    except (OSError, ValueError, configparser.Error):
        raise InputError(
            f"{path}: has no [Sequence] with a frameRate; correct it, or give --fps"
        ) from None
    if not 0 < rate < 1000:
        raise InputError(f"{path}: frameRate {rate:g} is no rate; correct it, or give --fps")
    return rate


def _frames_of(folder: Path, images: Iterable[Path]) -> tuple[Path, ...]:
    """Images of a folder in the order of their frames."""
    found = sorted(images, key=natural_order)
    for stem, times in Counter(p.stem for p in found).items():
        if times > 1:  # their outputs would have one name
            raise InputError(f"{folder}: has frame {stem} in {times} formats; remove all but one")
    return tuple(by_frame(found).values())


def _open_video(path: Path, fps: float | None) -> VideoSource:
    info = probe(path)
    if fps is None and not info.clock:
        raise InputError(
            f"{path}: is a stream without times; give its frames per second with --fps"
        )
    return VideoSource(path.stem, path, info, fps)
