"""Every program of `examples/` runs on a synthetic street and gives what it promises."""

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from mapt.io.sources.folders import open_sources
from mapt.io.video.reader import probe
from mapt.io.video.writer import VideoWriter

FOLDER = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))
FRAMES = 6
Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a program with arguments in this process, and returns what it printed."""

    def start(name: str, *arguments: object) -> str:
        monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
        capsys.readouterr()
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return start


@pytest.fixture(scope="session")
def frames(street: Path) -> Path:
    """The frames of a street."""
    return street / "training" / "image_02" / "0000"


@pytest.fixture(scope="session")
def clip(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same street as a video."""
    path = tmp_path_factory.mktemp("clip") / "street.mp4"
    writer = VideoWriter(path, (624, 192), 10.0)
    for frame in open_sources(frames)[0]:
        writer.write(frame.stamp_ns, frame.image)
    writer.close()
    return path


def test_there_are_ten_and_each_is_short_and_says_how_it_is_called() -> None:
    assert len(PROGRAMS) == 10
    for name in PROGRAMS:
        text = (FOLDER / f"{name}.py").read_text()
        assert text.count("\n") < 60 and f"python examples/{name}.py" in text, name


def test_webcam(run: Run, bundle: Path, clip: Path, tmp_path: Path) -> None:
    run("webcam", bundle, "--camera", clip, "--save", tmp_path / "seen")
    pictures = sorted((tmp_path / "seen").iterdir())
    assert len(pictures) == FRAMES
    drawn = cv2.imread(str(pictures[-1]))
    assert drawn is not None and drawn.shape == (192, 624, 3)


def test_restream(run: Run, bundle: Path, clip: Path, tmp_path: Path) -> None:
    run("restream", bundle, clip, tmp_path / "out.mkv")
    video = cv2.VideoCapture(str(tmp_path / "out.mkv"))
    read = [video.read()[0] for _ in range(FRAMES + 1)]
    assert read == [True] * FRAMES + [False]
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (624, 192)


def test_count_over_line(run: Run, bundle: Path, frames: Path) -> None:
    told = run("count_over_line", bundle, frames)
    seen = re.search(r"^(\d+) of car seen$", told, re.MULTILINE)
    assert seen and int(seen[1]) > 0
    assert re.search(r"^\d+ to the right\n\d+ to the left$", told, re.MULTILINE)


def test_save_crops(run: Run, bundle: Path, frames: Path, tmp_path: Path) -> None:
    told = run("save_crops", bundle, frames, tmp_path / "crops")
    crops = list((tmp_path / "crops").glob("car_*.png"))
    assert crops and told.startswith(f"{len(list((tmp_path / 'crops').iterdir()))} crops")
    crop = cv2.imread(str(crops[0]), cv2.IMREAD_UNCHANGED)
    assert crop is not None and crop.shape[2] == 4 and set(np.unique(crop[..., 3])) <= {0, 255}


def test_heat_map(run: Run, bundle: Path, frames: Path, tmp_path: Path) -> None:
    run("heat_map", bundle, frames, tmp_path / "cars.png", "--label", "car")
    run("heat_map", bundle, frames, tmp_path / "trains.png", "--label", "train")
    last = cv2.imread(str(sorted(frames.iterdir())[-1]))
    drawn = [cv2.imread(str(tmp_path / name)) for name in ("cars.png", "trains.png")]
    assert last is not None and drawn[0] is not None and drawn[1] is not None
    assert np.abs(drawn[1].astype(int) - last).max() <= 1  # nothing was there
    assert np.abs(drawn[0].astype(int) - last).max() > 60


def test_blur_people(run: Run, bundle: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    run("blur_people", bundle, frames, out, "--labels", "road", "--margin", 0)
    assert probe(out).frames == FRAMES
    first = next(iter(open_sources(out)[0])).image.astype(int)
    original = next(iter(open_sources(frames)[0])).image.astype(int)
    road = np.s_[150:190, 260:360]
    sharpness = [np.abs(np.diff(image[road], axis=1)).mean() for image in (first, original)]
    assert sharpness[0] < sharpness[1] / 2


def test_compare_bundles(run: Run, bundle: Path, frames: Path) -> None:
    told = run("compare_bundles", bundle, bundle, frames)
    assert told.count("ms a frame") == 2 and "same class in 100.00 %" in told


def test_record_and_replay(run: Run, bundle: Path, frames: Path, tmp_path: Path) -> None:
    told = run("record_and_replay", bundle, frames, tmp_path / "run.record")
    assert told.startswith(f"{FRAMES} frames replayed, bit for bit")


def test_deadline_budget(run: Run, bundle: Path, frames: Path) -> None:
    plenty = run("deadline_budget", bundle, frames, "--budget", 1e6)
    assert "0 late" in plenty and "without motion: 0" in plenty
    none = run("deadline_budget", bundle, frames, "--budget", 0.001)
    assert f"{FRAMES} late" in none and "without appearance: 0" not in none


def test_masks_to_coco(run: Run, bundle: Path, frames: Path, tmp_path: Path) -> None:
    run("masks_to_coco", bundle, frames, tmp_path / "coco.json")
    content = json.loads((tmp_path / "coco.json").read_text())
    assert len(content["images"]) == FRAMES and content["images"][0]["file_name"] == "000000.png"
    found = COCO(str(tmp_path / "coco.json"))
    cars = found.getAnnIds(catIds=found.getCatIds(["car"]))
    assert cars
    annotation = found.loadAnns(cars)[0]
    assert found.annToMask(annotation).sum() == annotation["area"] > 0
