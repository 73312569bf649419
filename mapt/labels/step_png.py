"""Label maps and the KITTI-STEP PNG format, without torch.

A panoptic frame is a pair `semantic (H,W) uint8` (class, 255 void) and `instance (H,W) int32`
(track id, 0 none). On disk it is a PNG with R = class and G * 256 + B = instance, named
`<sequence>/<frame:06d>.png`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.atomic_files import read_file
from mapt.io.image_files import PNG, encode_image, is_whole_png, signed_png

VOID = 255
BACKGROUND = 254  # KITTI-MOTS ground truth: everything that is neither a labelled thing nor ignored
MAX_INSTANCE = 65535

Semantic = NDArray[np.uint8]
Instance = NDArray[np.int32]
Packed = NDArray[np.uint32]
ID_BITS = 16  # a packed frame (H,W) holds class << 16 | id: a STEP pixel as one number


@dataclass(frozen=True)
class ClassSet:
    """The classes of a dataset.

    Attributes:
        name: the dataset's name as the command line spells it.
        classes: class names; the index is the train id.
        things: train ids of the classes with instances, ascending.
        palette: one RGB colour per class.
    """

    name: str
    classes: tuple[str, ...]
    things: tuple[int, ...]
    palette: tuple[tuple[int, int, int], ...]

    @property
    def stuff(self) -> tuple[int, ...]:
        """Train ids of the classes without instances."""
        return tuple(c for c in range(len(self.classes)) if c not in self.things)


_CITYSCAPES_CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
_CITYSCAPES_PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
    (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
    (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70),
    (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip

KITTI_STEP = ClassSet("kitti-step", _CITYSCAPES_CLASSES, (11, 13), _CITYSCAPES_PALETTE)
CITYSCAPES_VPS = ClassSet(
    "cityscapes-vps", _CITYSCAPES_CLASSES, tuple(range(11, 19)), _CITYSCAPES_PALETTE
)
MOTCHALLENGE_STEP = ClassSet(
    "motchallenge-step",
    ("sidewalk", "building", "vegetation", "sky", "person", "rider", "bicycle"),
    (4,),
    tuple(_CITYSCAPES_PALETTE[c] for c in (1, 2, 8, 10, 11, 12, 18)),
)
CLASS_SETS = {m.name: m for m in (KITTI_STEP, MOTCHALLENGE_STEP, CITYSCAPES_VPS)}


def encode_step(semantic: Semantic, instance: Instance) -> NDArray[np.uint8]:
    """Pack a panoptic frame into STEP's RGB pixels.

    Args:
        semantic: (H,W) uint8 classes, 255 void.
        instance: (H,W) int32 ids in 0..65535.

    Returns:
        (H,W,3) uint8, R = class, G = id // 256, B = id % 256.

    Raises:
        InputError: an id is outside 0..65535.
    """
    low = int(instance.min(initial=0))
    high = int(instance.max(initial=0))
    if low < 0 or high > MAX_INSTANCE:
        raise InputError(
            f"instance id {low if low < 0 else high} does not fit STEP's 16 bits; renumber ids per"
            " sequence"
        )
    ids = instance.astype(np.uint16)
    return np.dstack((semantic, (ids >> 8).astype(np.uint8), (ids & 255).astype(np.uint8)))


def pack(semantic: Semantic, instance: Instance) -> Packed:
    """One number a pixel, class << 16 | id, of (H,W) uint8 classes and (H,W) int32 ids.

    Raises:
        ValueError: an id is outside 0..65535, or a class outside 0..255.
    """
    if (
        semantic.dtype != np.uint8
        and semantic.size
        and not 0 <= semantic.min() <= semantic.max() <= VOID
    ):
        raise ValueError(
            f"classes {semantic.min()}..{semantic.max()} are not within 0..{VOID}; void is {VOID}"
        )
    if instance.size and (int(instance.min()) < 0 or int(instance.max()) > MAX_INSTANCE):
        raise ValueError(
            f"ids {int(instance.min())}..{int(instance.max())} are not within 0..{MAX_INSTANCE}"
        )
    packed = semantic.astype(np.uint32)
    packed <<= ID_BITS
    packed |= instance.astype(np.uint32)
    return packed


def unpack(packed: Packed) -> tuple[Semantic, Instance]:
    """Classes (H,W) uint8 and ids (H,W) int32 of a packed frame."""
    return (packed >> ID_BITS).astype(np.uint8), (packed & np.uint32(MAX_INSTANCE)).astype(np.int32)


def write_step(path: Path, semantic: Semantic, instance: Instance) -> None:
    """Write a panoptic frame as a STEP PNG into a folder that is published as a whole.

    Raises:
        InputError: an id does not fit.
        OSError: it cannot be written; a part of it may be left then.
    """
    data = encode_image(".png", encode_step(semantic, instance), cv2.IMWRITE_PNG_COMPRESSION, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(signed_png(data))


def read_step(path: Path) -> tuple[Semantic, Instance]:
    """Read a STEP PNG into (semantic (H,W) uint8, instance (H,W) int32).

    Raises:
        InputError: the file is missing, truncated, or not an 8-bit RGB PNG.
    """
    return unpack(read_packed(path))


def read_packed(path: Path) -> Packed:
    """Read a STEP PNG into a packed frame (H,W) uint32.

    Raises:
        InputError: the file is missing, truncated, or not an 8-bit RGB PNG, which OpenCV would
            silently convert.
    """
    data = read_file(path)
    if data[:8] != PNG or data[12:16] != b"IHDR" or len(data) < 33:
        raise InputError(f"{path}: is not a PNG; labels are 8-bit RGB PNGs")
    depth = data[24]
    colour = data[25]
    if depth != 8 or colour != 2:
        kind = {0: "grey", 2: "RGB", 3: "palette", 4: "grey+alpha", 6: "RGBA"}.get(
            colour, f"type {colour}"
        )
        raise InputError(
            f"{path}: is a {depth}-bit {kind} PNG; STEP labels are 8-bit RGB, convert it"
        )
    image = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if is_whole_png(data)
        else None
    )
    if image is None or image.dtype != np.uint8 or image.shape[2:] != (3,):
        raise InputError(f"{path}: is truncated or damaged; write it again")
    # B, G, R and an alpha of 255, read as one little-endian number: 255 << 24 | class << 16 | id.
    packed = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA).view("<u4")[..., 0]
    return np.asarray(packed & np.uint32(0xFFFFFF), np.uint32)
