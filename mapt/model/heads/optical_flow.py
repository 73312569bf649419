"""Replaces the motion head's offsets by external optical flow, for the ablation of Table V, row 1.

The flow is OpenCV's DIS (Kroeger et al., 2016), which runs everywhere and needs no weights. The
tracker passes only semantic features to the motion head. In this ablation they are therefore the
grey image itself, with the 8 x 8 pixels of a cell as channels.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

CELL = 8
PIXELS = CELL * CELL
LUMA = (0.299, 0.587, 0.114)


def pack_grey(images: Tensor, channels: int) -> Tensor:
    """Pack the grey pixels of images into cells, for optical flow.

    Args:
        images: (B,H,W,3) uint8 RGB.
        channels: of the result, at least 64.

    Returns:
        (B,channels,H/8,W/8) float32. The first 64 channels are the grey pixels of a cell.
    """
    grey = (images.float() @ torch.tensor(LUMA, device=images.device))[:, None]
    packed = nn.functional.pixel_unshuffle(grey, CELL)
    return nn.functional.pad(packed, (0, 0, 0, 0, 0, channels - PIXELS))


def flow_offsets(packed_prev: Tensor, packed: Tensor) -> Tensor:
    """Compute where each cell of a frame was in the frame before.

    Args:
        packed_prev: (B,channels,h,w) from `pack_grey`, of the earlier frame.
        packed: the same of the later frame.

    Returns:
        (B,2,h,w) float32, (dy, dx) in cells of 8 pixels.
    """
    flows = []
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start: Any = None
    for before, now in zip(_grey(packed_prev), _grey(packed), strict=True):
        flow = np.asarray(dis.calc(now, before, start))
        flows.append(
            torch.from_numpy(np.ascontiguousarray(flow[..., ::-1])).permute(2, 0, 1)
        )  # dx, dy -> dy, dx
    return nn.functional.avg_pool2d(torch.stack(flows).to(packed.device), CELL) / CELL


def _grey(packed: Tensor) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Unpack the grey images (H,W) uint8."""
    grey = nn.functional.pixel_shuffle(packed.detach()[:, :PIXELS].float(), CELL)[:, 0]
    return [
        np.ascontiguousarray(image)
        for image in grey.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    ]
