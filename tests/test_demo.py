from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mapt.labels.step_png import write_step

Run = Callable[..., Any]


def test_the_chain_on_synthetic_streets(mapt: Run, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = mapt("demo", "--frames", 4, "--model", bundle, "--out", out)
    assert ran.code == 0, ran.err
    for words in (
        "mapt synth",
        "mapt track",
        "mapt eval",
        "mapt bench",
        "PAT",
        "identities",
        "contact_sheet.png",
    ):
        assert words in ran.out, words
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet is not None and sheet.std() > 10
    for sequence in ("0000", "0001"):
        video = cv2.VideoCapture(str(out / sequence / "video.mp4"))
        assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 4


def test_real_frames_are_tracked_without_scores(
    mapt: Run, bundle: Path, street: Path, tmp_path: Path
) -> None:
    source = street / "training" / "image_02" / "0000"
    ran = mapt("demo", "--input", source, "--model", bundle, "--out", tmp_path / "out")
    assert ran.code == 0 and "mapt eval" not in ran.out, ran.err
    assert (tmp_path / "out" / "0000" / "video.mp4").is_file()
    assert len(list((tmp_path / "out" / "step" / "0000").iterdir())) == 6


def test_other_frames_tracked_into_the_same_folder_before_are_not_scored(
    mapt: Run, bundle: Path, tmp_path: Path
) -> None:
    other = tmp_path / "out" / "step" / "mine" / "000000.png"
    write_step(other, np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.int32))
    ran = mapt("demo", "--frames", 4, "--model", bundle, "--out", tmp_path / "out")
    assert ran.code == 0 and "mapt eval" in ran.out and "--sequences 0000,0001" in ran.out, ran.err


def test_a_wrong_input_is_said_before_the_export(mapt: Run, tmp_path: Path) -> None:
    ran = mapt("demo", "--input", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert (
        ran.code == 2
        and "nowhere: no such file or folder" in ran.err
        and not (tmp_path / "out").exists()
    )


def test_a_wrong_model(mapt: Run, tmp_path: Path) -> None:
    ran = mapt("demo", "--model", tmp_path / "none.safetensors", "--out", tmp_path / "out")
    assert ran.code == 2 and "none.safetensors" in ran.err and not (tmp_path / "out").exists()
