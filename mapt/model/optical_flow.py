"""External optical flow in place of the motion head's offsets: the ablation of Table V, row 1.

Any flow would do; OpenCV's DIS (Kroeger et al., 2016) runs everywhere and needs no weights. The
tracker hands the motion head semantic features, so for this ablation those hold the grey image
itself, a cell's 8 x 8 pixels as channels.
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
    """Pack the gray pixels of images into cells, for optical flow.

    Images (B,H,W,3) uint8 RGB become (B,channels,H/8,W/8) float32. The gray pixels of a cell are in
    the first 64 channels.
    """
    grey = (images.float() @ torch.tensor(LUMA, device=images.device))[:, None]
    packed = nn.functional.pixel_unshuffle(grey, CELL)
    return nn.functional.pad(packed, (0, 0, 0, 0, 0, channels - PIXELS))


def flow_offsets(packed_prev: Tensor, packed: Tensor) -> Tensor:
    """Where each cell of a frame was in the frame before.

    Args:
        packed_prev: (B,channels,h,w) of `pack_grey`.
        packed: the same, of the later frame.

    Returns:
        (B,2,h,w) float32 [dy, dx] in cells of 8 pixels.
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
    """The grey images (H,W) uint8 again."""
    grey = nn.functional.pixel_shuffle(packed.detach()[:, :PIXELS].float(), CELL)[:, 0]
    return [
        np.ascontiguousarray(image)
        for image in grey.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    ]
