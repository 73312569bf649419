"""Object stores on loopback."""

from collections.abc import Iterator

import pytest

from tests.tools.stores.servers import (
    GoogleServer,
    MotoServer,
    forget_file_systems,
    google_environment,
    s3_environment,
)


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """A bucket of moto's server, as `s3://NAME`."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    pytest.importorskip("moto", reason="moto is not installed")
    import s3fs

    server = MotoServer()
    server.start()
    try:
        with s3_environment(server.port):
            s3fs.S3FileSystem().mkdir("archive")
            yield "s3://archive"
    finally:
        server.stop()


@pytest.fixture(scope="session")
def google_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket of Google's emulator, as `gs://NAME`."""
    pytest.importorskip("gcsfs", reason="gcsfs is not installed")
    pytest.importorskip("gcp_storage_emulator", reason="gcp-storage-emulator is not installed")
    server = GoogleServer(tmp_path_factory.mktemp("google"), "archive")
    server.start()
    try:
        with google_environment(server.port):
            yield "gs://archive"
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def no_file_systems_of_other_tests() -> None:
    """Forget them: they keep the address and the methods that they were made with."""
    forget_file_systems()
