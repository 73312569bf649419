"""Finds the recordings that a user names: paths, globs, lists, and prefixes in object stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mapt.errors import InputError
from mapt.fleet.sources.lists import is_list, read_list
from mapt.io.listing import IMAGES
from mapt.io.sources.bags.readers import is_bag
from mapt.io.sources.choice import named_paths, names_live_source
from mapt.io.sources.folders import dataset_folders, open_sources
from mapt.io.storage.bucket import BucketStorage
from mapt.io.storage.places import in_bucket, local_path

# What a prefix is searched for. An object that is named itself may end in anything.
VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg", ".mcap", ".bag")
FOLDERS = 8  # of a path that may go into a recording's name
RESERVED = ("step", "recordings", "pieces")  # folders of an archive that are no recording's


@dataclass(frozen=True)
class Recording:
    """A source of a fleet.

    Attributes:
        source: a path or an address in an object store.
        name: of the sequence, and of its outputs.
        sequence: of a dataset; empty: the source is one sequence.
    """

    source: str
    name: str
    sequence: str = ""


def find_recordings(texts: Sequence[str], sequences: list[str] | None = None) -> list[Recording]:
    """Find every recording, in the order in which they are named, without opening videos.

    Args:
        texts: each a path, a glob, `file://`, `s3://`, `gs://`, or a list of these: a text file
            with one a line, or a Parquet file with a column `source`.
        sequences: of datasets; None: all.

    Raises:
        InputError: nothing there, a live source, or two recordings that cannot be told apart.
    """
    found = [recording for text in texts for recording in _expand(text, sequences)]
    if not found:
        raise InputError(f"{', '.join(texts)}: names no recording; check it")
    named = _with_own_names(list(dict.fromkeys(found)))
    for recording in named:
        if recording.name in RESERVED or recording.name.startswith("."):
            raise InputError(
                f"{recording.source}: no recording can be called {recording.name}; rename it"
            )
    return named


def _expand(text: str, sequences: list[str] | None) -> Iterator[Recording]:
    if is_list(text):
        for entry in read_list(text):
            yield from _expand_source(entry, sequences)
    else:
        yield from _expand_source(text, sequences)


def _expand_source(text: str, sequences: list[str] | None) -> Iterator[Recording]:
    if in_bucket(text):
        yield from _in_bucket(BucketStorage(text.rstrip("/")))
        return
    path = local_path(text)
    if path is None or names_live_source(str(path)):
        raise InputError(
            f"{text}: is live or on a web server, a fleet takes files and object stores; track it"
            " by itself, without --engine and --workers"
        )
    images = dict[Path, None]()
    for found in named_paths(str(path)):
        if found.is_file() and found.suffix.lower() in IMAGES:
            images[found.parent] = None
        else:
            yield from _at_path(found, sequences)
    for folder in images:
        raise InputError(f"{folder}: name the folder of a recording's images, not the images")


def _at_path(path: Path, sequences: list[str] | None) -> Iterator[Recording]:
    if not path.is_dir() or is_bag(path):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the path")
        yield Recording(str(path), path.stem)
        return
    inside = dataset_folders(path) is not None
    for source in open_sources(path, None, sequences):
        yield Recording(str(path), source.name, source.name if inside else "")


def _in_bucket(storage: BucketStorage) -> Iterator[Recording]:
    """The object of this very name, else videos, bags and folders of images below it."""
    if PurePosixPath(storage.uri).suffix and storage.entry() is not None:
        yield Recording(storage.uri, PurePosixPath(storage.uri).stem)
        return
    folders = dict[str, None]()
    count = 0
    for name in sorted(storage.sizes()):
        path = PurePosixPath(name)
        if any(part.startswith(".") for part in path.parts):
            continue
        address = f"{storage.uri}/{name}"
        if path.suffix.lower() in VIDEOS:
            count += 1
            yield Recording(address, path.stem)
        elif path.suffix.lower() in IMAGES:
            folders[address.rpartition("/")[0]] = None
    for folder in folders:
        yield Recording(folder, folder.rpartition("/")[2])
    if not count and not folders:
        raise InputError(
            f"{storage.uri}: holds no video, bag or folder of images; check the address"
        )


def _with_own_names(found: list[Recording]) -> list[Recording]:
    """Put names of folders before names that several recordings share, as few as suffice."""
    for depth in range(1, FOLDERS):
        times = Counter(recording.name for recording in found)
        if len(times) == len(found):
            return found
        found = [
            replace(recording, name=_longer(recording, depth))
            if times[recording.name] > 1
            else recording
            for recording in found
        ]
    times = Counter(recording.name for recording in found)
    name = next(name for name, count in times.items() if count > 1)
    raise InputError(
        f"{name}: two recordings are called so, their outputs would be one; rename one"
    )


def _longer(recording: Recording, depth: int) -> str:
    parts = _parents(recording.source, inside=bool(recording.sequence))
    if len(parts) < depth:
        return recording.name
    return f"{parts[-depth]}-{recording.name}"


def _parents(source: str, *, inside: bool) -> list[str]:
    """The names of the folders around a source; with `inside`, the source is one of them."""
    if in_bucket(source):
        parts = source.partition("://")[2].split("/")
    else:
        parts = list(Path(source).resolve().parts[1:])
    return parts if inside else parts[:-1]
