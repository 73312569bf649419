"""Which sizes of objects have an anchor of their own."""

import pytest
import torch

from mapt.config import preset
from mapt.model.fpn import STRIDES
from mapt.model.heads.anchors import anchor_shapes, make_anchors
from mapt.model.heads.rpn import FOREGROUND_IOU


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.4])
def test_micro_has_an_anchor_for_every_object_of_8_to_360_pixels(ratio: float) -> None:
    config = preset("micro")
    shapes = [
        make_anchors(anchor_shapes(config, level), 1, 1, stride)
        for level, stride in enumerate(STRIDES)
    ]
    anchors = torch.cat(shapes)
    sizes = (anchors[:, 2:] - anchors[:, :2]).double()  # (A,2) width, height
    for size in torch.logspace(torch.tensor(8.0).log10(), torch.tensor(360.0).log10(), 40).double():
        wanted = torch.stack((size / ratio**0.5, size * ratio**0.5))
        both = torch.minimum(sizes, wanted).prod(1)  # about one centre
        iou = both / (sizes.prod(1) + wanted.prod() - both)
        assert float(iou.max()) > FOREGROUND_IOU - 0.03, float(size)
