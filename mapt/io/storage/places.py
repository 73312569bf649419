"""Opens the storage that a user names: a path, `file://`, `s3://` or `gs://`."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from mapt.errors import InputError
from mapt.io.storage.bucket import DRIVERS, BucketStorage
from mapt.io.storage.folder import FolderStorage
from mapt.io.storage.storage import Storage

FILE = "file://"
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
STORES = tuple(f"{scheme}://" for scheme in DRIVERS)


def in_bucket(text: str) -> bool:
    """Tell whether a text names an object or a prefix in an object store."""
    return text.startswith(STORES)


def local_path(text: str) -> Path | None:
    """Return the path that a text names, with or without `file://`; None: it is another address.

    Raises:
        InputError: `file://` with a host.
    """
    if text.startswith(FILE):
        path = text.removeprefix(FILE)
        if not path.startswith("/"):
            raise InputError(f"{text}: names a host; write file:///PATH for a path of this machine")
        return Path(unquote(path))
    return None if _SCHEME.match(text) else Path(text)


def open_storage(text: str, option: str = "--out") -> Storage:
    """Open the place that a text names. Nothing is asked of it yet.

    Raises:
        InputError: a scheme that has no driver.
    """
    if in_bucket(text):
        return BucketStorage(text.rstrip("/"))
    path = local_path(text)
    if path is None:
        raise InputError(
            f"{option} {text}: is no place for files; give a path, {FILE}, or {' or '.join(STORES)}"
        )
    return FolderStorage(path)


def check_storage(storage: Storage, *, writable: bool) -> None:
    """Look before the work whether a place answers, and whether it can be written.

    Raises:
        InputError: it does not, or may not be written.
    """
    if isinstance(storage, BucketStorage):
        storage.check()
        if writable:
            storage.check_writable()
