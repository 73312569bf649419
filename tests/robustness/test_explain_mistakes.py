"""`mapt explain` refuses damaged decisions and tracks."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.robustness.mistakes import Run, told

ROW: dict[str, Any] = {
    "track": 1,
    "index": 0,
    "frame": "000000",
    "stage": "birth",
    "score": 0.9,
    "threshold": 0.4,
    "margin": 0.5,
    "runner_up": None,
    "gate": None,
}
TRACKS: dict[str, Any] = {
    "frames": [{"tracks": [{"id": 1, "box": [1, 1, 20, 20]}]}, {"tracks": []}]
}
WRONG: tuple[Any, ...] = (None, True, "x", [], {}, float("nan"), float("inf"), -1, 10**400, 1e300)


def life(root: Path, row: Any = None, tracks: Any = None) -> Path:
    run = root / "drive"
    run.mkdir()
    (run / "decisions.jsonl").write_text(json.dumps(ROW if row is None else row) + "\n")
    (run / "tracks.json").write_text(json.dumps(TRACKS if tracks is None else tracks))
    return run


def test_a_life_that_is_whole_is_drawn(mapt: Run, tmp_path: Path, frames: Path) -> None:
    ran = mapt(
        "explain", life(tmp_path, {**ROW, "frame": "000000"}), "--track", 1, "--images", frames
    )
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("key", ROW)
@pytest.mark.parametrize("value", WRONG, ids=lambda v: repr(v)[:10])
def test_decisions_that_are_damaged(
    mapt: Run, tmp_path: Path, frames: Path, key: str, value: Any
) -> None:
    fits = (key in ("runner_up", "gate") and value is None) or (key == "frame" and value == "x")
    if (key in ("score", "threshold", "margin", "runner_up", "gate") and value == -1) or fits:
        pytest.skip("may be")
    run = life(tmp_path, {**ROW, key: value})
    told(mapt("explain", run, "--track", 1, "--images", frames), "decisions.jsonl")


@pytest.mark.parametrize("row", [5, [], "x", None, True, {}, {"track": 1}], ids=str)
def test_decisions_that_are_none(mapt: Run, tmp_path: Path, frames: Path, row: Any) -> None:
    run = life(tmp_path)
    (run / "decisions.jsonl").write_text(json.dumps(row))
    told(mapt("explain", run, "--track", 1, "--images", frames), "decisions.jsonl:1: is damaged")


BOXES: list[Any] = [
    [],
    [1, 2, 3],
    None,
    "abcd",
    ["a", 1, 1, 1],
    [float("nan")] * 4,
    [0, 0, 1e9, 1e9],
    [0, 0, 10**400, 1],
    [-9e4, 0, 5, 5],
    {"0": 1},
    [0, 0, 500, 20],
]


@pytest.mark.parametrize("box", BOXES, ids=lambda b: str(b)[:20])
def test_boxes_that_are_none(mapt: Run, tmp_path: Path, frames: Path, box: Any) -> None:
    run = life(tmp_path, tracks={"frames": [{"tracks": [{"id": 1, "box": box}]}]})
    told(mapt("explain", run, "--track", 1, "--images", frames))


@pytest.mark.parametrize(
    "tracks", [5, [], {}, {"frames": 5}, {"frames": [5]}, {"frames": [{"tracks": 5}]}], ids=str
)
def test_tracks_that_are_none(mapt: Run, tmp_path: Path, frames: Path, tracks: Any) -> None:
    told(
        mapt("explain", life(tmp_path, tracks=tracks), "--track", 1, "--images", frames),
        "tracks.json",
    )


def test_deep_json_is_no_json(mapt: Run, tmp_path: Path, frames: Path) -> None:
    run = life(tmp_path)
    (run / "tracks.json").write_text("[" * 200_000)
    told(mapt("explain", run, "--track", 1, "--images", frames), "tracks.json: is not JSON")
    (run / "decisions.jsonl").write_text("[" * 200_000)
    told(mapt("explain", run, "--track", 1, "--images", frames), "decisions.jsonl:1")


def test_a_frame_that_no_image_is_called(mapt: Run, tmp_path: Path, frames: Path) -> None:
    run = life(tmp_path, {**ROW, "frame": "1000000000"})
    told(mapt("explain", run, "--track", 1, "--images", frames), "has no frame 1000000000")
