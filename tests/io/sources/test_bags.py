"""ROS bags and MCAP files, written with the packages that read them, without ROS."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.io.image_files import encode_image
from mapt.io.sources.bags.bag import BagSource
from mapt.io.sources.choice import SourceOptions, open_named
from mapt.io.sources.frame_selection import selection_of
from tests.io.sources.servers import picture

rosbags = pytest.importorskip("rosbags.highlevel", reason="mapt[rosbag] is not installed")
mcap = pytest.importorskip("mcap_ros2.writer", reason="mapt[mcap] is not installed")

BEGIN = 1_700_000_000_123_456_789
TENTH = 100_000_000
Shots = list[tuple[str, int, int, int]]  # topic, header's ns, recorded at ns, number of the picture
DEFINITION = """std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""


def shots(topic: str = "/front/image", stamped: bool = True, count: int = 5) -> Shots:
    """Pictures a tenth of a second apart, recorded a bit later."""
    times = [BEGIN + TENTH * n for n in range(count)]
    return [(topic, at if stamped else 0, at + 7_000_000, n) for n, at in enumerate(times)]


def write_rosbag(path: Path, rows: Shots, compressed: bool = False) -> None:
    """A bag of ROS 1 (.bag) or of ROS 2 (a folder)."""
    from rosbags.rosbag1 import Writer as Writer1
    from rosbags.rosbag2 import Writer as Writer2
    from rosbags.typesys import Stores, get_typestore

    old = path.suffix == ".bag"
    store = get_typestore(Stores.ROS1_NOETIC if old else Stores.ROS2_HUMBLE)
    types = store.types
    name = f"sensor_msgs/msg/{'CompressedImage' if compressed else 'Image'}"
    with Writer1(path) if old else Writer2(path, version=9) as writer:
        topics = {
            topic: writer.add_connection(topic, name, typestore=store)
            for topic in dict.fromkeys(row[0] for row in rows)
        }
        for topic, stamped, recorded, number in rows:
            time = types["builtin_interfaces/msg/Time"](stamped // 10**9, stamped % 10**9)
            place = {"seq": number} if old else {}
            header = types["std_msgs/msg/Header"](stamp=time, frame_id="camera", **place)
            image = picture(number)
            if compressed:
                data = np.frombuffer(encode_image(".png", image), np.uint8)
                message = types[name](header, "png", data)
            else:
                height, width = image.shape[:2]
                message = types[name](header, height, width, "rgb8", 0, 3 * width, image.ravel())
            serialize = store.serialize_ros1 if old else store.serialize_cdr
            writer.write(topics[topic], recorded, serialize(message, name))


def write_mcap(path: Path, rows: Shots, compressed: bool = False) -> None:
    """An MCAP file with ROS 2's messages."""
    assert not compressed
    with path.open("wb") as file:
        writer = mcap.Writer(file)
        schema = writer.register_msgdef("sensor_msgs/msg/Image", DEFINITION)
        for topic, stamped, recorded, number in rows:
            image = picture(number)
            height, width = image.shape[:2]
            time = {"sec": stamped // 10**9, "nanosec": stamped % 10**9}
            message: dict[str, Any] = {
                "header": {"stamp": time, "frame_id": "camera"},
                "height": height,
                "width": width,
                "encoding": "rgb8",
                "is_bigendian": 0,
                "step": 3 * width,
                "data": image.tobytes(),
            }
            writer.write_message(topic, schema, message, recorded, recorded)
        writer.finish()


KINDS = {"drive.bag": write_rosbag, "drive": write_rosbag, "drive.mcap": write_mcap}
every_kind = pytest.mark.parametrize(("name", "write"), KINDS.items(), ids=["ros1", "ros2", "mcap"])
Write = Callable[..., None]


def opened(path: Path, **options: Any) -> BagSource:
    """The bag as a source."""
    (source,) = open_named([str(path)], SourceOptions(**options))
    assert isinstance(source, BagSource)
    return source


@every_kind
def test_frames_have_their_headers_times_in_name_and_stamp(
    tmp_path: Path, name: str, write: Write
) -> None:
    write(tmp_path / name, shots())
    source = opened(tmp_path / name)
    frames = list(source)
    assert [f.stem for f in frames] == [str(BEGIN + TENTH * n) for n in range(5)]
    assert [f.stamp_ns for f in frames] == [TENTH * n for n in range(5)]
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture(number))
    assert (source.name, len(source), round(source.fps, 6)) == ("drive", 5, 10)
    assert source.inputs == {tmp_path / name}


@every_kind
def test_without_headers_the_time_of_recording_counts(
    tmp_path: Path, name: str, write: Write
) -> None:
    write(tmp_path / name, shots(stamped=False))
    stems = [f.stem for f in opened(tmp_path / name)]
    assert stems == [str(BEGIN + TENTH * n + 7_000_000) for n in range(5)]


@every_kind
def test_one_of_several_cameras_is_chosen_by_its_topic(
    tmp_path: Path, name: str, write: Write
) -> None:
    path = tmp_path / name
    write(path, [*shots("/front/image"), *shots("/rear/image", count=3)])
    with pytest.raises(InputError, match=r"several cameras; choose one with --topic: ") as error:
        opened(path)
    assert str(error.value).endswith("/front/image (5 messages), /rear/image (3 messages)")
    assert len(list(opened(path, topic="/rear/image"))) == 3
    with pytest.raises(InputError, match=r"--topic /left: .* has no such images; it has /front"):
        opened(path, topic="/left")


@every_kind
def test_parts_of_a_bag_and_a_rate_of_its_own(tmp_path: Path, name: str, write: Write) -> None:
    write(tmp_path / name, shots())
    frames = list(opened(tmp_path / name, selection=selection_of("0.1", "0.4", 2)))
    assert [f.stamp_ns for f in frames] == [TENTH, 3 * TENTH]
    frames = list(opened(tmp_path / name, fps=5))
    assert [(f.stem, f.stamp_ns) for f in frames][:2] == [("000000", 0), ("000001", 2 * TENTH)]


def test_a_bag_of_before_ros_2_iron_holds_no_definitions_of_its_messages(tmp_path: Path) -> None:
    write_rosbag(tmp_path / "drive", shots())
    with closing(sqlite3.connect(next((tmp_path / "drive").glob("*.db3")))) as data:
        data.execute("DELETE FROM message_definitions")
        data.commit()
    assert len(list(opened(tmp_path / "drive"))) == 5
    assert len(list(opened(next((tmp_path / "drive").glob("*.db3"))))) == 5  # without metadata.yaml


@pytest.mark.parametrize("name", ["drive.bag", "drive"])
def test_compressed_images_are_read_too(tmp_path: Path, name: str) -> None:
    write_rosbag(tmp_path / name, shots(), compressed=True)
    np.testing.assert_array_equal(list(opened(tmp_path / name))[3].image, picture(3))


@every_kind
def test_times_that_do_not_rise_are_refused(tmp_path: Path, name: str, write: Write) -> None:
    rows = shots()
    rows[3] = ("/front/image", rows[1][1], rows[3][2], 3)
    write(tmp_path / name, rows)
    with pytest.raises(InputError, match=r"the time of message 3 of /front/image is not after"):
        list(opened(tmp_path / name))
    assert len(list(opened(tmp_path / name, fps=10))) == 5


@every_kind
def test_damage_is_one_line(tmp_path: Path, name: str, write: Write) -> None:
    path = tmp_path / name
    write(path, shots(count=30))
    file = next(path.glob("*.db3")) if path.is_dir() else path
    whole = file.read_bytes()
    for kept in (0, 50, len(whole) // 2, len(whole) - 30):
        file.write_bytes(whole[:kept])
        with pytest.raises(InputError) as error:
            list(opened(path))
        assert "\n" not in str(error.value) and str(path) in str(error.value), kept
        assert "is damaged or no bag that can be read (" in str(error.value), kept


def test_a_bag_without_images_and_one_that_is_missing(tmp_path: Path) -> None:
    with (tmp_path / "empty.mcap").open("wb") as file:
        mcap.Writer(file).finish()
    with pytest.raises(InputError, match=r"empty\.mcap: has no images of .*; it has no topic$"):
        opened(tmp_path / "empty.mcap")
    with (tmp_path / "other.mcap").open("wb") as file:
        writer = mcap.Writer(file)
        schema = writer.register_msgdef("std_msgs/msg/Int8", "int8 data")
        writer.write_message("/speed", schema, {"data": 3}, BEGIN, BEGIN)
        writer.finish()
    with pytest.raises(InputError, match=r"no images of .*; it has /speed \(std_msgs/msg/Int8\)$"):
        opened(tmp_path / "other.mcap")
    with pytest.raises(InputError, match=r"none\.mcap: cannot be read \(No such file"):
        opened(tmp_path / "none.mcap")


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("drive.bag", "rosbags", "rosbag"), ("drive.mcap", "mcap", "mcap")],
)
def test_a_missing_package_is_named(tmp_path: Path, name: str, module: str, extra: str) -> None:
    (tmp_path / name).touch()
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from mapt.io.sources.choice import *\n"
        f"open_named([{str(tmp_path / name)!r}], SourceOptions())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1].endswith(f"need {module}; pip install 'mapt[{extra}]'")
