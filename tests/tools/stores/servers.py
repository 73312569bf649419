"""Object stores on loopback for tests, from packages that pip installs.

moto's server keeps objects in memory. localbucket's and Google's emulator keep them on the disk, so
that they can be stopped and started.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ACCESS = "test:tester"
SECRET = "testing"


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StoreServer:
    """A server in a process of its own.

    Attributes:
        port: of loopback, the same after every start.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._child: subprocess.Popen[bytes] | None = None

    def arguments(self) -> list[str]:
        """Of Python."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self._child = subprocess.Popen(
            [sys.executable, *self.arguments()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for_port(self.port, self._child)

    def stop(self) -> None:
        """Kill the server, and with it what it holds in memory."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()


class MotoServer(StoreServer):
    """moto's server, which speaks Amazon's protocol."""

    def arguments(self) -> list[str]:
        """See `StoreServer`."""
        return ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]


class FolderServer(StoreServer):
    """localbucket's server, which speaks Amazon's protocol.

    Attributes:
        folder: that keeps the objects.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def arguments(self) -> list[str]:
        """See `StoreServer`."""
        return ["-m", "localbucket", "--port", str(self.port), str(self.folder)]


class GoogleServer(StoreServer):
    """An emulator of Google's object store.

    Attributes:
        folder: that keeps the objects.
        bucket: which is there from the beginning.
    """

    def __init__(self, folder: Path, bucket: str) -> None:
        super().__init__()
        self.folder = folder
        self.bucket = bucket

    def arguments(self) -> list[str]:
        """See `StoreServer`."""
        program = ["-m", "gcp_storage_emulator", "--data-dir", str(self.folder), "start", "--quiet"]
        return [
            *program,
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--default-bucket", self.bucket),
        ]


def wait_for_port(port: int, child: subprocess.Popen[bytes]) -> None:
    """Wait until a child listens there."""
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert child.poll() is None, f"{child.args!r} ended with {child.returncode}"
        time.sleep(0.1)


@contextlib.contextmanager
def s3_environment(port: int) -> Iterator[None]:
    """The environment with which s3fs, and its workers, talk to the server."""
    values = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with _environment(values):
        yield


@contextlib.contextmanager
def google_environment(port: int) -> Iterator[None]:
    """The environment with which gcsfs, and its workers, talk to the server."""
    with _environment({"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}):
        yield


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def forget_file_systems() -> None:
    """Make drivers read the environment again: they keep the address that they were made with."""
    for driver, name in (("s3fs", "S3FileSystem"), ("gcsfs", "GCSFileSystem")):
        with contextlib.suppress(ImportError):
            getattr(__import__(driver), name).clear_instance_cache()
