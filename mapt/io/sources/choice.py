"""Opens what a user names: a path, a glob, a camera, an address, `-` or a bag."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from mapt.errors import InputError
from mapt.io.listing import IMAGES, natural_order, visible
from mapt.io.sources.bags.bag import BagSource, open_bag_source
from mapt.io.sources.bags.readers import is_bag
from mapt.io.sources.folders import VideoSource, open_images, open_sources
from mapt.io.sources.frame import Source
from mapt.io.sources.frame_selection import ALL_FRAMES, FrameSelection
from mapt.io.sources.live.av_connection import SCHEMES, open_av
from mapt.io.sources.live.camera import open_camera
from mapt.io.sources.live.connection import Connection, ConnectionLost
from mapt.io.sources.live.source import LiveSource
from mapt.io.sources.standard_input import open_standard_input
from mapt.io.video.container import Remote
from mapt.io.video.reader import probe

PATIENCE = 60.0  # seconds without a frame after which a lost stream is given up
CAMERA = re.compile(r"/dev/video(\d+)")
ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")


@dataclass(frozen=True)
class SourceOptions:
    """What is asked of sources.

    Attributes:
        fps: frames per second in place of their own times; None: those.
        sequences: of a dataset; None: all.
        topic: of a bag; None: its only one.
        selection: which frames are wanted.
        patience: seconds after which a lost stream is given up; None: `PATIENCE`.
        announce: is told in one line what happens to a stream.
    """

    fps: float | None = None
    sequences: list[str] | None = None
    topic: str | None = None
    selection: FrameSelection = ALL_FRAMES
    patience: float | None = None
    announce: Callable[[str], None] = lambda _: None


DEFAULTS = SourceOptions()


def open_named(texts: Sequence[str], options: SourceOptions = DEFAULTS) -> list[Source]:
    """Open sources in the order in which they are named.

    Image files of one folder, named one by one or by a glob, are one sequence after the others.

    Args:
        texts: each a path, a glob, a camera's number, an address, or `-`. A path that exists is
            taken as such, whatever it looks like.
        options: what is asked of them.

    Raises:
        InputError: nothing there, nothing that can be read, an option that does not fit, or a live
            source beside others.
    """
    found = list[Source]()
    images = dict[Path, list[Path]]()  # by folder
    for text in texts:
        live = _open_live(text, options)
        if live is not None:
            found.append(live)
            continue
        for path in named_paths(text):
            if path.is_file() and path.suffix.lower() in IMAGES:
                images.setdefault(path.parent, []).append(path)
            else:
                found += _open_path(path, options)
    found += [
        replace(open_images(folder, files, options.fps), selection=options.selection)
        for folder, files in images.items()
    ]
    _check_options(found, options)
    return _with_own_names(found)


def names_live_source(text: str) -> bool:
    """Tell whether a text names a camera, an address or standard input, and no file."""
    if text == "-" or CAMERA.fullmatch(text):
        return True
    number = text.isascii() and text.isdecimal()
    return (number or ADDRESS.match(text) is not None) and not Path(text).exists()


def _open_live(text: str, options: SourceOptions) -> Source | None:
    """A camera, a stream or standard input; None where the text names files."""
    if not names_live_source(text):
        return None
    if text == "-":
        return _open_pipe(options)
    scheme = ADDRESS.match(text)
    if scheme:
        return _open_address(text, scheme[1].lower(), options)
    device = CAMERA.fullmatch(text)
    return _open_camera(int(device[1] if device else text), options)


def _open_pipe(options: SourceOptions) -> LiveSource:
    try:
        connection, reader = open_standard_input(options.fps)
    except ConnectionLost as lost:
        raise InputError(f"-: standard input cannot be read: {lost}") from None
    source = LiveSource(
        "stdin", "standard input", connection, lossless=True, selection=options.selection
    )
    reader.is_wanted = lambda: not source.is_stopped()
    return source


def _open_camera(index: int, options: SourceOptions) -> LiveSource:
    shown = f"camera {index}"
    try:
        connection = open_camera(index)
    except ConnectionLost as lost:
        raise InputError(f"{shown}: cannot be opened: {lost}") from None
    return _live(f"camera{index}", shown, connection, lambda: open_camera(index), options)


def _open_address(url: str, scheme: str, options: SourceOptions) -> Source:
    if scheme not in SCHEMES:
        raise InputError(
            f"{scheme}://: is no kind of address that can be read; it can be"
            f" {', '.join(f'{known}://' for known in SCHEMES)}, or a path"
        )
    parts = _split(url)
    shown = _without_secrets(parts)
    try:
        connection = open_av(url)
    except ConnectionLost as lost:
        raise InputError(
            f"{shown}: cannot be opened ({lost}); check the address, and that it sends video"
        ) from None
    name = _name_of(parts)
    if connection.is_finite and scheme in ("http", "https"):
        connection.close()
        remote = Remote(url, shown)
        return VideoSource(name, remote, probe(remote), options.fps, selection=options.selection)
    return _live(name, shown, connection, lambda: open_av(url), options)


def _live(
    name: str,
    shown: str,
    connection: Connection,
    reopen: Callable[[], Connection],
    options: SourceOptions,
) -> LiveSource:
    """A source that is opened again where its connection is lost."""
    return LiveSource(
        name,
        shown,
        connection,
        reopen,
        patience=PATIENCE if options.patience is None else options.patience,
        selection=options.selection,
        announce=options.announce,
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError("the address is not written as scheme://host:port/path") from None
    if not parts.hostname or port == 0:
        raise InputError(f"{parts.scheme}://: the address names no host; write it after the //")
    return parts


def _without_secrets(parts: SplitResult) -> str:
    """The address without user, password and query, which may hold a key."""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?...' if parts.query else ''}"


def _name_of(parts: SplitResult) -> str:
    """A name for the sequence that any file system takes."""
    path = parts.path.strip("/")
    text = f"{parts.hostname}-{path}" if path else str(parts.hostname)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:100]


def named_paths(text: str) -> list[Path]:
    """Return the path, or those that a glob matches, in natural order.

    Raises:
        InputError: the glob matches nothing.
    """
    path = Path(text)
    if path.exists() or not glob.has_magic(text):
        return [path]
    found = sorted(visible(Path(p) for p in glob.glob(text, recursive=True)), key=natural_order)
    if not found:
        raise InputError(f"{text}: matches no file; check the pattern")
    return sorted(found, key=lambda p: [natural_order(Path(part)) for part in p.parts])


def _open_path(path: Path, options: SourceOptions) -> list[Source]:
    if is_bag(path):
        if options.sequences:
            raise InputError(
                f"{path}: a bag has no sequences to choose from; choose a camera with --topic"
            )
        return [open_bag_source(path, options.topic, options.fps, options.selection)]
    return [
        replace(source, selection=options.selection)
        for source in open_sources(path, options.fps, options.sequences)
    ]


def _check_options(found: Iterable[Source], options: SourceOptions) -> None:
    """Refuse options that fit none of the sources, and what cannot be tracked together."""
    sources = list(found)
    if options.patience is not None and not options.patience >= 0:
        raise InputError("--reconnect: is no time; give seconds, 0 or inf")
    live = next((s for s in sources if isinstance(s, LiveSource)), None)
    if live is not None:
        _check_live(live, sources, options)
    if options.patience is not None and (live is None or live.lossless):
        raise InputError("--reconnect: is for cameras and streams; leave it out")
    if options.topic is not None and not any(isinstance(s, BagSource) for s in sources):
        raise InputError("--topic: is for ROS bags and MCAP; leave it out")


def _check_live(live: LiveSource, sources: Sequence[Source], options: SourceOptions) -> None:
    if len(sources) > 1:
        raise InputError(
            f"{live.shown}: is tracked until it ends; run one `mapt track` for each live source"
        )
    if options.sequences:
        raise InputError(f"{live.shown}: has no sequences to choose from; leave out --sequences")
    if options.fps is not None and not live.lossless:
        raise InputError(f"{live.shown}: its frames have times of their own; leave out --fps")


def _with_own_names(sources: list[Source]) -> list[Source]:
    """Put the folder's name before names that several files share."""
    times = Counter(source.name for source in sources)
    return [
        replace(source, name=f"{source.path.resolve().parent.name}-{source.name}")
        if times[source.name] > 1
        and isinstance(source, VideoSource | BagSource)
        and isinstance(source.path, Path)
        else source
        for source in sources
    ]
