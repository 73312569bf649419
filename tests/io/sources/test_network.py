"""Streams over the network, from real servers on the loopback."""

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.io.sources.choice import SourceOptions, open_named
from mapt.io.sources.folders import VideoSource
from mapt.io.sources.live import av_connection
from mapt.io.sources.live import source as live
from mapt.io.sources.live.frame_queue import FrameQueue
from mapt.io.sources.live.source import LiveSource
from tests.io.sources.servers import (
    encode,
    free_port,
    http_handler,
    multipart,
    number_of,
    packets,
    rtsp_handler,
    serving,
)

TENTHS = [100 * n for n in range(20)]
MPEGTS = "video/mp2t"
MULTIPART = "multipart/x-mixed-replace; boundary=frame"
GST = Path(__file__).with_name("gst_rtsp_server.py")


def open_stream(url: str, patience: float = 0.6, heard: list[str] | None = None) -> LiveSource:
    """A stream of which no frame is dropped, however slow this machine is."""
    announce = (heard if heard is not None else []).append
    (source,) = open_named([url], SourceOptions(patience=patience, announce=announce))
    assert isinstance(source, LiveSource)
    source._queue = FrameQueue(10_000, lossless=False)
    return source


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.05)


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_a_stream_is_cut_and_restored(kind: str) -> None:
    handler = (
        http_handler([encode(TENTHS), encode(TENTHS, first=40)], MPEGTS)
        if kind == "http"
        else rtsp_handler([packets(TENTHS), packets(TENTHS, first=40)])
    )
    heard: list[str] = []
    with serving(handler) as port:
        source = open_stream(f"{kind}://127.0.0.1:{port}/street/1", heard=heard)
        assert source.name == "127.0.0.1-street-1" and source.fps == 10
        frames = [(f.stem, f.stamp_ns // 1_000_000, number_of(f.image)) for f in source]
    counts = source.counts
    assert counts.reconnections == 1 and counts.dropped == 0
    assert len(frames) == counts.received >= 38  # the last packet of a cut stream may be unfinished
    assert [stem for stem, _, _ in frames] == [f"{n:06d}" for n in range(len(frames))]
    stamps = [stamp for _, stamp, _ in frames]
    half = next(i for i, (_, _, number) in enumerate(frames) if number > 30)
    assert stamps[:half] == TENTHS[:half]
    assert stamps[half] > stamps[half - 1]
    second = stamps[half:]
    assert [stamp - second[0] for stamp in second] == TENTHS[: len(second)]
    assert [n for _, _, n in frames[:half]] == pytest.approx(list(range(half)), abs=2)
    shown = f"{kind}://127.0.0.1:{port}/street/1"
    assert heard[0].startswith(f"{shown}: connection lost (")
    assert heard[1] == f"{shown}: connected again"


def test_a_web_cameras_pictures_have_the_times_of_their_arrival() -> None:
    with serving(http_handler([multipart(range(10)), multipart(range(10, 15))], MULTIPART)) as port:
        source = open_stream(f"http://127.0.0.1:{port}/")
        assert source.name == "127.0.0.1"
        frames = [(f.stamp_ns, number_of(f.image)) for f in source]
    assert [number for _, number in frames] == list(range(15))
    stamps = [stamp for stamp, _ in frames]
    assert stamps[0] == 0 and stamps == sorted(set(stamps))
    assert source.counts.reconnections == 1


def test_damaged_packets_are_left_out_and_counted() -> None:
    body = bytearray(multipart(range(10)))
    begin = body.index(b"\xff\xd8", len(body) // 2)
    body[begin : begin + 300] = bytes(300)
    with serving(http_handler([bytes(body)], MULTIPART)) as port:
        source = open_stream(f"http://127.0.0.1:{port}/cam", patience=0)
        numbers = [number_of(f.image) for f in source]
    assert source.counts.damaged == 1 and len(numbers) == source.counts.received == 9
    assert numbers == sorted(set(numbers))


def test_a_silent_server_counts_as_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av_connection, "READ_SECONDS", 0.3)
    hold = threading.Event()
    heard: list[str] = []
    bodies = [multipart(range(5)), multipart(range(5, 10))]
    with serving(http_handler(bodies, MULTIPART, hold)) as port:
        source = open_stream(f"http://127.0.0.1:{port}/cam", heard=heard)
        assert [number_of(f.image) for f in source] == list(range(10))
        hold.set()
    assert heard[0].endswith("connection lost (nothing came in time); connecting again")
    assert source.counts.reconnections == 1


def test_a_password_is_sent_and_shown_nowhere() -> None:
    heard: list[str] = []
    with serving(rtsp_handler([packets(TENTHS)], "s3cret")) as port:
        url = f"rtsp://viewer:s3cret@127.0.0.1:{port}/street?token=s3cret"
        source = open_stream(url, heard=heard)
        assert len(list(source)) >= 19
        with pytest.raises(InputError, match=r"cannot be opened .*401 Unauthorized") as error:
            open_stream(url.replace("viewer:s3cret", "viewer:wr0ng"))
    assert heard and "/street?...: connection lost" in heard[0]
    for text in (*heard, source.name, source.counts.told(), str(error.value)):
        assert "s3cret" not in text and "wr0ng" not in text


def test_what_cannot_be_opened_is_one_line() -> None:
    port = free_port()
    for url in (
        f"http://127.0.0.1:{port}/",
        f"rtsp://127.0.0.1:{port}/a",
        f"tcp://127.0.0.1:{port}",
    ):
        with pytest.raises(InputError, match=r"cannot be opened \(Connection refused\); check the"):
            open_stream(url)
    with (
        serving(http_handler([b"<html>a page about a video</html>" * 9], "text/html")) as port,
        pytest.raises(InputError, match=r"/watch: cannot be opened \(.*\); check the address"),
    ):
        open_stream(f"http://127.0.0.1:{port}/watch")


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """A web server of files, and its address."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("name", "form"), [("a drive.webm", "matroska"), ("drive.ts", "mpegts")])
def test_a_file_on_a_server_is_read_as_a_file(tmp_path: Path, name: str, form: str) -> None:
    whole = encode(TENTHS, form)
    (tmp_path / name).write_bytes(whole)
    with files(tmp_path) as address:
        (source,) = open_named([f"{address}/{name.replace(' ', '%20')}"], SourceOptions())
        assert isinstance(source, VideoSource) and source.inputs == frozenset()
        assert [f.stamp_ns // 1_000_000 for f in source] == TENTHS  # nothing is dropped
        if form == "matroska":
            (tmp_path / name).write_bytes(whole[: len(whole) * 6 // 10])
            with pytest.raises(InputError, match=r"http://.*drive\.webm: (ends after|is damaged)"):
                list(open_named([f"{address}/{name.replace(' ', '%20')}"], SourceOptions())[0])


@contextmanager
def gstreamer(port: int) -> Iterator[None]:
    """GStreamer's RTSP server."""
    server = subprocess.Popen(
        ["/usr/bin/python3", str(GST), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
    )
    assert server.stdout is not None and server.stderr is not None
    try:
        if server.stdout.readline() != "ready\n":
            pytest.skip(f"GStreamer's RTSP server is not installed: {server.stderr.read()[-200:]}")
        yield
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
        server.stdout.close()
        server.stderr.close()


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no Python of the system")
def test_a_real_rtsp_server_dies_and_comes_back() -> None:
    port = free_port()
    with gstreamer(port):
        source = open_stream(f"rtsp://127.0.0.1:{port}/street", patience=30)
        frames = iter(source)
        taken = [next(frames) for _ in range(5)]
    with gstreamer(port):
        while source.counts.reconnections == 0:
            taken.append(next(frames))
        taken += [next(frames) for _ in range(3)]
        source.stop()
        assert next(frames, None) is None
    stamps = [f.stamp_ns for f in taken]
    assert stamps == sorted(set(stamps)) and {f.image.shape for f in taken} == {(192, 320, 3)}
    steps = {round((b - a) / 1e6) for a, b in pairwise(stamps[:5])}
    assert steps == {50}  # the camera's own 20 frames per second


def test_standard_input_is_read_whole(tmp_path: Path) -> None:
    code = (
        "from mapt.io.sources.choice import *; import sys\n"
        "fps = float(sys.argv[1]) or None\n"
        "(source,) = open_named(['-'], SourceOptions(fps=fps))\n"
        "print(source.name, [f.stamp_ns // 1_000_000 for f in source], source.counts.told())\n"
    )

    def piped(data: bytes, fps: float = 0) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-c", code, str(fps)], input=data, capture_output=True, check=False
        )

    pause = [0, 100, 200, 60_200, 60_300, 60_400]
    said = f"stdin {pause} 6 frames received\n".encode()
    assert piped(encode(pause, "matroska")).stdout == piped(encode(pause)).stdout == said
    assert b"[0, 500, 1000]" in piped(encode([0, 1, 2], "mjpeg", "mjpeg"), 2).stdout
    without = piped(encode([0, 1, 2], "mjpeg", "mjpeg"))
    assert b"-: standard input cannot be read: it has no times; give its frames" in without.stderr
    assert b"-: standard input cannot be read: Invalid data found" in piped(b"text" * 99).stderr
