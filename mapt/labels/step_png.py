"""Reads and writes KITTI-STEP's PNG format.

A panoptic frame is a pair of classes (H,W) uint8, where 255 is void, and track ids (H,W) int32,
where 0 is no object. Its PNG has R = class and G * 256 + B = id, and is named
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
BACKGROUND = 254  # in KITTI-MOTS' ground truth, what is neither a labelled thing nor ignored
MAX_INSTANCE = 65535

Semantic = NDArray[np.uint8]
Instance = NDArray[np.int32]
Packed = NDArray[np.uint32]
ID_BITS = 16  # a pixel of a packed frame (H,W) uint32 is class << 16 | id


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
    """Pack a panoptic frame into one number class << 16 | id per pixel.

    Args:
        semantic: (H,W) classes, 255 void.
        instance: (H,W) int32 ids.

    Returns:
        (H,W) uint32.

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
    """Unpack a frame (H,W) uint32 into classes (H,W) uint8 and ids (H,W) int32."""
    return (packed >> ID_BITS).astype(np.uint8), (packed & np.uint32(MAX_INSTANCE)).astype(np.int32)


def write_step(path: Path, semantic: Semantic, instance: Instance) -> None:
    """Write a panoptic frame as a STEP PNG.

    The write is not atomic: use it inside a folder that appears as a whole.

    Args:
        path: the file. Missing folders are made.
        semantic: (H,W) uint8 classes, 255 void.
        instance: (H,W) int32 ids in 0..65535.

    Raises:
        InputError: an id is outside 0..65535.
        OSError: the file cannot be written. A part of it may exist.
    """
    data = encode_image(".png", encode_step(semantic, instance), cv2.IMWRITE_PNG_COMPRESSION, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(signed_png(data))


def read_step(path: Path) -> tuple[Semantic, Instance]:
    """Read a STEP PNG.

    Returns:
        Classes (H,W) uint8, 255 void, and ids (H,W) int32.

    Raises:
        InputError: the file is missing, truncated, or not an 8-bit RGB PNG.
    """
    return unpack(read_packed(path))


def read_packed(path: Path) -> Packed:
    """Read a STEP PNG into a packed frame (H,W) uint32.

    OpenCV would silently convert PNGs of other types, so they are refused.

    Raises:
        InputError: the file is missing, truncated, or not an 8-bit RGB PNG.
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
    # B, G, R and an alpha of 255 are one little-endian number 255 << 24 | class << 16 | id.
    packed = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA).view("<u4")[..., 0]
    return np.asarray(packed & np.uint32(0xFFFFFF), np.uint32)
