"""`mapt track` on what is not a path: streams, globs, pipes and parts of videos."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from tests.io.sources.servers import encode, http_handler, multipart, serving

Run = Callable[..., Any]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Half a second of video, paused once."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(encode([0, 100, 200, 5200, 5300], "mp4"))
    return path


def test_ctrl_c_ends_a_stream_with_its_outputs_whole(bundle: Path, tmp_path: Path) -> None:
    hold = threading.Event()
    out = tmp_path / "out"
    body = multipart(range(30))
    handler = http_handler([body], "multipart/x-mixed-replace; boundary=frame", hold)
    with serving(handler) as port:
        url = f"http://127.0.0.1:{port}/cam"
        options = ["--model", bundle, "--out", out, "--threads", 1]
        command = [sys.executable, "-m", "mapt.cli", "track", url, *map(str, options)]
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        )
        try:
            while not list(out.glob("step/.127*/*.png")) and child.poll() is None:
                time.sleep(0.05)
            child.send_signal(signal.SIGINT)
            said, wrong = child.communicate(timeout=120)
        finally:
            child.kill()
            hold.set()
    assert child.returncode == 0, wrong
    folder = out / "127.0.0.1-cam"
    tracks = json.loads((folder / "tracks.json").read_text())
    count = len(tracks["frames"])
    assert count + tracks["stream"]["dropped"] <= 30 == tracks["stream"]["received"]
    assert "127.0.0.1-cam: 30 frames received" in said
    assert len(list((out / "step" / "127.0.0.1-cam").iterdir())) == count > 0
    with av.open(str(folder / "video.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == count
    assert not list(out.rglob(".*"))


def test_a_glob_and_parts_of_videos(mapt: Run, bundle: Path, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "other.mp4").write_bytes(encode([0, 100, 200], "mp4"))
    out = tmp_path / "out"
    common = ("--model", bundle, "--out", out, "--save", "json,video")
    ran = mapt("track", tmp_path / "*.mp4", *common, "--start", "0.1", "--stride", 2)
    assert ran.code == 0, ran.err
    names = {
        name: [
            (f["frame"], f["stamp_ns"] // 1_000_000)
            for f in json.loads((out / name / "tracks.json").read_text())["frames"]
        ]
        for name in ("clip", "other")
    }
    assert names == {"clip": [("000001", 100), ("000003", 5200)], "other": [("000001", 100)]}
    with av.open(str(out / "clip" / "video.mp4")) as video:  # begins with its first frame
        times = [float(frame.time) for frame in video.decode(video=0) if frame.time is not None]
    assert times == pytest.approx([0, 5.1], abs=0.002)
    assert mapt("track", clip, clip.with_name("other.mp4"), *common, "--max-frames", 1).code == 0
    assert len(json.loads((out / "clip" / "tracks.json").read_text())["frames"]) == 1
    ran = mapt("track", clip, *common, "--start", "1:00")
    assert ran.code == 2 and "clip: has no frame in what was asked for; check --start" in ran.err


def test_a_pipe_is_tracked_whole(bundle: Path, tmp_path: Path) -> None:
    options = ["--model", bundle, "--out", tmp_path / "out", "--save", "json", "--threads", 1]
    ran = subprocess.run(
        [sys.executable, "-m", "mapt.cli", "track", "-", *map(str, options)],
        input=encode([0, 100, 5200], "matroska"),
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    frames = json.loads((tmp_path / "out" / "stdin" / "tracks.json").read_text())["frames"]
    assert [f["stamp_ns"] // 1_000_000 for f in frames] == [0, 100, 5200]
