"""A fleet that reads from and writes to an S3 server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mapt.fleet.rows.index import read_index
from mapt.io.storage.bucket import BucketStorage
from tests.conftest import Ran
from tests.fleet.archives import SMALL, outputs
from tests.tools.stores.servers import MotoServer, forget_file_systems, s3_environment

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
pytest.importorskip("pyarrow")
KINDS = ("--save", "json,step")
Mapt = Callable[..., Ran]


@pytest.fixture(scope="module")
def moto() -> Iterator[None]:
    pytest.importorskip("moto", reason="moto is not installed")
    server = MotoServer()
    server.start()
    try:
        with s3_environment(server.port):
            forget_file_systems()
            s3fs.S3FileSystem().mkdir("fleet")
            yield
    finally:
        server.stop()
        forget_file_systems()


def fill(clips: Path) -> None:
    images = clips / "training" / "image_02"
    BucketStorage("s3://fleet/drives").upload(images, "day")


def copied(address: str, folder: Path) -> dict[str, bytes]:
    BucketStorage(address).download("", folder)
    return outputs(folder)


def test_recordings_of_a_bucket_are_tracked_into_a_bucket(
    mapt: Mapt, moto: None, clips: Path, tmp_path: Path
) -> None:
    fill(clips)
    command = ("track", "s3://fleet/drives", *SMALL, *KINDS, "--workers", 1)
    ran = mapt(*command, "--out", "s3://fleet/out")
    assert ran.code == 0 and "4 recordings: 4 tracked, 16 frames" in ran.out, ran.err
    again = mapt(*command, "--out", "s3://fleet/out/")
    assert "0 tracked, 0 frames; 4 were whole before" in again.out
    listed = tmp_path / "list.txt"
    images = clips / "training" / "image_02"
    listed.write_text(
        f"# two\n{images}/0000\ns3://fleet/drives/day/0001\n{images}/0002\n{images}/0003"
    )
    mapt("track", listed, *SMALL, *KINDS, "--out", tmp_path / "local")
    assert copied("s3://fleet/out", tmp_path / "copy") == outputs(tmp_path / "local")
    rows = list(read_index(BucketStorage("s3://fleet/out")))
    assert [row["source"] for row in rows][:1] == ["s3://fleet/drives/day/0000"]
    BucketStorage("s3://fleet/out").write("step/0003/000000.png", b"half")
    BucketStorage("s3://fleet/out").remove(["0001/tracks.json"])
    assert "2 tracked, 8 frames; 2 were whole" in mapt(*command, "--out", "s3://fleet/out").out
    assert copied("s3://fleet/out", tmp_path / "other") == outputs(tmp_path / "local")


def test_half_an_index_and_wrong_places_are_one_line(mapt: Mapt, moto: None, clips: Path) -> None:
    BucketStorage("s3://fleet/broken").write("index.parquet", b"PAR1half")
    for arguments, told in (
        (("report", "s3://fleet/broken"), "is no whole Parquet file"),
        (("report", "s3://fleet/nothing"), "has no index.parquet"),
        (("track", clips, "--out", "s3://none/x"), "there is no such bucket"),
        (("track", "s3://fleet/nothing", "--out", "s3://fleet/x"), "holds no video"),
        (("track", "s3://fleet/nothing.mp4", "--out", "s3://fleet/x"), "holds no video"),
    ):
        ran = mapt(*arguments)
        assert ran.code == 2 and told in ran.err and ran.err.count("\n") == 1, ran.err


def test_streets_in_a_bucket_are_those_of_a_folder_and_rendered_once(
    mapt: Mapt, moto: None, tmp_path: Path
) -> None:
    recipe = ("--sequences", 2, "--frames", 2, "--size", "64x96", "--seed", 5)
    ran = mapt("synth", "s3://fleet/streets", *recipe, "--workers", 1)
    assert ran.code == 0, ran.err
    mapt("synth", tmp_path / "data", *recipe, "--workers", 2)
    BucketStorage("s3://fleet/streets").download("", tmp_path / "copy")
    assert outputs(tmp_path / "copy") == outputs(tmp_path / "data")
    assert "; 0.0 frames/s" in mapt("synth", "s3://fleet/streets", *recipe, "--workers", 1).out
