"""`mapt data check`: every kind of damage is counted and named, and a good dataset is silent."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mapt.data.tools.check import Findings, check_dataset
from mapt.labels.step_png import read_step, write_step
from tests.data.tools.test_convert import line

Run = Callable[..., Any]


def problems(root: Path, dataset: str = "kitti-step") -> dict[str, list[str]]:
    return named(check_dataset(root, dataset, workers=2), root)


def named(findings: Findings, root: Path) -> dict[str, list[str]]:
    """Problems by kind, with paths below `root`."""
    return {
        kind: [f.replace(f"{root}/", "") for f in files]
        for kind, files in findings.problems.items()
        if files
    }


LABELS = "panoptic_maps/train"


def test_a_good_dataset_has_no_problem(step_root: Path) -> None:
    findings = check_dataset(step_root, "kitti-step")
    assert named(findings, step_root) == {} and not any(findings.notes.values())
    assert findings.frames == {"train/0000": 5, "train/0001": 5}
    found = findings.to_json()
    assert found["classes"]["car"]["tracks"] == 4 and "tracks" not in found["classes"]["sky"]
    assert sum(c["pixels"] for c in found["classes"].values()) == pytest.approx(1)


def grey16(path: Path) -> None:
    assert cv2.imwrite(str(path), np.zeros((96, 320), np.uint16))


def palette(path: Path) -> None:
    """A 1x1 PNG of colour type 3, which OpenCV would read as colours."""
    chunks = (
        (b"IHDR", b"\0\0\0\1\0\0\0\1\x08\3\0\0\0"),
        (b"PLTE", b"\0\0\0"),
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    )
    body = b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (grey16, "is a 16-bit grey PNG"),
        (palette, "is a 8-bit palette PNG"),
        (truncate, "is truncated or damaged"),
    ],
)
def test_unreadable_labels_are_named(
    step_root: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(step_root / LABELS / "0001" / "000002.png")
    found = problems(step_root)
    assert list(found) == ["unreadable"] and len(found["unreadable"]) == 1
    assert (
        found["unreadable"][0].startswith(f"{LABELS}/0001/000002.png: ")
        and words in found["unreadable"][0]
    )


def test_missing_frames_and_unpaired_files_are_named(step_root: Path) -> None:
    (step_root / LABELS / "0000" / "000002.png").unlink()
    (step_root / "training" / "image_02" / "0001" / "000004.png").unlink()
    write_step(
        step_root / LABELS / "0001" / "last.png",
        *read_step(step_root / LABELS / "0001" / "000000.png"),
    )
    assert problems(step_root) == {
        "frame missing": [f"{LABELS}/0000/000002.png"],
        "image without label": ["training/image_02/0000/000002.png"],
        "not named by a frame number": [f"{LABELS}/0001/last.png"],
        "label without image": ["training/image_02/0001/000004"],
    }


def test_names_that_are_times_are_one_gap_each(step_root: Path) -> None:
    for name in ("3", "91403636579763555584"):
        write_step(
            step_root / LABELS / "0000" / f"{name}.png",
            *read_step(step_root / LABELS / "0000" / "000000.png"),
        )
    found = problems(step_root)["frame missing"]
    assert found == [
        f"{LABELS}/0000/91403636579763555584.png: 91403636579763555579 numbers are missing"
        " before it"
    ]


def test_sizes_classes_and_stray_ids(step_root: Path) -> None:
    folder = step_root / LABELS / "0000"
    write_step(folder / "000001.png", np.zeros((90, 320), np.uint8), np.zeros((90, 320), np.int32))
    semantic, instance = read_step(folder / "000003.png")
    semantic[0, 0] = 19
    write_step(folder / "000003.png", semantic, instance)
    semantic, instance = read_step(folder / "000004.png")
    instance[0, 0] = 5  # sky
    write_step(folder / "000004.png", semantic, instance)
    findings = check_dataset(step_root, "kitti-step")
    assert named(findings, step_root) == {
        "size differs": [
            f"{LABELS}/0000/000001.png: (90, 320), its image (96, 320)",
            f"{LABELS}/0000/000001.png: (90, 320), the sequence's first (96, 320)",
        ],
        "unknown class": [f"{LABELS}/0000/000003.png: class 19"],
    }
    assert findings.notes["ids on stuff or void, which do not count"] == [
        str(folder / "000004.png")
    ]


def test_an_id_that_changes_class_in_place_is_named(step_root: Path) -> None:
    path = step_root / LABELS / "0000" / "000003.png"
    semantic, instance = read_step(path)
    write_step(path, np.where(instance == 7, 11, semantic).astype(np.uint8), instance)
    assert problems(step_root) == {
        "id changes class": [
            f"{LABELS}/0000/000003.png: car 7 becomes person",
            f"{LABELS}/0000/000004.png: person 7 becomes car",
        ]
    }


def test_a_car_and_a_person_may_share_a_number(tmp_path: Path) -> None:
    semantic = np.zeros((4, 12), np.uint8)
    instance = np.zeros((4, 12), np.int32)
    semantic[:, :3] = 13
    semantic[:, 8:] = 11
    instance[:, :3] = 1
    instance[:, 8:] = 1
    for number in range(3):
        write_step(tmp_path / "0000" / f"{number:06d}.png", semantic, instance)
    findings = check_dataset(tmp_path, "kitti-step")
    assert named(findings, tmp_path) == {}
    assert findings.notes == {"no images beside the labels": ["0000"]}


def test_texts_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "0000.txt").write_text(
        line(0, 1000, 1, (0, 2, 0, 3)) + line(0, 1000, 1, (4, 5, 0, 3))
    )
    (tmp_path / "0001.txt").write_text("nonsense\n")
    (tmp_path / "0002.txt").write_text(
        line(1, 2000, 1, (0, 2, 0, 3))
        + line(2, 1000, 1, (0, 3, 0, 3))
        + line(2, 1001, 1, (2, 4, 2, 4))
    )
    found = problems(tmp_path, "kitti-mots")
    assert {kind: len(files) for kind, files in found.items()} == {
        "unreadable": 3,
    }
    assert "0000.txt:2: id 1000 is in frame 0 twice" in found["unreadable"][0]
    assert "0001.txt:1: has 1 fields" in found["unreadable"][1]
    assert "overlaps another" in found["unreadable"][2]
    notes = check_dataset(tmp_path, "kitti-mots").notes["id is not class * 1000 + number"]
    assert notes == [f"{tmp_path / '0002.txt'} frame 1: class 1 id 2000"]


def test_the_command_counts_names_and_exits_with_two(
    mapt: Run, step_root: Path, tmp_path: Path
) -> None:
    clean = mapt(
        "data", "check", step_root, "--dataset", "kitti-step", "--json", tmp_path / "out.json"
    )
    assert clean.code == 0 and "2 sequences, 10 frames, 4 car tracks" in clean.out
    assert json.loads((tmp_path / "out.json").read_text())["problems"] == {}
    for number in range(4):
        truncate(step_root / LABELS / "0000" / f"{number:06d}.png")
    ran = mapt(
        "data", "check", step_root, "--dataset", "kitti-step", "--json", tmp_path / "out.json"
    )
    assert (
        ran.code == 2
        and ran.err
        == f"mapt: {step_root}: 4 problems, see the table; correct the files or take them anew\n"
    )
    found = json.loads((tmp_path / "out.json").read_text())["problems"]["unreadable"]
    assert (
        found["count"] == 4 and len(found["first"]) == 3 and "0000/000000.png" in found["first"][0]
    )
    assert "unreadable" in ran.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--dataset", "kitti-step"], "nowhere: no such folder; check the path"),
        (["nowhere", "--dataset", "coco"], "--dataset coco: unknown; choose one of kitti-step"),
        (
            ["empty", "--dataset", "kitti-step", "--json", "."],
            "--json .: is a folder; name a file in it",
        ),
        (
            ["empty", "--dataset", "kitti-step"],
            "empty: holds no <sequence>/<frame>.png; check the path and --dataset",
        ),
    ],
)
def test_mistakes_are_one_line(
    mapt: Run, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    ran = mapt("data", "check", tmp_path / arguments[0], *arguments[1:])
    assert ran.code == 2 and message in ran.err and ran.err.count("\n") == 1


def test_converting_on_the_command_line(mapt: Run, tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "0003.txt").write_text(line(1, 1004, 1, (0, 2, 0, 3)))
    ran = mapt("data", "convert", tmp_path / "text", tmp_path / "step")
    assert ran.code == 0 and "step: 2 PNGs of 1 sequence\n" in ran.out
    assert mapt("data", "convert", tmp_path / "step", tmp_path / "back").code == 0
    assert (tmp_path / "back" / "0003.txt").read_text() == (
        tmp_path / "text" / "0003.txt"
    ).read_text()
    again = mapt("data", "convert", tmp_path / "text", tmp_path / "step")
    assert again.code == 2 and "is already there; name a new folder" in again.err
    wrong = mapt("data", "convert", tmp_path / "step", tmp_path / "new", "--images", tmp_path)
    assert wrong.code == 2 and "is for texts" in wrong.err
    assert mapt("data", "convert", tmp_path / "none", tmp_path / "new").code == 2
