"""Writes annotated video with PyAV.

Frames have their own times, and every error is reported. The frames are counted again before the
file is published.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.video import probe

MILLISECONDS = 1000
BITS = 0.6  # a pixel and frame, at the nominal rate: drawn edges stay sharp


class VideoWriter:
    """Writes an MPEG-4 file.

    Args:
        path: the file; it lies in a folder that is published as a whole.
        size: width and height in pixels; odd ones lose their last column or row, encoders want even
            sizes.
        fps: the nominal frames per second, for players and the bit rate.

    Raises:
        InputError: PyAV is not installed, or has no such encoder.
        OSError: from `write` and `close`, the disk is full or the file cannot be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        try:
            import av
        except ImportError:
            raise InputError(
                "writing video needs PyAV; pip install 'mapt[video]', or --save step,json"
            ) from None
        self.path = path
        self.count = 0
        self._last = -1
        self.width = size[0] // 2 * 2
        self.height = size[1] // 2 * 2
        self._file = path.open("wb")  # Python's own: what it cannot write it says
        self._container = av.open(self._file, "w", format="mp4")
        rate = Fraction(fps).limit_denominator(1000)
        try:
            self._stream: Any = self._container.add_stream("mpeg4", rate=rate)
        except (ValueError, av.error.FFmpegError) as error:
            self.abort()
            raise InputError(
                f"PyAV cannot write MPEG-4 here ({error}); run with --save step,json"
            ) from None
        self._stream.width = self.width
        self._stream.height = self.height
        self._stream.pix_fmt = "yuv420p"
        self._stream.bit_rate = int(self.width * self.height * max(fps, 1.0) * BITS)
        self._stream.codec_context.time_base = Fraction(1, MILLISECONDS)

    def write(self, stamp_ns: int, image: NDArray[np.uint8]) -> None:
        """Add a frame (H,W,3) uint8 RGB at its time."""
        import av

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
