"""Only what ends by itself is opened for reading."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.regular_files import open_regular


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # a socket's path is short
        server.bind(path.name)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "it is a pipe, not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a regular file"),
        (lambda path: path.mkdir(), "it is a folder, not a regular file"),
        (_socket, "it is a socket or a device"),
        (lambda path: None, "No such file or directory"),
    ],
    ids=["a pipe", "a device", "a folder", "a socket", "nothing"],
)
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "it"
    make(path)
    with pytest.raises(OSError) as error:
        open_regular(path)
    assert error.value.strerror == told


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"content"
