"""Writes annotated video that browsers play, with PyAV.

Frames have their own times, and every error is reported. The frames are counted again before the
file is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.video.reader import probe

MILLISECONDS = 1000
# Encoders under permissive licences: VP9 by libvpx. PyAV's wheels carry x264 and x265 too, which
# are under the GPL and are never used here. They also carry SVT-AV1, which gives the threads of
# root the highest real-time priority, and with it the whole machine.
ENCODERS: dict[str, dict[str, str]] = {
    "libvpx-vp9": {
        "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0",
        "row-mt": "1", "tile-columns": "2", "crf": "30",
    },
}  # fmt: skip
NEAR = 2.0  # seconds from one key frame to the next, so that a player can jump


class VideoWriter:
    """Writes an MP4 file, with its index in front so that it plays while it loads.

    Args:
        path: the file; it lies in a folder that is published as a whole.
        size: width and height in pixels; odd ones lose their last column or row, and a single one
            is doubled, because encoders want even sizes.
        fps: the nominal frames per second, for players.
        encoders: those to choose from, with their options; the first that PyAV has is taken.

    Raises:
        InputError: PyAV is not installed, or has no such encoder.
        OSError: from `write` and `close`, the disk is full or the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: float,
        encoders: Mapping[str, Mapping[str, str]] = ENCODERS,
    ) -> None:
        encoder = find_encoder(encoders)
        import av

        self.path = path
        self.count = 0
        self._last = -1
        self.width = max(2, size[0] // 2 * 2)
        self.height = max(2, size[1] // 2 * 2)
        self._file = path.open("wb")  # Python's own: what it cannot write it says
        self._container = av.open(
            self._file,
            "w",
            format="mp4",
            options={"movflags": "faststart"},
            io_open=self._read_again,
        )
        rate = Fraction(fps).limit_denominator(1000)
        options = {**encoders[encoder], "g": str(max(1, round(NEAR * fps)))}
        stream: Any = self._container.add_stream(encoder, rate=rate, options=options)
        self._stream = stream
        stream.width = self.width
        stream.height = self.height
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 0  # the quality decides
        stream.codec_context.time_base = Fraction(1, MILLISECONDS)

    def write(self, stamp_ns: int, image: NDArray[np.uint8]) -> None:
        """Add a frame (H,W,3) uint8 RGB at its time."""
        import av

        if min(image.shape[:2]) == 1:
            image = image.repeat(2, axis=0).repeat(2, axis=1)
        frame = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(image[: self.height, : self.width]), format="rgb24"
        )
        self._last = max(round(stamp_ns * MILLISECONDS / 1e9), self._last + 1)
        frame.pts = self._last
        frame.time_base = Fraction(1, MILLISECONDS)
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
        self.count += 1

    def close(self) -> None:
        """Finish the file and count its frames again."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()
        self._file.close()
        found = probe(self.path).frames
        if found != self.count:
            raise OSError(f"{self.path}: holds {found} of {self.count} frames that were written")

    def abort(self) -> None:
        """Close the container of a file that stays incomplete."""
        from av.error import FFmpegError

        for part in (self._container, self._file):
            try:
                part.close()
            except (OSError, ValueError, FFmpegError):
                continue  # it is thrown away

    def _read_again(self, url: str, flags: int, options: Mapping[str, str]) -> BinaryIO:
        """Open what has been written, which the muxer moves behind the index."""
        del url, flags, options
        self._file.flush()
        return self.path.open("rb")


def find_encoder(encoders: Mapping[str, Mapping[str, str]] = ENCODERS) -> str:
    """The first of these encoders that PyAV has.

    Raises:
        InputError: PyAV is not installed, or has none of them.
    """
    try:
        import av
    except ImportError:
        raise InputError(
            "writing video needs PyAV; pip install 'mapt[video]', or --save step,json"
        ) from None
    for name in encoders:
        try:
            av.Codec(name, "w")
        except ValueError:
            continue
        return name
    raise InputError(
        f"this PyAV has no encoder that is free to use ({', '.join(encoders)}); install PyAV's"
        " wheel, or run with --save step,json"
    )
