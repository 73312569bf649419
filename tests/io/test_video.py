"""Videos: their own times, how they are to be shown, and what is not whole."""

import gc
import io
import os
import re
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mapt.errors import InputError
from mapt.io.sources.folders import open_sources
from mapt.io.video.writer import VideoWriter

SIZE = (96, 160)


def picture(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Sky above, road below, and something that moves."""
    image = np.random.default_rng(number).integers(0, 60, (*SIZE, 3), np.uint8)
    image[: SIZE[0] // 2] += 150
    image[60:80, 10 + 5 * number : 40 + 5 * number] = 255
    return image


def encode(stamps: list[int], form: str = "mp4", codec: str = "mpeg4") -> bytes:
    """A video of frames at these milliseconds."""
    file = io.BytesIO()
    options = {"cluster_time_limit": "500"} if form == "matroska" else {}
    with av.open(file, "w", format=form, options=options) as container:
        stream: Any = container.add_stream(codec, rate=Fraction(10))
        stream.height, stream.width = SIZE
        stream.bit_rate = 4_000_000
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts = stamp
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def read(path: Path, fps: float | None = None) -> list[int]:
    """The milliseconds of every frame."""
    (source,) = open_sources(path, fps)
    return [frame.stamp_ns // 1_000_000 for frame in source]


@pytest.mark.parametrize(
    ("form", "codec"), [("mp4", "mpeg4"), ("matroska", "mpeg4"), ("webm", "libvpx")]
)
@pytest.mark.parametrize(
    "stamps",
    [[0, 100, 200, 300], [0, 100, 60_100, 60_200], [0, 30, 400, 410]],
    ids=["constant", "pause", "jitter"],
)
def test_frames_have_their_containers_times(
    tmp_path: Path, form: str, codec: str, stamps: list[int]
) -> None:
    path = tmp_path / "drive.video"
    path.write_bytes(encode(stamps, form, codec))
    assert read(path) == stamps
    assert read(path, 5.0) == [0, 200, 400, 600]


def test_a_stream_without_a_clock_needs_a_rate(tmp_path: Path) -> None:
    path = tmp_path / "drive.mjpeg"
    path.write_bytes(encode([0, 100, 200], "mjpeg", "mjpeg"))
    with pytest.raises(
        InputError, match=r"drive\.mjpeg: is a stream without times; give .* with --fps"
    ):
        open_sources(path)
    assert read(path, 5.0) == [0, 200, 400]


@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_a_video_that_ends_early_says_how_much_was_read(tmp_path: Path, form: str) -> None:
    whole = encode([100 * n for n in range(40)], form)
    if form == "mp4":  # its index is moved to the front, as for streaming
        whole = fast_start(whole, tmp_path)
    path = tmp_path / "drive.video"
    path.write_bytes(whole)
    assert len(read(path)) == 40
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(
        InputError,
        match=r"drive\.video: (ends after |is damaged or cut off, )[\d.]+ .*copy it again",
    ):
        read(path)


def test_a_damaged_middle_is_noticed(tmp_path: Path) -> None:
    whole = bytearray(encode([100 * n for n in range(40)]))
    begin = len(whole) // 3
    whole[begin : begin + 3000] = np.random.default_rng(1).bytes(3000)
    (tmp_path / "drive.mp4").write_bytes(whole)
    with pytest.raises(
        InputError, match=r"drive\.mp4: is damaged or cut off, \d+ frames, [\d.]+ s could be read"
    ):
        read(tmp_path / "drive.mp4")


def test_a_hole_of_zeros_is_no_nal_unit() -> None:
    from mapt.io.video.reader import _has_hole

    unit = b"\x65\x88\x84\x00\x00\x03\x01\xff"
    framed = len(unit).to_bytes(4, "big") + unit
    assert not _has_hole(framed + framed, 4)
    assert not _has_hole(
        len(unit + b"\0\0").to_bytes(4, "big") + unit + b"\0\0", 4
    )  # trailing zeros may be there
    hole = unit[:3] + bytes(12) + unit[3:]
    assert _has_hole(framed + len(hole).to_bytes(4, "big") + hole, 4)


def test_a_recording_without_its_index_is_said_to_be_cut(tmp_path: Path) -> None:
    whole = encode([0, 100, 200])
    (tmp_path / "drive.mp4").write_bytes(whole[: whole.rindex(b"moov") - 4])
    with pytest.raises(InputError, match=r"drive\.mp4: has no index \(moov\): .* copy it again"):
        open_sources(tmp_path / "drive.mp4")
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(InputError, match=r"text\.mp4: is no video that can be read"):
        open_sources(tmp_path / "text.mp4")


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    ],
    ids=["plain", "180", "mirrored", "upside down", "90 clockwise", "90 counterclockwise"],
)
def test_the_display_matrix_is_followed(  # type: ignore[no-untyped-def]
    tmp_path: Path, matrix: tuple[int, ...], turn
) -> None:
    plain = encode([0])
    (tmp_path / "plain.mp4").write_bytes(plain)
    at = plain.index(b"tkhd") + 4 + 4 + 36  # version and flags, then the fields before the matrix
    a, b, c, d = (part << 16 for part in matrix)
    changed = plain[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + plain[at + 36 :]
    (tmp_path / "turned.mp4").write_bytes(changed)
    images = [
        next(iter(open_sources(tmp_path / name)[0])).image for name in ("plain.mp4", "turned.mp4")
    ]
    np.testing.assert_array_equal(images[1], turn(images[0]))


def test_a_frame_is_released_as_soon_as_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "drive.mp4").write_bytes(encode([100 * n for n in range(12)]))
    gc.collect()
    gc.disable()  # reference counts alone have to do it
    try:
        held = [
            sum(type(each) is av.VideoFrame for each in gc.get_objects())
            for _ in open_sources(tmp_path / "drive.mp4")[0]
        ]
    finally:
        gc.enable()
    assert held[11] == held[2]


def test_a_name_that_is_not_utf8_and_what_is_no_file(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/v\xe9.mp4"))
    path.write_bytes(encode([0, 100]))
    assert read(path) == [0, 100]
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match=r"pipe\.mp4: cannot be read \(it is a pipe, not"):
        open_sources(tmp_path / "pipe.mp4")


def test_what_is_written_is_counted_again(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4", (161, 97), 10.0)
    stamps = [0, 100, 5_100, 65_100]
    for number, stamp in enumerate(stamps):
        writer.write(stamp * 1_000_000, np.pad(picture(number), ((0, 1), (0, 1), (0, 0))))
    writer.close()
    assert read(tmp_path / "out.mp4") == stamps
    writer = VideoWriter(tmp_path / "short.mp4", (160, 96), 10.0)
    for number in range(4):
        writer.write(number * 10**8, picture(number))
    writer.count += 1
    with pytest.raises(OSError, match=re.escape("holds 4 of 5 frames that were written")):
        writer.close()


def fast_start(data: bytes, folder: Path) -> bytes:
    """The file with its index before its frames."""
    path = folder / "fast.mp4"
    source: Any = av.open(io.BytesIO(data))
    out: Any = av.open(str(path), "w", options={"movflags": "faststart"})
    with source, out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return path.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
        "ffconcat version 1.0\nfile http://127.0.0.1:9/a.mp4\n",
    ],
)
def test_a_file_that_names_other_places_opens_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(text.encode())
    with pytest.raises(InputError, match="is no video that can be read"):
        read(path)
