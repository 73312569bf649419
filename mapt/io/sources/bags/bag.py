"""Reads a camera's topic from a ROS bag or an MCAP file as a sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapt.errors import InputError, printable
from mapt.io.sources.bags.readers import Topic, open_bag
from mapt.io.sources.bags.ros_images import to_rgb
from mapt.io.sources.folders import FPS
from mapt.io.sources.frame import Frame
from mapt.io.sources.frame_selection import ALL_FRAMES, FrameSelection

LISTED = 8  # topics that a message names where none has images


@dataclass(frozen=True)
class BagSource:
    """The images of one topic.

    A frame is called by its time in ns, which is its header's stamp, or the time of recording where
    no header has one. A folder of such names has the same times.

    Attributes:
        name: of the sequence.
        path: the bag.
        topic: of the images.
        count: messages of the topic; 0 where the file does not say.
        fps: frames per second, for players.
        given_fps: frames per second in place of the stamps; None: those.
        selection: which frames are wanted.
    """

    name: str
    path: Path
    topic: str
    count: int
    fps: float
    given_fps: float | None = None
    selection: FrameSelection = ALL_FRAMES
    assumed: str = ""
    stems: frozenset[str] = frozenset()

    @property
    def inputs(self) -> frozenset[Path]:
        """What outputs may not replace."""
        return frozenset({self.path})

    def __len__(self) -> int:
        """Return the number of frames; 0 where nobody knows."""
        return self.count if self.selection == ALL_FRAMES else 0

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            InputError: damage, a picture of an unknown encoding or another size, or stamps that do
                not rise.
        """
        shape: tuple[int, ...] | None = None
        with open_bag(self.path) as bag:
            timed = self._timed(bag.messages(self.topic))
            for number, stamp, (time, message) in self.selection.apply(timed):
                image = to_rgb(message, f"{self.path}: message {number} of {self.topic}")
                if shape is not None and image.shape != shape:
                    raise InputError(
                        f"{self.path}: message {number} of {self.topic} is"
                        f" {image.shape[1]}x{image.shape[0]}, those before are"
                        f" {shape[1]}x{shape[0]}; track frames of one size"
                    )
                shape = image.shape
                name = f"{number:06d}" if self.given_fps else f"{time:019d}"
                yield Frame(name, stamp, image)

    def _timed(
        self, messages: Iterator[tuple[int, Callable[[], Any]]]
    ) -> Iterator[tuple[int, tuple[int, Any]]]:
        """Decoded messages as (ns from the first, (their own time in ns, message))."""
        begin: int | None = None
        last = -1
        stamped = True
        for number, (recorded, decode) in enumerate(messages):
            message = decode()
            time = _header_time(message)
            if begin is None:
                stamped = time > 0
            time = time if stamped else recorded
            begin = time if begin is None else begin
            stamp = round(number * 1e9 / self.given_fps) if self.given_fps else time - begin
            if stamp <= last:
                raise InputError(
                    f"{self.path}: the time of message {number} of {self.topic} is not after that"
                    " of the message before; give --fps to count frames instead"
                )
            last = stamp
            yield stamp, (time, message)


def _header_time(message: Any) -> int:
    """The stamp of a message's header in ns; 0 where it was never set."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def open_bag_source(
    path: Path, topic: str | None, fps: float | None, selection: FrameSelection
) -> BagSource:
    """Open a bag and choose its topic.

    Raises:
        InputError: not readable, no images in it, several topics of images and none chosen, or no
            such topic.
    """
    with open_bag(path) as bag:
        topics = sorted(bag.topics(), key=lambda t: t.name)
        chosen = _choose(path, topics, topic)
        rate = fps or _rate(bag.messages(chosen.name))
    name = path.resolve().name if path.is_dir() else path.stem
    return BagSource(name, path, chosen.name, chosen.count, rate, fps, selection)


def _choose(path: Path, topics: list[Topic], topic: str | None) -> Topic:
    images = [t for t in topics if t.readable]
    if not images:
        others = ", ".join(f"{t.name} ({t.type_name})" for t in topics[:LISTED]) or "no topic"
        raise InputError(
            f"{path}: has no images of sensor_msgs/Image or CompressedImage; it has"
            f" {printable(others)}"
        )
    told = ", ".join(
        printable(t.name) + (f" ({t.count} messages)" if t.count else "") for t in images
    )
    if topic is None:
        if len(images) > 1:
            raise InputError(f"{path}: has several cameras; choose one with --topic: {told}")
        return images[0]
    found = next((t for t in images if t.name == topic), None)
    if found is None:
        raise InputError(f"--topic {topic}: {path} has no such images; it has {told}")
    return found


def _rate(messages: Iterator[tuple[int, Callable[[], Any]]], most: int = 30) -> float:
    """Messages per second, by the first ones."""
    times = [time for (time, _), _ in zip(messages, range(most), strict=False)]
    passed = times[-1] - times[0] if times else 0
    return (len(times) - 1) * 1e9 / passed if passed > 0 else FPS
