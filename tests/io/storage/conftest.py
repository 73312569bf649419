"""An S3 server on loopback."""

import importlib.util
from collections.abc import Iterator

import pytest

from tests.tools.s3.servers import MotoServer, s3_environment


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


@pytest.fixture(autouse=True)
def no_file_systems_of_other_tests() -> None:
    """Forget them: they keep the address and the methods that they were made with."""
    if importlib.util.find_spec("s3fs"):
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
