"""The annotated video: played by a browser, free of GPL encoders, its index in front."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mapt.errors import InputError
from mapt.io.sources.folders import open_sources
from mapt.io.video.writer import ENCODERS, VideoWriter, find_encoder
from tests.tools.browser import Page, browser, needs_browser

FRAMES = 12
COLOURS = ((200, 30, 30), (30, 160, 40), (40, 60, 200))
PLAY = """
const done = arguments[0];
const video = document.querySelector('video');
video.onerror = () => done({error: video.error.message});
video.onended = () => {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const last = Array.from(context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data);
  done({
    width: video.videoWidth, height: video.videoHeight, duration: video.duration, last: last,
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
  });
};
video.play().catch(error => done({error: String(error)}));
"""


def picture(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One colour, another for each third of the video, with an edge that moves."""
    image = np.full((97, 161, 3), COLOURS[number * 3 // FRAMES], np.uint8)
    image[:10, 5 * number : 5 * number + 20] = 255
    return image


def write(path: Path, encoder: str, options: dict[str, str]) -> bytes:
    writer = VideoWriter(path, (161, 97), 25.0, {encoder: options})
    for number in range(FRAMES):
        writer.write(number * 40_000_000, picture(number))
    writer.close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def play(page: Page, video: bytes, folder: Path) -> Any:
    """Play a video to its end; it lies in the page, whose script may then read its pixels."""
    import base64

    address = f"data:video/mp4;base64,{base64.b64encode(video).decode()}"
    (folder / "page.html").write_text(f'<video muted src="{address}"></video>')
    page.open((folder / "page.html").as_uri())
    return page.wait_for(PLAY)


@needs_browser
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_browser_plays_every_frame_to_the_end(page: Page, tmp_path: Path, encoder: str) -> None:
    video = write(tmp_path / "video.mp4", encoder, ENCODERS[encoder])
    played = play(page, video, tmp_path)
    assert played.get("error") is None
    assert (played["width"], played["height"]) == (160, 96)
    assert played["frames"] == FRAMES and played["duration"] == pytest.approx(0.48, abs=0.05)
    np.testing.assert_allclose(played["last"][:3], COLOURS[-1], atol=12)


@needs_browser
def test_a_browser_refuses_what_was_written_before(page: Page, tmp_path: Path) -> None:
    """MPEG-4 part 2 plays nowhere, so the test above can fail."""
    video = write(tmp_path / "video.mp4", "mpeg4", {})
    assert "error" in play(page, video, tmp_path)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_index_comes_first_and_the_pixels_last(tmp_path: Path, encoder: str) -> None:
    video = write(tmp_path / "drive.mp4", encoder, ENCODERS[encoder])
    assert video.index(b"moov") < video.index(b"mdat")
    (source,) = open_sources(tmp_path / "drive.mp4")
    frames = list(source)
    assert [frame.stamp_ns for frame in frames] == [n * 40_000_000 for n in range(FRAMES)]
    for number, frame in enumerate(frames):
        np.testing.assert_allclose(frame.image[60, 80], picture(number)[60, 80], atol=12)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_process_keeps_its_priority(tmp_path: Path, encoder: str) -> None:
    """An encoder that makes root's threads real-time ones takes the machine from everybody else."""
    write(tmp_path / "video.mp4", encoder, ENCODERS[encoder])
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_no_encoder_under_the_gpl_is_used(tmp_path: Path) -> None:
    write(tmp_path / "video.mp4", find_encoder(), ENCODERS[find_encoder()])
    with av.open(str(tmp_path / "video.mp4")) as container:
        assert container.streams.video[0].codec_context.name in ("vp9", "libvpx-vp9")
    assert not {"libx264", "libx264rgb", "libx265"} & set(ENCODERS)


def test_the_first_encoder_that_is_there_is_taken() -> None:
    assert find_encoder({"no-such-encoder": {}, "libvpx-vp9": {}}) == "libvpx-vp9"
    with pytest.raises(InputError, match=r"has no encoder that is free to use \(none, vp6\)"):
        find_encoder({"none": {}, "vp6": {}})  # the second is a decoder


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"writing video needs PyAV; pip install 'mapt\[video\]'"):
        VideoWriter(tmp_path / "video.mp4", (64, 64), 10.0)
    assert not (tmp_path / "video.mp4").exists()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_frames_of_a_single_row_or_column(tmp_path: Path, size: tuple[int, int]) -> None:
    writer = VideoWriter(tmp_path / "video.mp4", (size[1], size[0]), 10.0)
    for number in range(2):
        writer.write(number * 100_000_000, np.full((*size, 3), 100, np.uint8))
    writer.close()
    frames = [frame.image for frame in open_sources(tmp_path / "video.mp4")[0]]
    assert [frame.shape for frame in frames] == [(max(2, size[0]), max(2, size[1]), 3)] * 2
