"""Writes tiny datasets in the layouts of the published ones.

All of them show the same drawn scene.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.data.datasets.cityscapes import TRAIN_IDS
from mapt.data.tools.convert import step_to_mots
from mapt.labels.step_png import write_step

SIZE = (96, 320)


def scene(
    frame: int, sequence: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32]]:
    """Draw the image, the semantic map and the instance map of one frame.

    The objects 300 and 7 move. A crowd of people stands still.
    """
    height = SIZE[0]
    semantic = np.zeros(SIZE, np.uint8)
    semantic[: height // 2] = 10
    instance = np.zeros(SIZE, np.int32)
    image = np.full((*SIZE, 3), 90, np.uint8)
    image[: height // 2] = (120, 160, 220)
    for identity, left in ((300, 40 + 12 * frame), (7, 200 - 8 * frame)):
        window = np.s_[50:80, left : left + 50]
        semantic[window] = 13
        instance[window] = identity
        image[window] = (200 if identity == 7 else 30, 40, 40)
    semantic[45:70, 280:300] = 11
    image[:, :, 1] += np.uint8(sequence)
    return image, semantic, instance


def write_step_dataset(root: Path, sequences: int, frames: int) -> Path:
    """Write `scene` frames in KITTI-STEP's layout."""
    for s in range(sequences):
        images = root / "training" / "image_02" / f"{s:04d}"
        images.mkdir(parents=True)
        for f in range(frames):
            image, semantic, instance = scene(f, s)
            assert cv2.imwrite(str(images / f"{f:06d}.png"), image[..., ::-1])
            write_step(
                root / "panoptic_maps" / "train" / f"{s:04d}" / f"{f:06d}.png", semantic, instance
            )
    return root


def write_camvid(root: Path) -> Path:
    """Write three stills 120x160 in CamVid's layout."""
    for folder in ("images", "labels"):
        (root / "train" / folder).mkdir(parents=True)
    for i in range(3):
        label = np.full((120, 160), 3, np.uint8)
        label[:50] = 0
        label[60:80, 20:48] = 8  # one car
        label[55:75, 100:120] = label[62:80, 120:158] = 8  # two cars that touch
        label[50:85, 60:72] = 9  # a person
        image = np.random.default_rng(i).integers(0, 255, (120, 160, 3), np.uint8)
        assert cv2.imwrite(str(root / "train" / "labels" / f"{i:03d}.png"), label)
        assert cv2.imwrite(str(root / "train" / "images" / f"{i:03d}.jpg"), image)
    return root


def write_motchallenge(root: Path) -> Path:
    """Write five frames in MOTChallenge-STEP's layout, numbered from 1.

    They show sky 3 above sidewalk 0, and two people 4 with ids.
    """
    (root / "images" / "train" / "0002" / "img1").mkdir(parents=True)
    for f in range(1, 6):
        image, semantic, instance = scene(f, 0)
        own = np.where(semantic == 10, 3, np.where(instance > 0, 4, 0)).astype(np.uint8)
        assert cv2.imwrite(
            str(root / "images" / "train" / "0002" / "img1" / f"{f:06d}.jpg"), image[..., ::-1]
        )
        write_step(root / "panoptic_maps" / "train" / "0002" / f"{f:06d}.png", own, instance)
    return root


def write_cityscapes(root: Path) -> Path:
    """Write two still images in Cityscapes' layout.

    They show the scene with its people as a group, a truck, and a void parking lot.
    """
    pictures = root / "leftImg8bit" / "train" / "aachen"
    labels = root / "gtFine" / "train" / "aachen"
    pictures.mkdir(parents=True)
    labels.mkdir(parents=True)
    label_ids = np.array([np.flatnonzero(TRAIN_IDS == c)[0] for c in range(19)])
    for f in range(2):
        image, semantic, instance = scene(f, 0)
        ids = label_ids[semantic].astype(np.uint16)
        for number, identity in enumerate((300, 7)):
            ids[instance == identity] = 26000 + number
        ids[85:95, 10:40] = 27003
        ids[85:95, 60:90] = 9
        name = f"aachen_{f:06d}_000019"
        assert cv2.imwrite(str(pictures / f"{name}_leftImg8bit.png"), image[..., ::-1])
        assert cv2.imwrite(str(labels / f"{name}_gtFine_instanceIds.png"), ids)
    return root


def write_kitti_mots(root: Path, text: bool) -> Path:
    """Write two sequences of four frames in KITTI-MOTS' layout.

    They are 0001 (train) and 0002 (val), with two cars and an ignored region.
    """
    for s in (1, 2):
        images = root / "training" / "image_02" / f"{s:04d}"
        labels = root / "instances" / f"{s:04d}"
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for f in range(4):
            image, semantic, instance = scene(f, s)
            ids = np.zeros(SIZE, np.uint16)
            ids[instance > 0] = 1000 + instance[instance > 0] % 1000
            ids[semantic == 11] = 10000
            assert cv2.imwrite(str(images / f"{f:06d}.png"), image[..., ::-1])
            assert cv2.imwrite(str(labels / f"{f:06d}.png"), ids)
    return _as_text(root) if text else root


def _as_text(root: Path) -> Path:
    """The same labels as run-length text."""
    folders = {}
    for folder in sorted((root / "instances").iterdir()):
        for path in sorted(folder.glob("*.png")):
            ids = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.int32)
            semantic = np.where(ids == 10000, 255, np.where(ids, 13, 254)).astype(np.uint8)
            instance = np.where(semantic == 13, ids % 1000 + 1, 0).astype(np.int32)
            write_step(root / "step" / folder.name / path.name, semantic, instance)
            path.unlink()
        folder.rmdir()
        folders[folder.name] = root / "step" / folder.name
    (root / "instances").rmdir()
    step_to_mots(folders, root / "instances_txt")
    return root
