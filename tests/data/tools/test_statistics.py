import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.data.tools.statistics import REFERENCE, Seen, dataset_statistics, measure, seen_in
from mapt.labels.step_png import write_step

CAR = 13


def _seen(x: float) -> Seen:
    return Seen((x, 0.0, x + 10.0, 20.0), 100)


def test_a_track_with_a_gap() -> None:
    """Frames 0, 1 and 4: two steps are not consecutive, one gap of two frames, a life of five."""
    frames = [
        {(CAR, 1): _seen(0)},
        {(CAR, 1): _seen(3)},
        {},
        {(CAR, 2): _seen(90)},
        {(CAR, 1): _seen(50)},
    ]
    car = measure([frames])["car"]
    assert (car["tracks"], car["masks"], car["objects_per_frame"], car["gaps_per_track"]) == (
        2,
        4,
        0.8,
        0.5,
    )
    assert car["step_px"]["p50"] == 3.0 and car["gap_frames"]["p50"] == 2.0
    assert (car["lifetime_frames"]["p10"], car["lifetime_frames"]["p90"]) == (1.4, 4.6)
    assert car["height_px"]["p50"] == 20.0 and car["area_px"]["p50"] == 100.0


def test_ids_of_two_sequences_are_different_tracks() -> None:
    one = [{(CAR, 1): _seen(0)}]
    assert (
        measure([one, one])["car"]["tracks"] == 2 and measure([one, one])["person"]["tracks"] == 0
    )


def test_objects_of_a_label_map() -> None:
    semantic = np.zeros((8, 12), np.uint8)
    instance = np.zeros((8, 12), np.int32)
    semantic[2:5, 3:9] = CAR
    instance[2:5, 3:9] = 300
    semantic[6:8, 0:2] = CAR  # a crowd: no id
    instance[0, 0] = 5  # an id on road means nothing
    assert seen_in(semantic, instance) == {(CAR, 300): Seen((3, 2, 9, 5), 18)}


def test_the_command_reads_both_forms(mapt: Callable[..., Any], tmp_path: Path) -> None:
    semantic = np.full((10, 20), CAR, np.uint8)
    for frame in range(2):
        path = tmp_path / "png" / "panoptic_maps" / "val" / "0000" / f"{frame:06d}.png"
        write_step(path, semantic, np.ones((10, 20), np.int32))
    (tmp_path / "text").mkdir()
    from pycocotools import mask as coco

    rle = coco.encode(np.asfortranarray(np.ones((10, 20), np.uint8)))["counts"].decode()
    (tmp_path / "text" / "0000.txt").write_text(f"0 1001 1 10 20 {rle}\n1 1001 1 10 20 {rle}\n")
    for form in ("png", "text"):
        ran = mapt("data", "stats", tmp_path / form, "--json", tmp_path / f"{form}.json")
        assert ran.code == 0 and "KITTI-MOTS" in ran.out, ran.err
    first, second = (
        json.loads((tmp_path / f"{form}.json").read_text()) for form in ("png", "text")
    )
    assert first == second and first["car"]["masks"] == 2
    ran = mapt("data", "stats", tmp_path / "nowhere")
    assert ran.code == 2 and "nowhere" in ran.err and ran.err.count("\n") == 1
    ran = mapt("data", "stats", tmp_path / "png", "--json", tmp_path)
    assert ran.code == 2 and "is a folder" in ran.err and not ran.out


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_synthetic_streets_follow_kitti_mots(tmp_path: Path) -> None:
    """Medians within a factor of 2 for cars and people, on a seed nothing else uses."""
    from mapt.synthetic import write_dataset

    write_dataset(tmp_path / "data", 8, 60, (384, 1248), seed=77)
    found = dataset_statistics(tmp_path / "data")
    wanted = json.loads(REFERENCE.read_text())
    for name in ("car", "person"):
        for key in ("height_px", "step_px", "lifetime_frames"):
            assert 0.5 < found[name][key]["p50"] / wanted[name][key]["p50"] < 2, (name, key)
        assert 0.5 < found[name]["objects_per_frame"] / wanted[name]["objects_per_frame"] < 2
        assert found[name]["gaps_per_track"] > 0.1, "occlusion and re-entry"
