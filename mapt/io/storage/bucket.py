"""A prefix in an object store as a place for files. fsspec and its drivers do the transport."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file

BATCH = 64  # small objects that are read at once
# A driver by scheme: the extra that brings it, and what it is told. Amazon's own library then asks
# again, with growing pauses, while a server does not answer: about a minute. Its mode "standard"
# would give up sooner where many objects are written at once, because they share a quota.
DRIVERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "s3": ("s3fs", "s3", {"config_kwargs": {"retries": {"max_attempts": 8, "mode": "legacy"}}}),
    "gs": ("gcsfs", "gcs", {}),
}
# Nobody waits a minute to be told that an address is wrong.
IMPATIENT = {
    "s3": {
        "config_kwargs": {
            "retries": {"max_attempts": 0, "mode": "legacy"},
            "connect_timeout": 5,
            "read_timeout": 20,
        }
    }
}


@dataclass(frozen=True)
class BucketStorage:
    """A prefix in a bucket; see `mapt.io.storage.storage.Storage`.

    Attributes:
        uri: `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`, without a slash at its end.
    """

    uri: str

    @property
    def _scheme(self) -> str:
        return self.uri.partition("://")[0]

    @property
    def _root(self) -> str:
        return self.uri.partition("://")[2]

    def _files(self, *, patient: bool = True) -> Any:
        """The driver, which fsspec keeps from call to call."""
        driver, extra, options = DRIVERS[self._scheme]
        options = options if patient else IMPATIENT.get(self._scheme, {})
        try:
            import fsspec

            __import__(driver)
        except ImportError:
            raise InputError(
                f"{self.uri}: needs the package {driver}; pip install 'mapt[{extra}]'"
            ) from None
        logging.getLogger(driver).setLevel(logging.CRITICAL)  # what it says comes as an exception
        with _told(self.uri):
            return fsspec.filesystem(self._scheme, use_listings_cache=False, **options)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def check(self) -> None:
        """Look whether the bucket answers, without the patience of a run.

        Raises:
            InputError: there is no such bucket, address or permission, or the driver is missing.
        """
        bucket = self._root.partition("/")[0]
        if not bucket:
            raise InputError(f"{self.uri}: names no bucket; write {self._scheme}://BUCKET/PREFIX")
        files = self._files(patient=False)
        with _told(self.uri):
            try:
                files.ls(self._root, detail=False)
            except FileNotFoundError:  # nothing has this prefix yet, or there is no bucket
                if not files.exists(bucket):
                    raise

    def check_writable(self) -> None:
        """Look whether objects can be written, by writing a small one and removing it.

        Raises:
            InputError: as `check`, or nothing may be written.
        """
        files = self._files(patient=False)
        probe = self._path(".mapt-probe")
        with _told(self.uri):
            files.pipe_file(probe, b"")
            files.rm_file(probe)

    def read(self, name: str) -> bytes | None:
        """See `Storage`."""
        files = self._files()
        with _told(f"{self.uri}/{name}"):
            try:
                return bytes(files.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """See `Storage`."""
        files = self._files()
        with _told(f"{self.uri}/{name}"):
            files.pipe_file(self._path(name), data)

    def entries(self, below: str = "") -> dict[str, dict[str, Any]]:
        """Return what the store says of every object below a name, by its path below that name."""
        files = self._files()
        top = self._path(below).rstrip("/")
        with _told(self.uri):
            try:
                found = files.find(top, detail=True)
            except FileNotFoundError:
                return {}
        return {
            path[len(top) + 1 :]: entry
            for path, entry in found.items()
            if path.startswith(top + "/")
        }

    def entry(self) -> dict[str, Any] | None:
        """Return what the store says of the object of this very name; None: it is none."""
        files = self._files()
        with _told(self.uri):
            try:
                found = dict(files.info(self._root))
            except FileNotFoundError:
                return None
        return found if found.get("type") == "file" else None

    def sizes(self, below: str = "") -> dict[str, int]:
        """See `Storage`."""
        return {name: int(entry["size"]) for name, entry in self.entries(below).items()}

    def put(self, path: Path, name: str) -> None:
        """See `Storage`."""
        files = self._files()
        with _told(f"{self.uri}/{name}"):
            files.put_file(str(path), self._path(name))

    def get(self, name: str, path: Path) -> None:
        """See `Storage`."""
        with atomic_file(path) as temporary:
            BucketStorage(f"{self.uri}/{name}").fetch(temporary)

    def upload(self, folder: Path, below: str) -> None:
        """See `Storage`. An object of several parts appears when its last part is there."""
        files = self._files()
        local = sorted(path for path in folder.rglob("*") if path.is_file())
        remote = [self._path(f"{below}/{path.relative_to(folder).as_posix()}") for path in local]
        with _told(f"{self.uri}/{below}"):
            if local:
                files.put([str(path) for path in local], remote)

    def download(self, below: str, folder: Path) -> None:
        """See `Storage`."""
        for name, size in self.sizes(below).items():
            self._fetch(self._path(f"{below}/{name}" if below else name), folder / name, size)

    def fetch(self, target: Path) -> None:
        """Copy the object of this very name into a file.

        Raises:
            InputError: there is none, or it is shorter or longer than the store says.
        """
        found = self.entry()
        if found is None:
            raise InputError(f"{self.uri}: no such object; check the address")
        self._fetch(self._root, target, int(found["size"]))

    def _fetch(self, path: str, target: Path, size: int) -> None:
        files = self._files()
        target.parent.mkdir(parents=True, exist_ok=True)
        with _told(f"{self._scheme}://{path}"):
            files.get_file(path, str(target))
        if target.stat().st_size != size:
            raise InputError(
                f"{self._scheme}://{path}: {target.stat().st_size} of {size} bytes came; run it"
                " again, or write the object anew"
            )

    def remove(self, names: list[str]) -> None:
        """See `Storage`. One by one: not every server takes a list."""
        files = self._files()
        with _told(self.uri):
            for name in names:
                try:
                    files.rm_file(self._path(name))
                except FileNotFoundError:
                    continue

    def read_all(self, names: list[str]) -> Iterator[bytes]:
        """See `Storage`. Several are read at once."""
        files = self._files()
        for start in range(0, len(names), BATCH):
            paths = [self._path(name) for name in names[start : start + BATCH]]
            with _told(self.uri):
                # not `cat`, which takes names with brackets for patterns
                for content in files.cat_ranges(paths, None, None, on_error="return"):
                    if isinstance(content, FileNotFoundError):
                        continue
                    if isinstance(content, Exception):
                        raise content
                    yield bytes(content)


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Tell in one line what the store, or the way to it, refused."""
    try:
        yield
    except (InputError, FileNotFoundError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{uri}: there is no such bucket or object; check the address") from None
    except Exception as error:  # of several libraries, which share no class
        if _is_refusal(error):
            raise InputError(
                f"{uri}: no permission ({_brief(error)}); check the credentials and the bucket's"
                " policy"
            ) from None
        raise InputError(
            f"{uri}: cannot be reached ({_brief(error)}); check the address, the network and the"
            " credentials"
        ) from None


def _is_refusal(error: Exception) -> bool:
    """Tell whether a store said that this user may not. Google's driver has no class for it."""
    refused = isinstance(error, PermissionError) or getattr(error, "code", None) in (401, 403)
    return refused or (isinstance(error, OSError) and str(error).startswith("Forbidden: "))


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
