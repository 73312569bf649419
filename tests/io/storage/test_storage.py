"""Folders and buckets do the same, and every refusal is one line."""

from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.io.storage.bucket import BucketStorage
from mapt.io.storage.folder import FolderStorage
from mapt.io.storage.places import check_storage, in_bucket, local_path, open_storage
from mapt.io.storage.storage import Storage
from tests.tools.stores.refusals import refusing_server
from tests.tools.stores.servers import free_port, google_environment, s3_environment


@pytest.fixture(params=["folder", "bucket", "google_bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return FolderStorage(tmp_path / "archive")
    return BucketStorage(f"{request.getfixturevalue(request.param)}/{tmp_path.name}")


def test_files_are_written_listed_read_and_removed(storage: Storage, tmp_path: Path) -> None:
    assert storage.read("a/b.txt") is None and storage.sizes() == {}
    storage.write("a/b.txt", b"hello")
    storage.write("c.txt", b"")
    assert storage.sizes() == {"a/b.txt": 5, "c.txt": 0}
    assert storage.sizes("a") == {"b.txt": 5} and storage.read("a/b.txt") == b"hello"
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "x").write_bytes(b"x" * 70_000)
    (source / "y").write_bytes(b"y")
    storage.upload(source, "up")
    assert storage.sizes("up") == {"deep/x": 70_000, "y": 1}
    storage.download("up", tmp_path / "copy")
    assert (tmp_path / "copy" / "deep" / "x").read_bytes() == b"x" * 70_000
    assert list(storage.read_all(["up/y", "none", "a/b.txt"])) == [b"y", b"hello"]
    storage.remove(["up/y", "none"])
    assert storage.sizes("up") == {"deep/x": 70_000} and storage.read("up/y") is None


def test_names_with_spaces_brackets_and_of_any_language(storage: Storage, tmp_path: Path) -> None:
    names = ["a b/ü #1%20.txt", "cam[1]/x*.txt", "出?.txt"]
    for number, name in enumerate(names):
        storage.write(name, str(number).encode())
    assert storage.sizes() == dict.fromkeys(names, 1)
    assert list(storage.read_all(names)) == [b"0", b"1", b"2"]
    storage.download("", tmp_path / "copy")
    assert (tmp_path / "copy" / names[1]).read_bytes() == b"1"
    storage.upload(tmp_path / "copy", "cam[2]")
    assert storage.read(f"cam[2]/{names[1]}") == b"1"
    storage.remove(names)
    assert storage.sizes() == {f"cam[2]/{name}": 1 for name in names}


def test_an_object_of_which_half_came_is_refused(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = BucketStorage(f"{bucket}/half/video.mp4")
    BucketStorage(f"{bucket}/half").write("video.mp4", b"0123456789")

    async def cut(self: object, path: str, target: str, **_: object) -> None:
        Path(target).write_bytes(b"01234")

    monkeypatch.setattr("s3fs.S3FileSystem._get_file", cut)
    # An instance keeps the methods that it was made with.
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
    with pytest.raises(InputError, match=r"half/video\.mp4: 5 of 10 bytes came"):
        storage.fetch(tmp_path / "video.mp4")


def test_what_a_store_refuses_is_one_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="s3://none/x: there is no such bucket"):
        check_storage(BucketStorage("s3://none/x"), writable=True)
    with pytest.raises(InputError, match="names no bucket"):
        check_storage(BucketStorage("s3://"), writable=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(InputError, match=r"s3://archive/x: cannot be reached \(.*127\.0\.0\.1"):
        check_storage(BucketStorage(f"{bucket}/x"), writable=True)


def test_no_bucket_of_googles_is_one_line(google_bucket: str) -> None:
    check_storage(BucketStorage(f"{google_bucket}/x"), writable=True)
    with pytest.raises(InputError, match="gs://none/x: there is no such bucket"):
        check_storage(BucketStorage("gs://none/x"), writable=True)


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_no_permission_is_told(scheme: str) -> None:
    pytest.importorskip({"s3": "s3fs", "gs": "gcsfs"}[scheme])
    environment = {"s3": s3_environment, "gs": google_environment}[scheme]
    with refusing_server() as port, environment(port):
        storage = BucketStorage(f"{scheme}://archive/x")
        for ask in (storage.check, storage.check_writable, storage.sizes):
            with pytest.raises(InputError, match=f"^{scheme}://archive/x: no permission"):
                ask()


def test_addresses_are_told_apart() -> None:
    assert in_bucket("s3://b/x") and in_bucket("gs://b/x") and not in_bucket("https://b/x")
    assert local_path("file:///a%20b") == Path("/a b") and local_path("x") == Path("x")
    assert local_path("https://host/x") is None
    assert isinstance(open_storage("file:///tmp/x"), FolderStorage)
    with pytest.raises(InputError, match="ftp://x: is no place for files"):
        open_storage("ftp://x")
    with pytest.raises(InputError, match="names a host"):
        open_storage("file://host/x")


def test_without_the_driver_the_line_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"needs the package gcsfs; pip install 'mapt\[gcs\]'"):
        check_storage(BucketStorage("gs://bucket/x"), writable=False)


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/x: cannot be used"):
        FolderStorage(tmp_path / "file").write("x", b"")
