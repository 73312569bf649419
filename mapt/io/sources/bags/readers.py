"""Opens ROS bags and MCAP files, without ROS, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mapt.errors import InputError
from mapt.io.sources.bags.mcap_chunks import check_chunks
from mapt.io.sources.bags.ros_images import TYPES
from mapt.regular_files import open_regular


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        count: its messages; 0 where the file does not say.
        readable: its messages are images that can be decoded.
    """

    name: str
    type_name: str
    count: int
    readable: bool


class BagReader(Protocol):
    """An open bag."""

    def topics(self) -> list[Topic]:
        """List all topics."""
        ...

    def messages(self, topic: str) -> Iterator[tuple[int, Callable[[], Any]]]:
        """Yield (time of recording in ns, what decodes the message) in the order of recording."""
        ...


def is_bag(path: Path) -> bool:
    """Tell by its name, and a folder by its metadata, whether this is a bag."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file()
    return path.suffix.lower() in (".bag", ".mcap", ".db3")


@contextmanager
def open_bag(path: Path) -> Iterator[BagReader]:
    """Open a bag: ROS 1 (.bag), ROS 2 (a folder, .db3), or MCAP.

    Raises:
        InputError: damaged, of an unknown kind, or the package that reads it is not installed.
            Also where the body meets the damage.
    """
    mcap = path.suffix.lower() == ".mcap" and not path.is_dir()
    try:
        with _open_mcap(path) if mcap else _open_rosbag(path) as reader:
            yield reader
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); check the path"
        ) from None
    except Exception as error:  # readers raise anything, down to a recursion of types without end
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(
            f"{path}: is damaged or no bag that can be read ({reason}); copy it again, or repair it"
            f" with `{'mcap recover' if mcap else 'ros2 bag reindex'}`"
        ) from None


def _open_rosbag(path: Path) -> AbstractContextManager[BagReader]:
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise InputError(f"{path}: ROS bags need rosbags; pip install 'mapt[rosbag]'") from None
    if not path.is_dir():
        open_regular(path).close()

    @contextmanager
    def opened() -> Iterator[BagReader]:
        # Bags before ROS 2 Iron hold no definitions; those of images have not changed.
        with AnyReader([path], default_typestore=get_typestore(Stores.LATEST)) as reader:
            yield _RosBag(reader)

    return opened()


class _RosBag:
    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def topics(self) -> list[Topic]:
        return [
            Topic(name, info.msgtype or "several types", info.msgcount, info.msgtype in TYPES)
            for name, info in self._reader.topics.items()
        ]

    def messages(self, topic: str) -> Iterator[tuple[int, Callable[[], Any]]]:
        chosen = [c for c in self._reader.connections if c.topic == topic]
        for connection, time, data in self._reader.messages(chosen):
            yield time, _RosMessage(self._reader, data, connection.msgtype)


@dataclass(frozen=True)
class _RosMessage:
    reader: Any
    data: bytes
    type_name: str

    def __call__(self) -> Any:
        return self.reader.deserialize(self.data, self.type_name)


@contextmanager
def _open_mcap(path: Path) -> Iterator[BagReader]:
    try:
        from mcap.reader import make_reader
        from mcap_ros2.decoder import DecoderFactory
    except ImportError:
        raise InputError(f"{path}: MCAP files need mcap; pip install 'mapt[mcap]'") from None
    with open_regular(path) as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        starts = [index.chunk_start_offset for index in summary.chunk_indexes] if summary else None
        check_chunks(file, path, starts)
        yield _Mcap(reader, DecoderFactory())


class _Mcap:
    def __init__(self, reader: Any, factory: Any) -> None:
        self._reader = reader
        self._factory = factory

    def topics(self) -> list[Topic]:
        summary = self._reader.get_summary()
        if summary is None or not summary.channels:  # a recording that did not end
            channels = {
                c.id: (c, s) for s, c, _ in self._reader.iter_messages(log_time_order=False)
            }
            counts = dict[int, int]()
        else:
            channels = {
                number: (channel, summary.schemas.get(channel.schema_id))
                for number, channel in summary.channels.items()
            }
            counts = summary.statistics.channel_message_counts if summary.statistics else {}
        return [
            Topic(
                channel.topic,
                schema.name if schema else channel.message_encoding,
                counts.get(number, 0),
                self._is_readable(channel, schema),
            )
            for number, (channel, schema) in channels.items()
        ]

    def _is_readable(self, channel: Any, schema: Any) -> bool:
        if schema is None or schema.name not in TYPES:
            return False
        return self._factory.decoder_for(channel.message_encoding, schema) is not None

    def messages(self, topic: str) -> Iterator[tuple[int, Callable[[], Any]]]:
        for schema, channel, message in self._reader.iter_messages([topic]):
            decode = self._factory.decoder_for(channel.message_encoding, schema)
            if decode is not None:
                yield message.log_time, _McapMessage(decode, message.data)


@dataclass(frozen=True)
class _McapMessage:
    decode: Callable[[bytes], Any]
    data: bytes

    def __call__(self) -> Any:
        return self.decode(self.data)
