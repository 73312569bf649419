"""What a user may name as a source, what it is called, and what is refused."""

import sys
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from mapt.errors import InputError
from mapt.io.image_files import write_image
from mapt.io.sources.choice import SourceOptions, open_named
from mapt.io.sources.folders import FolderSource, VideoSource
from mapt.io.sources.live import camera
from mapt.io.sources.live.source import LiveSource
from tests.io.sources.servers import encode, picture


def names(*texts: str | Path, **options: Any) -> list[str]:
    """The names of the sequences."""
    return [source.name for source in open_named([*map(str, texts)], SourceOptions(**options))]


def refusal(*texts: str | Path, **options: Any) -> str:
    """What is said of sources that are refused."""
    with pytest.raises(InputError) as error:
        names(*texts, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def drives(tmp_path: Path) -> Path:
    """Videos and pictures in folders."""
    for name in ("a/front 2.mp4", "a/front 10.mp4", "b/rear.mp4", "c/rear.mp4", "clip[1].mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode([0, 100], "mp4"))
    for number in (1, 2, 10):
        (tmp_path / "shots").mkdir(exist_ok=True)
        write_image(tmp_path / "shots" / f"{number}.png", picture(number))
    return tmp_path


def test_globs_are_read_in_the_order_in_which_people_count(drives: Path) -> None:
    assert names(drives / "a" / "*.mp4") == ["front 2", "front 10"]
    assert names(drives / "**" / "front*.mp4") == ["front 2", "front 10"]
    assert names(drives / "b" / "*.mp4", drives / "a" / "*2.mp4") == ["rear", "front 2"]
    assert names(drives / "clip[1].mp4") == ["clip[1]"]  # a name that exists is no pattern
    assert refusal(drives / "*.webm").endswith("*.webm: matches no file; check the pattern")


def test_videos_of_one_name_are_called_by_their_folders_too(drives: Path) -> None:
    assert names(drives / "[bc]" / "*.mp4") == ["b-rear", "c-rear"]


def test_pictures_of_a_folder_are_one_sequence(drives: Path) -> None:
    shots = drives / "shots"
    for texts in ([shots / "*.png"], [shots / "10.png", shots / "2.png", shots / "1.png"]):
        (source,) = open_named([*map(str, texts)], SourceOptions(fps=10))
        assert isinstance(source, FolderSource) and source.name == "shots"
        assert [f.stem for f in source] == ["1", "2", "10"]
        assert [f.stamp_ns // 1_000_000 for f in source] == [0, 100, 900]
    assert names(shots / "2.png") == ["shots"]


def test_what_is_no_source_is_one_line(drives: Path) -> None:
    assert "nothing.mp4: no such file or folder" in refusal(drives / "nothing.mp4")
    said = refusal("ftp://viewer:s3cret@host/clip.mp4")
    assert said.startswith("ftp://: is no kind of address") and "s3cret" not in said
    assert refusal("rtsp:///street").startswith("rtsp://: the address names no host")
    assert "not written as" in refusal("rtsp://host:port/street")
    (drives / "notes.txt").write_text("no video")
    assert "notes.txt: is no video that can be read" in refusal(drives / "notes.txt")
    clip = drives / "b" / "rear.mp4"
    assert refusal(clip, topic="/cam").startswith("--topic: is for ROS bags and MCAP")
    assert refusal(clip, patience=5.0).startswith("--reconnect: is for cameras and streams")
    assert refusal(clip, patience=float("nan")).startswith("--reconnect: is no time")
    assert "has no sequences to choose from" in refusal(clip, sequences=["0000"])


class Capture:
    """OpenCV's capture of a camera that works, of one that is in use, and of one that breaks."""

    opened: ClassVar[list[tuple[int, int]]] = []

    def __init__(self, index: int, backend: int) -> None:
        self.opened.append((index, backend))
        self.index = index
        self.count = 0

    def isOpened(self) -> bool:
        return self.index != 2

    def get(self, key: int) -> float:
        return 30.0 if key == cv2.CAP_PROP_FPS else 5000.0 + 1000 / 30 * self.count

    def read(self) -> tuple[bool, Any]:
        self.count += 1
        blue = np.zeros((4, 6, 3), np.uint8)
        blue[..., 0] = self.count
        return self.count <= 3, blue

    def release(self) -> None:
        self.count = 99


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three cameras, the third in use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(camera, "DEVICES", tmp_path)
    for number in range(3):
        (tmp_path / f"video{number}").touch()
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    Capture.opened.clear()


@pytest.mark.usefixtures("cameras")
@pytest.mark.parametrize("text", ["1", "/dev/video1"])
def test_a_number_is_a_camera_whose_driver_has_a_clock(text: str) -> None:
    (source,) = open_named([text], SourceOptions(patience=0))
    assert isinstance(source, LiveSource) and (source.name, source.fps) == ("camera1", 30)
    frames = [(f.stamp_ns, f.image[0, 0].tolist()) for f in source]
    assert [stamp for stamp, _ in frames] == pytest.approx([0, 1e9 / 30, 2e9 / 30], abs=2)
    assert [pixel for _, pixel in frames] == [[0, 0, n] for n in (1, 2, 3)]  # RGB
    assert Capture.opened == [(1, cv2.CAP_V4L2)]
    assert source.counts.ended == "it gives no frame"


@pytest.mark.usefixtures("cameras")
def test_cameras_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    assert refusal("7").startswith("camera 7: cannot be opened: there is no ")
    assert refusal("7").endswith("there are 0, 1, 2")
    assert refusal("2") == (
        "camera 2: cannot be opened: another program uses it, or it gives no pictures"
    )
    for path in tmp_path.glob("video*"):
        path.unlink()
    assert refusal("0").endswith("and no other camera")


@pytest.mark.usefixtures("cameras")
def test_a_live_source_is_alone_and_has_its_own_times(drives: Path) -> None:
    assert refusal("0", drives / "b" / "rear.mp4") == (
        "camera 0: is tracked until it ends; run one `mapt track` for each live source"
    )
    assert refusal("0", fps=30.0).startswith("camera 0: its frames have times of their own")
    assert refusal("0", sequences=["a"]).startswith("camera 0: has no sequences")


@pytest.mark.usefixtures("cameras")
def test_a_folder_that_is_called_like_a_camera_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    write_image(tmp_path / "0" / "000000.png", picture(1))
    (source,) = open_named(["0"], SourceOptions())
    assert isinstance(source, FolderSource)


def test_a_terminal_is_no_video(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import pty

    leader, follower = pty.openpty()
    with os.fdopen(follower) as terminal, os.fdopen(leader):
        monkeypatch.setattr(sys, "stdin", terminal)
        assert "-: standard input cannot be read: it is a terminal" in refusal("-")


def test_outputs_never_replace_a_source_that_is_a_file(drives: Path) -> None:
    (video,) = open_named([str(drives / "b" / "rear.mp4")], SourceOptions())
    assert isinstance(video, VideoSource) and video.inputs == {drives / "b" / "rear.mp4"}
