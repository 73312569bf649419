"""The KITTI-STEP PNG format, without torch.

A panoptic frame is a pair `semantic (H,W) uint8` (class, 255 void) and `instance (H,W) int32`
(track id, 0 none). On disk it is a PNG with R = class and G * 256 + B = instance, named
`<sequence>/<frame:06d>.png`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.image_files import PNG, encode_image, is_whole_png, signed_png
from mapt.io.user_files import read_file

VOID = 255
BACKGROUND = 254  # KITTI-MOTS ground truth: everything that is neither a labelled thing nor ignored
MAX_INSTANCE = 65535

Semantic = NDArray[np.uint8]
Instance = NDArray[np.int32]
Packed = NDArray[np.uint32]
ID_BITS = 16  # a packed frame (H,W) holds class << 16 | id: a STEP pixel as one number


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
