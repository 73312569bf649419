"""Reads video files with PyAV.

Every frame has the time that the container gives it. Damage is reported.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.sources.frame_selection import ALL_FRAMES, FrameSelection
from mapt.io.video.container import Remote, opened

INDEXED = "mov,mp4"  # the containers whose index counts the frames
MISCOUNTED = 3  # frames by which such a count may be wrong
SHORT = 1.0  # seconds that a container may be longer than its last frame's end
HOLE = re.compile(rb"\x00\x00[\x00-\x02]")  # never inside a NAL unit: H.264 and HEVC escape it
ONE = 1 << 16  # of a display matrix, whose numbers are fixed-point

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoInfo:
    """The properties of a video that its container states, before it is decoded.

    Attributes:
        fps: mean frames per second; of a stream without a clock what its decoder assumes.
        frames: how many, 0 where nobody knows; of an index exact, else estimated.
        indexed: `frames` is of an index.
        seconds: length of the video; None where it is unknown or could be that of another stream.
        clock: frames have times of their own.
    """

    fps: float
    frames: int
    indexed: bool
    seconds: float | None
    clock: bool


def probe(path: Path | Remote) -> VideoInfo:
    """Look at a video file.

    Raises:
        InputError: no regular file, no video, or PyAV is not installed.
    """
    with opened(path) as (container, stream):
        from av.format import Flags

        rate = float(stream.average_rate or stream.guessed_rate or 0) or 25.0
        seconds = _seconds(container, stream)
        indexed = INDEXED in container.format.name and stream.frames > 0
        frames = stream.frames or round((seconds or 0) * rate)
        clock = not container.format.flags & Flags.no_timestamps.value
        return VideoInfo(rate, frames, indexed, seconds, clock)


def decode(
    path: Path | Remote,
    info: VideoInfo,
    fps: float | None = None,
    selection: FrameSelection = ALL_FRAMES,
) -> Iterator[tuple[int, int, Image]]:
    """Yield the frames as (number, time in ns from the first, (H,W,3) uint8 RGB).

    Frames are rotated and mirrored as they are to be displayed.

    Args:
        path: the file.
        info: what `probe` said of it.
        fps: frames per second in place of the container's times.
        selection: which frames are wanted; nothing is decoded after the last of them.

    Raises:
        InputError: not whole: it ends before its container says, or a decoder noticed that a part
            is damaged. Damage that a codec cannot notice shows in the picture alone.
    """
    for number, stamp, frame in selection.apply(_timed_frames(path, info, fps)):
        yield number, stamp, upright(frame)


def _timed_frames(
    path: Path | Remote, info: VideoInfo, fps: float | None
) -> Iterator[tuple[int, Any]]:
    """Every frame as (time in ns from the first, PyAV's frame)."""
    count = 0  # frames so far, and the time of the last one
    last = -1
    begin = Fraction(0)  # container's times: first, last, how long it is shown
    end = Fraction(0)
    shown = Fraction(0)
    with opened(path) as (container, stream):
        # Frames are decoded one by one: decoding several at once would lose those before a damaged
        # one.
        stream.thread_type = "SLICE"
        stream.codec_context.options = {
            "err_detect": "explode"
        }  # else it paints over what is damaged
        try:
            for frame in _frames(container, stream):
                time = frame_time(frame)
                if time is not None:
                    end = time
                    shown = (frame.duration or 0) * Fraction(frame.time_base)
                    begin = time if count == 0 else begin
                elif fps is None:
                    raise InputError(
                        f"{path}: frame {count} has no time; give the frames per second with --fps"
                    )
                stamp = (
                    round((end - begin) * 1_000_000_000)
                    if fps is None
                    else round(count * 1e9 / fps)
                )
                if stamp <= last:
                    raise InputError(
                        f"{path}: the time of frame {count} is not after that of the frame before;"
                        " give --fps to count frames instead"
                    )
                yield stamp, frame
                count += 1
                last = stamp
        except _damage() as error:
            raise InputError(f"{path}: {_damaged(count, float(end - begin), error)}") from None
    _check_whole(path, info, count, float(end - begin), float(shown))


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    lengths = _length_bytes(stream)
    for packet in container.demux(stream):
        if lengths and packet.size and _has_hole(bytes(packet), lengths):
            raise ValueError("a part of the file is empty")
        yield from packet.decode()


def _length_bytes(stream: Any) -> int:
    """Return the size in bytes of a NAL unit's length field; 0 if the stream has none."""
    extra = bytes(stream.codec_context.extradata or b"")
    place = {"h264": 4, "hevc": 21}.get(stream.codec_context.name)
    return (extra[place] & 3) + 1 if place and len(extra) > place and extra[0] == 1 else 0


def _has_hole(packet: bytes, lengths: int) -> bool:
    """Tell whether a NAL unit holds a run of zeros, which none may hold.

    An incomplete copy or a damaged disk leaves such a hole.
    """
    begin = 0
    while begin + lengths < len(packet):
        end = begin + lengths + int.from_bytes(packet[begin : begin + lengths], "big")
        unit = packet[begin + lengths : end].rstrip(b"\x00")
        if HOLE.search(unit):
            return True
        begin = end
    return False


def frame_time(frame: Any) -> Fraction | None:
    """Return a frame's time in seconds by its container; None where it does not say."""
    stamp = frame.pts if frame.pts is not None else frame.dts
    return (
        None
        if stamp is None or frame.time_base is None
        else Fraction(stamp) * Fraction(frame.time_base)
    )


def upright(frame: Any) -> Image:
    """Return the frame as its display matrix shows it.

    The frame is rotated by quarter turns, and mirrored where the matrix mirrors.
    """
    from av.sidedata.sidedata import SideDataContainer

    image: Image = frame.to_ndarray(format="rgb24")
    # frame.side_data would tie the frame to itself, and keep its pixels and the two threads of its
    # conversion until the garbage collector comes by.
    for data in SideDataContainer(frame):  # type: ignore[call-arg]
        if data.type.name != "DISPLAYMATRIX":
            continue
        a, b, _, c, d, *_ = struct.unpack("<9i", bytes(data))
        if abs(a) < ONE // 2:  # columns and rows change places
            image = image.transpose(1, 0, 2)
            a = c
            d = b
        image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image)


def _check_whole(
    path: Path | Remote, info: VideoInfo, count: int, end: float, shown: float
) -> None:
    """Refuse a video that ended before its container says.

    `end`: seconds from its first frame to its last, which is `shown` for so long.
    """
    if count == 0:
        raise InputError(
            f"{path}: no frame of it can be decoded; copy it again, or convert it to H.264 in MP4"
        )
    if info.indexed:
        if info.frames - count > MISCOUNTED:
            raise InputError(f"{path}: ends after {count} of {info.frames} frames; copy it again")
    elif info.clock and info.seconds:
        most = end + shown + max(SHORT, 2 * end / count)
        if info.seconds > most:
            raise InputError(
                f"{path}: ends after {end:.1f} of {info.seconds:.1f} s, {count} frames; copy it"
                " again"
            )


def _damaged(count: int, end: float, error: Exception) -> str:
    at = f"{count} frames, {end:.1f} s" if count else "no frame"
    reason = getattr(error, "strerror", None) or str(error)
    return f"is damaged or cut off, {at} could be read ({reason}); copy it again, or cut it there"


def _damage() -> tuple[type[Exception], ...]:
    import av.error

    return (av.error.FFmpegError, ValueError)


def _seconds(container: Any, stream: Any) -> float | None:
    """Return the length of the video in seconds, or None if it is not known.

    It comes from the stream, from Matroska's tag, or from a container with a single stream.
    """
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(
        r"(\d{1,6}):(\d{1,6}):(\d{1,6}(?:\.\d+)?)", stream.metadata.get("DURATION", "")
    )
    if tag:
        hours, minutes, seconds = (float(part) for part in tag.groups())
        return 3600 * hours + 60 * minutes + seconds
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration) / 1e6
    return None
