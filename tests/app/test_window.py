"""The window of `--show`, on a display without a screen where Xvfb is installed."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mapt.app.window import open_window
from mapt.errors import InputError

pytest.importorskip("tkinter", reason="this Python has no tkinter")
ROOT_WINDOW = "Xvfb_screen0"


def test_without_a_display_it_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(InputError, match=r"--show: there is no display .*; leave it out, or use"):
        with open_window():
            pass


def test_without_tkinter_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(InputError, match="--show: this Python has no tkinter; install it"):
        with open_window():
            pass


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A display of 640x480 pixels; gives the file that mirrors its pixels."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb: apt-get install xvfb")
    told, tell = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(tell),
        "-screen",
        "0",
        "640x480x24",
        "-fbdir",
        str(tmp_path),
    ]
    server = subprocess.Popen(command, pass_fds=[tell], stderr=subprocess.DEVNULL)
    os.close(tell)
    try:
        with os.fdopen(told) as file:
            monkeypatch.setenv("DISPLAY", f":{file.readline().strip()}")
        yield tmp_path / ROOT_WINDOW
    finally:
        server.terminate()
        server.wait()


def pixels(screen: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The screen (480,640,3) RGB, from Xvfb's dump in the format of xwd."""
    data = screen.read_bytes()
    header = np.frombuffer(data[:100], ">u4")
    colours = int(header[19]) * 12
    start = int(header[0]) + colours
    rows = np.frombuffer(data[start:], np.uint8)[: 480 * 640 * 4].reshape(480, 640, 4)
    return np.asarray(rows[..., 2::-1], np.uint8)


def test_pictures_are_shown_shrunk_to_the_screen_until_the_window_is_closed(screen: Path) -> None:
    picture = np.zeros((1000, 1200, 3), np.uint8)
    picture[:] = (10, 200, 90)
    with open_window() as shown:
        shown.show("drive", picture)
        deadline = time.monotonic() + 20
        while not (seen := (pixels(screen) == (10, 200, 90)).all(2)).any():
            assert time.monotonic() < deadline, "nothing is shown"
            shown.show("drive", picture)
        height = seen.any(1).sum()
        width = seen.any(0).sum()
        assert height <= 0.9 * 480 and abs(width / height - 1.2) < 0.02
        shown._root.event_generate("<Escape>")
        assert not shown.open
        shown.show("drive", picture)  # the run goes on without it


def test_nothing_is_drawn_where_nobody_looks() -> None:
    from mapt.app.viewers import viewers
    from mapt.labels.class_sets import KITTI_STEP

    class Drawn(SimpleNamespace):
        @property
        def picture(self) -> object:
            raise AssertionError("drawn for nobody")

    with viewers(None, False, KITTI_STEP) as show:
        show("drive", Drawn())  # type: ignore[arg-type]
