"""A fleet whose object store is killed in the middle and started again, with what it kept."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from mapt.io.storage.bucket import BucketStorage
from mapt.synthetic import write_dataset
from tests.fleet.archives import SMALL, outputs
from tests.tools.processes import ROOT
from tests.tools.stores.servers import (
    FolderServer,
    GoogleServer,
    forget_file_systems,
    google_environment,
    s3_environment,
)
from tests.tools.stores.swift_servers import SwiftServer, has_swift

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.slow
RECORDINGS = 8
SECONDS_AWAY = 6
KINDS = ("--save", "json,step")


class Server(Protocol):
    port: int

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Store:
    """A running server, and a bucket of it."""

    server: Server
    bucket: str


def _server(kind: str, folder: Path) -> tuple[Server, AbstractContextManager[None]]:
    if kind == "google":
        pytest.importorskip("gcsfs", reason="gcsfs is not installed")
        pytest.importorskip("gcp_storage_emulator", reason="gcp-storage-emulator is not installed")
        google = GoogleServer(folder, "fleet")
        return google, google_environment(google.port)
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server: FolderServer | SwiftServer
    if kind == "swift":
        if not has_swift():
            pytest.skip("OpenStack Swift is not installed")
        server = SwiftServer(folder)
    else:
        pytest.importorskip("localbucket", reason="localbucket is not installed")
        server = FolderServer(folder)
    return server, s3_environment(server.port)


@pytest.fixture(params=["localbucket", "google", "swift"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    server, environment = _server(request.param, tmp_path / "store")
    server.start()
    try:
        with environment:
            forget_file_systems()
            if request.param != "google":
                import s3fs

                s3fs.S3FileSystem().mkdir("fleet")
            yield Store(server, "gs://fleet" if request.param == "google" else "s3://fleet")
    finally:
        server.stop()
        forget_file_systems()


def test_a_store_that_is_stopped_and_started_costs_nothing_but_time(
    store: Store, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    write_dataset(data, RECORDINGS, 4, (64, 96), seed=9, workers=1)
    BucketStorage(f"{store.bucket}/drives").upload(data / "training" / "image_02", "day")
    _track_while_it_stops(store)
    if isinstance(store.server, SwiftServer):
        _check_refusal()
    BucketStorage(f"{store.bucket}/out").download("", tmp_path / "copy")
    local = tmp_path / "local"
    subprocess.run(_command(str(data), str(local), "1"), check=True, env=_environment())
    assert outputs(tmp_path / "copy") == outputs(local)


def _track_while_it_stops(store: Store) -> None:
    archive = BucketStorage(f"{store.bucket}/out")
    command = _command(f"{store.bucket}/drives", archive.uri, "2")
    with subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        while len(archive.sizes("recordings")) < 3:
            assert child.poll() is None, child.communicate()
            time.sleep(0.1)
        store.server.stop()
        time.sleep(SECONDS_AWAY)
        store.server.start()
        assert child.poll() is None, child.communicate()
        told, errors = child.communicate()
    assert child.returncode == 0, errors
    assert f"{RECORDINGS} recordings: {RECORDINGS} tracked" in told


def _check_refusal() -> None:
    """The server knows another secret."""
    ran = subprocess.run(
        _command("s3://fleet/drives", "s3://fleet/other", "1"),
        env={**_environment(), "AWS_SECRET_ACCESS_KEY": "wrong"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2 and ran.stderr.startswith("mapt: s3://fleet/other: no permission")
    assert ran.stderr.count("\n") == 1


def _command(source: str, out: str, workers: str) -> list[str]:
    tracked = ["track", source, *SMALL, *KINDS, "--workers", workers, "--out", out]
    return [sys.executable, "-m", "mapt.cli", *tracked]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
