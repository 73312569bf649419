"""Propagates masks by optical flow in place of the motion head.

The paper runs this ablation with FlowNet2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.runtime.backends.protocol import Backend

CELL = 8
SURE = 1e-4  # masks stay this far from 0 and 1, whose logits are infinite


class FlowMotion:
    """A backend whose motion head is OpenCV's DIS optical flow between the last two pictures.

    The flow is that of Kroeger et al., 2016.

    It gives no features for embeddings, so it is for association "motion".

    Args:
        backend: runs the other heads; its weights play no part in the motion.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.name = "flow"
        self.info = backend.info
        self.providers = {**backend.providers, "motion": "OpenCV"}
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._pictures: list[NDArray[np.uint8]] = []

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`."""
        if subgraph == "backbone":
            grey = np.asarray(cv2.cvtColor(inputs["image"][0], cv2.COLOR_RGB2GRAY), np.uint8)
            self._pictures = [*self._pictures[-1:], grey]
        if subgraph != "motion":
            return self.backend.run(subgraph, inputs)
        sizes = self.info.sizes
        masks = self._carried(np.asarray(inputs["masks_prev"], np.float32)).clip(SURE, 1 - SURE)
        return {
            "propagated": np.log(masks / (1 - masks)),
            "f_p": np.zeros((sizes["N"], sizes["M"], 7, 7), np.float32),
        }

    def _carried(self, masks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Masks (N,1,h,w) of the frame before, where the flow finds each cell of this frame."""
        if len(self._pictures) < 2:
            return masks
        before, now = self._pictures
        height, width = masks.shape[2:]
        flow = np.asarray(self._dis.calc(now, before, np.empty(0, np.float32)))
        flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) / CELL
        y, x = np.mgrid[:height, :width].astype(np.float32)
        places = (x + flow[..., 0]).astype(np.float32), (y + flow[..., 1]).astype(np.float32)
        return np.stack(
            [cv2.remap(mask[0], *places, cv2.INTER_LINEAR)[None] for mask in masks]
        ).astype(np.float32)
