"""The outputs of `mapt track`: where they go, what they are, and what is left out of them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.labels.mots_text import read_mots_text
from mapt.labels.step_png import VOID, read_step

Run = Callable[..., Any]
KINDS = "json,coco,mot,mots,yolo,csv"


@pytest.fixture
def drive(street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three frames, in the folder where the command runs."""
    folder = tmp_path / "drive"
    folder.mkdir()
    for path in sorted((street / "training" / "image_02" / "0000").glob("*.png"))[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return folder


def test_without_out_every_run_gets_a_new_folder(mapt: Run, bundle: Path, drive: Path) -> None:
    for name in ("track", "track2", "track3"):
        ran = mapt("track", drive, "--model", bundle, "--save", "json")
        assert ran.code == 0 and f"outputs: runs/{name}\n" in ran.out, ran.err
        assert (Path("runs") / name / "drive" / "tracks.json").is_file()
    failed = mapt("track", drive, "--model", "nowhere", "--save", "json")
    assert failed.code == 2
    assert sorted(p.name for p in Path("runs").iterdir()) == ["track", "track2", "track3"]


def test_every_kind_tells_of_the_same_tracks(mapt: Run, bundle: Path, drive: Path) -> None:
    ran = mapt("track", drive, "--model", bundle, "--out", "out", "--save", KINDS)
    assert ran.code == 0, ran.err
    out = Path("out") / "drive"
    frames = json.loads((out / "tracks.json").read_text())["frames"]
    tracks = [t for t in frames[-1]["tracks"] if not t["lost"]]
    assert tracks and {t["label_name"] for t in tracks} <= {"car", "person"}
    ids = {t["id"] for t in tracks}
    with (out / "tracks.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["index"] == "2"]
    assert {int(row["id"]) for row in rows} == ids
    assert {o.id for o in read_mots_text(out / "mots.txt")[2]} <= ids
    assert len((out / "yolo" / "000002.txt").read_text().splitlines()) <= len(ids)
    assert (out / "yolo" / "classes.txt").read_text().splitlines()[13] == "car"
    for path in (drive / "000001.png", drive / "000002.png"):
        path.unlink()
    ran = mapt("track", drive, "--model", bundle, "--out", "out", "--save", "yolo")
    assert ran.code == 0, ran.err  # a shorter run leaves no file of the longer one
    assert sorted(p.name for p in (out / "yolo").iterdir()) == ["000000.txt", "classes.txt"]
    assert (out / "mots.txt").exists()


def test_notes_among_the_polygons_are_not_removed(mapt: Run, bundle: Path, drive: Path) -> None:
    common = ("track", drive, "--model", bundle, "--out", "out", "--save", "yolo")
    assert mapt(*common).code == 0
    notes = Path("out") / "drive" / "yolo" / "notes.txt"
    notes.write_text("mine")
    ran = mapt(*common)
    assert ran.code == 2 and "yolo/notes.txt is none; choose another --out" in ran.err
    assert notes.read_text() == "mine"


def test_classes_and_scores_are_chosen_and_the_tracker_stays_as_it_is(
    mapt: Run, bundle: Path, drive: Path
) -> None:
    def run(out: str, *options: object) -> tuple[list[dict[str, Any]], Any, Any]:
        ran = mapt("track", drive, "--model", bundle, "--out", out, "--save", "step,json", *options)
        assert ran.code == 0, ran.err
        content = json.loads((Path(out) / "drive" / "tracks.json").read_text())
        semantic, instance = read_step(Path(out) / "step" / "drive" / "000002.png")
        return content["frames"][-1]["tracks"], semantic, instance

    everything, semantic, instance = run("all")
    cars, car_semantic, car_instance = run("cars", "--classes", "car,road")
    assert cars == [t for t in everything if t["label_name"] == "car"] and cars
    np.testing.assert_array_equal(car_semantic == VOID, ~np.isin(semantic, (0, 13)))
    np.testing.assert_array_equal(car_instance, np.where(semantic == 13, instance, 0))
    scores = sorted(t["score"] for t in everything)
    limit = (scores[0] + scores[-1]) / 2
    sure, _, sure_instance = run("sure", "--conf", limit)
    assert sure == [t for t in everything if t["score"] >= limit]
    assert 0 < len(sure) < len(everything)
    assert set(np.unique(sure_instance)) - {0} <= {t["id"] for t in sure}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--classes", "Car"), "--classes: this network has no class Car; did you mean 'car'?"),
        (("--conf", "1.5"), "--conf"),
        (("--show",), "--show: there is no display"),
        (
            ("--save", "gif"),
            "choose one of step, video, json, coco, mot, mots, yolo, csv, parquet, mcap",
        ),
    ],
)
def test_mistakes_are_a_line_and_leave_nothing(
    mapt: Run,
    bundle: Path,
    drive: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    ran = mapt("track", drive, "--model", bundle, *options)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1, ran.err
    assert not Path("runs").exists()
