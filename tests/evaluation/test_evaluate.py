from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.config import preset
from mapt.errors import InputError
from mapt.evaluation.evaluate import choose_sequences, evaluate
from mapt.evaluation.torch_backend import TorchBackend
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.step_png import write_step
from mapt.model.network import Network


@pytest.fixture
def backend() -> TorchBackend:
    return TorchBackend(Network(preset("nano", height=64, width=160)).eval())


@pytest.fixture
def val_folder(step_folder: Path) -> Path:
    (step_folder / "panoptic_maps" / "train").rename(step_folder / "panoptic_maps" / "val")
    return step_folder


def test_every_frame_is_tracked_and_scored(backend: TorchBackend, val_folder: Path) -> None:
    seen: list[tuple[str, int]] = []
    results = evaluate(
        backend, val_folder, on_progress=lambda name, count: seen.append((name, count))
    )
    assert seen == [("0000", n) for n in (1, 2, 3, 4)]
    assert results.dataset.num_gt_tracks == 2 and results.dataset.N_IDS == 6
    assert set(results.sequences) == {"0000"}
    assert results == evaluate(backend, val_folder, sequences=["0000"])


def test_bad_folders_and_frames_are_named(backend: TorchBackend, val_folder: Path) -> None:
    with pytest.raises(InputError, match="has no sequence '0007' in val; it has 0000"):
        evaluate(backend, val_folder, sequences=["0007"])
    with pytest.raises(InputError, match="no such folder"):
        evaluate(backend, val_folder, "train")
    label = val_folder / "panoptic_maps" / "val" / "0000" / "000003.png"
    write_step(label, np.full((80, 200), 77, np.uint8), np.zeros((80, 200), np.int32))
    with pytest.raises(
        InputError, match=r"000003\.png: has class 77, kitti-step knows 0\.\.18 and 255"
    ):
        evaluate(backend, val_folder, labels=KITTI_STEP)
    image = val_folder / "training" / "image_02" / "0000" / "000002.png"
    assert cv2.imwrite(str(image), np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(InputError, match=r"000002\.png: label \(80, 200\) and image \(10, 20\)"):
        evaluate(backend, val_folder)


def test_frames_are_found_to_be_misnamed_before_any_is_tracked(val_folder: Path) -> None:
    images = val_folder / "training" / "image_02" / "0000"
    labels = val_folder / "panoptic_maps" / "val" / "0000"
    for folder in (images, labels):
        (folder / "000003.png").rename(folder / "02.png")
    with pytest.raises(InputError, match=r"02\.png: is the frame of 000002\.png again"):
        choose_sequences(val_folder, "val", ())
    for folder in (images, labels):
        (folder / "02.png").rename(folder / "last.png")
    with pytest.raises(InputError, match=r"last\.png: is not named by its frame's number"):
        choose_sequences(val_folder, "val", ())
