"""Records what the networks of a native core give."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from mapt.contract import ModelInfo
from mapt.runtime.frame import PanopticFrame
from mapt.runtime.native.backend import NativeBackend

Write = Callable[[str, str], bytes]


class NativeRecorder(NativeBackend):
    """Writes a record, as `mapt.runtime.persistence.recording.Recorder` does: the same bytes.

    `NativeTracker.record` makes one.

    Args:
        info: of the network.
        provider: what runs it.
        file: open for writing in binary.
        head: the record's first bytes.
        write: gives the bytes of the frame that was labelled last, by its sequence and name.
    """

    def __init__(
        self, info: ModelInfo, provider: str, file: BinaryIO, head: bytes, write: Write
    ) -> None:
        super().__init__(info, provider)
        self._file = file
        self._write = write
        self._place = ("", "")
        file.write(head)

    def begin(self, sequence: str, name: str, stamp_ns: int) -> None:
        """Begin a frame.

        Args:
            sequence: its source.
            name: its own.
            stamp_ns: its time, which its step is told, too.
        """
        self._place = (sequence, name)

    def end(self, frame: PanopticFrame) -> None:
        """Write the labelled frame to the file.

        Raises:
            InputError: it is not the frame that the tracker labelled last.
        """
        self._file.write(self._write(*self._place))
