"""Opens videos with PyAV: files here, and files on a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mapt.errors import InputError
from mapt.regular_files import open_regular

REMOTE = {"reconnect": "1", "reconnect_delay_max": "10"}  # continues where a connection broke
# A session description or a playlist, under whatever name, would open ports and other files.
NOTHING_ELSE = {"protocol_whitelist": "none"}
REMOTE_SECONDS = 30.0  # without data after which a server is given up


@dataclass(frozen=True)
class Remote:
    """A video on a server, read as a file is.

    Attributes:
        url: its address.
        shown: how messages call it, without its password.
    """

    url: str
    shown: str

    def __str__(self) -> str:
        """Return what messages call it."""
        return self.shown


@contextmanager
def opened(path: Path | Remote) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream."""
    try:
        import av
    except ImportError:
        raise InputError(f"{path}: videos need PyAV; pip install 'mapt[video]'") from None
    av.logging.set_level(av.logging.PANIC)  # what it has to say comes as an exception
    with ExitStack() as stack:
        container = stack.enter_context(
            _open_remote(path) if isinstance(path, Remote) else _open_file(path, stack)
        )
        if not container.streams.video:
            raise InputError(f"{path}: has no video in it; give a video, or a folder of frames")
        yield container, container.streams.video[0]


def _open_file(path: Path, stack: ExitStack) -> Any:
    import av

    try:
        file = stack.enter_context(open_regular(path))  # FFmpeg takes no name that is not UTF-8
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    try:
        return av.open(file, options=NOTHING_ELSE)
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: {_not_a_video(file, error)}") from None


def _open_remote(remote: Remote) -> Any:
    import av

    try:
        return av.open(remote.url, options=REMOTE, timeout=REMOTE_SECONDS)
    except (OSError, av.error.FFmpegError) as error:
        raise InputError(
            f"{remote}: cannot be read ({error.strerror}); check the address"
        ) from None


def _not_a_video(file: BinaryIO, error: Exception) -> str:
    file.seek(0)
    head = file.read(12)
    if head[4:8] == b"ftyp":  # its index comes last, and is not there
        return "has no index (moov): its recording or copy did not end; copy it again, or repair it"
    return (
        f"is no video that can be read ({getattr(error, 'strerror', None) or error}); convert it to"
        " H.264 in MP4"
    )
