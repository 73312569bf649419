"""`mapt track` on processes: the bytes of one run, and only what is missing is done."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from mapt.fleet.rows.index import read_index
from mapt.io.storage.folder import FolderStorage
from mapt.runtime import PanopticFrame
from tests.conftest import Ran
from tests.fleet.archives import SMALL, outputs

Mapt = Callable[..., Ran]
pytest.importorskip("pyarrow")
KINDS = ("--save", "step,json,csv")


@pytest.fixture(scope="module")
def serial(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of one tracker that did one recording after the other."""
    from mapt.app.track_source import track_source
    from mapt.io.sources.folders import open_sources
    from mapt.runtime import PanopticTracker
    from mapt.weights import BUNDLE

    out = tmp_path_factory.mktemp("serial")
    tracker = PanopticTracker.load(BUNDLE / "192x352", threads=1)
    for source in open_sources(clips):
        track_source(tracker, source, out, ("step", "json", "csv"))
    return out


def marks(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (out / "recordings").iterdir()}


def test_processes_write_the_bytes_of_one_run_and_do_nothing_twice(
    mapt: Mapt, clips: Path, serial: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ("track", clips, *SMALL, *KINDS, "--out", out)
    first = mapt(*command, "--workers", 2)
    assert first.code == 0 and "4 recordings: 4 tracked, 16 frames" in first.out, first.err
    assert outputs(out) == outputs(serial)
    before = marks(out)
    rows = list(read_index(FolderStorage(out)))
    assert [row["recording"] for row in rows] == ["0000", "0001", "0002", "0003"]
    assert all(row["frames"] == 4 and row["seconds"] > 0 and row["pat"] is None for row in rows)
    counts = [
        json.loads((out / name / "tracks.json").read_text())["frames"]
        for name in ("0000", "0001", "0002", "0003")
    ]
    ids = [len({t["id"] for frame in frames for t in frame["tracks"]}) for frames in counts]
    assert [row["tracks"] for row in rows] == ids

    (out / "0001" / "tracks.csv").unlink()
    (out / "step" / "0002" / "000001.png").write_bytes(b"half")
    again = mapt(*command, "--engine", "local", "--workers", 1)
    assert "2 tracked, 8 frames; 2 were whole before" in again.out
    assert outputs(out) == outputs(serial)
    after = marks(out)
    assert [name for name in before if before[name] != after[name]] == ["0001.json", "0002.json"]


@pytest.mark.slow  # Ray gives up where its own processes need more than 30 s to start
def test_ray_writes_the_bytes_of_one_run(
    mapt: Mapt, clips: Path, serial: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    command = ("track", clips, *SMALL, *KINDS, "--engine", "ray", "--workers", 1)
    ran = mapt(*command, "--out", tmp_path / "out")
    assert ran.code == 0 and "4 recordings: 4 tracked, 16 frames" in ran.out, ran.err
    assert outputs(tmp_path / "out") == outputs(serial)


def test_another_option_or_source_is_done_anew(mapt: Mapt, clips: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(clips / "training" / "image_02" / "0000", data)
    command = ("track", data, *SMALL, "--save", "json", "--workers", 1, "--out", tmp_path / "out")
    assert "1 tracked" in mapt(*command).out
    assert "1 were whole" in mapt(*command).out
    assert "1 tracked" in mapt(*command, "--conf", 0.5).out
    os.utime(data / "000000.png", (1, 1))
    assert "1 tracked" in mapt(*command, "--conf", 0.5).out


def test_failures_are_lines_and_the_others_are_done(
    mapt: Mapt, clips: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(clips, data)
    for name in ("0000", "0002"):
        path = data / "training" / "image_02" / name / "000002.png"
        path.write_bytes(path.read_bytes()[:100])
    command = ("track", data, *SMALL, "--save", "json", "--workers", 1)
    ran = mapt(*command, "--out", tmp_path / "out")
    assert ran.code == 2 and "2 tracked, 8 frames; 0 were whole before; 2 failed" in ran.out
    lines = [line for line in ran.err.splitlines() if "is truncated" in line]
    assert len(lines) == 2 and lines[0].startswith("0000: ")
    assert {row["recording"] for row in read_index(FolderStorage(tmp_path / "out"))} == {
        "0001",
        "0003",
    }
    assert not (tmp_path / "out" / "0000").exists()
    stopped = mapt(*command, "--out", tmp_path / "other", "--max-failures", 0)
    assert stopped.code == 2 and "3 not tried, because more than 0 failed" in stopped.out


def test_truth_gives_pat(mapt: Mapt, clips: Path, tmp_path: Path) -> None:
    command = ("track", clips, *SMALL, "--save", "json,step", "--workers", 1, "--truth", clips)
    assert mapt(*command, "--out", tmp_path / "out").code == 0
    rows = list(read_index(FolderStorage(tmp_path / "out")))
    mapt("eval", clips, tmp_path / "out", "--dataset", "kitti-step", "--json", tmp_path / "e.json")
    scores = json.loads((tmp_path / "e.json").read_text())["sequences"]
    assert {row["recording"]: row["pat"] for row in rows} == {
        name: values["PAT"] for name, values in scores.items()
    }


def test_pieces_go_on_where_they_were_and_give_the_bytes_of_one_run(
    mapt: Mapt, clips: Path, serial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mapt.fleet.pieces import label_files, piecewise

    written = list[int]()
    write = label_files.write_frame

    def counted(file: BinaryIO, frame: PanopticFrame) -> None:
        if len(written) == 3:
            written.append(-1)
            raise KeyboardInterrupt
        written.append(frame.stamp_ns)
        write(file, frame)

    out = tmp_path / "out"
    folder = clips / "training" / "image_02" / "0001"
    command = ("track", folder, *SMALL, *KINDS, "--workers", 1, "--piece", 2, "--out", out)
    with monkeypatch.context() as patch:
        patch.setattr(piecewise, "write_frame", counted)
        assert mapt(*command).code == 130
        assert not (out / "0001").exists() and len(list((out / "pieces").rglob("*.state"))) == 1
        written[:] = [-1] * 10  # goes on without an interruption
        ran = mapt(*command)
    assert ran.code == 0 and written[10:] == [200_000_000, 300_000_000], ran.out + ran.err
    found = outputs(out)
    assert found == {n: d for n, d in outputs(serial).items() if "0001/" in n}
    assert not list((out / "pieces").rglob("*.*"))


def test_options_of_one_tracker_and_live_sources_are_refused(
    mapt: Mapt, clips: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out")
    for arguments, told in (
        ((clips, "--workers", 1, "--record", tmp_path / "r"), "--record: is for sources"),
        (("0", "--workers", 1), "0: is live"),
        (("rtsp://127.0.0.1/x", "--engine", "local"), "is live or on a web server"),
        ((clips, "--engine", "locall"), "did you mean 'local'"),
        (
            (clips, "--engine", "ray", "--device", "cuda"),
            "--device cuda: workers of Ray that",
        ),
        ((clips / "none", "--workers", 1), "no such file"),
    ):
        ran = mapt("track", *arguments, *out)
        assert ran.code == 2 and told in ran.err and ran.err.count("\n") == 1, ran.err
    ran = mapt("track", clips, "--workers", 1)
    assert ran.code == 2 and "--out: name the archive" in ran.err
