"""The collapsed motion step against its composition."""

import torch
import torchvision

from mapt.ops import propagate_masks
from mapt.ops.propagate import DILATIONS


def test_collapsed_equals_four_convolutions_and_a_projection() -> None:
    torch.manual_seed(0)
    masks, offsets = torch.rand(3, 1, 12, 20), torch.randn(4, 18, 12, 20) * 3
    weights, projection, bias = torch.randn(4, 5, 1, 3, 3), torch.randn(20), torch.randn(1)
    boxes = torch.tensor([[0.0, 0.0, 160.0, 96.0], [8.0, 8.0, 40.0, 90.0], [100.0, 0.0, 130.0, 20.0]])
    fields = [
        torchvision.ops.deform_conv2d(
            masks, offsets[i : i + 1].expand(3, -1, -1, -1), weights[i], padding=d, dilation=d
        )
        for i, d in enumerate(DILATIONS)
    ]
    features = torch.cat(fields, 1)
    logits, roi = propagate_masks(masks, offsets, weights, projection, bias, boxes)
    torch.testing.assert_close(
        logits, (features * projection[:, None, None]).sum(1, keepdim=True) + bias, atol=1e-4, rtol=1e-4
    )
    rois = torch.cat((torch.arange(3.0)[:, None], boxes), 1)
    assert roi is not None
    torch.testing.assert_close(roi, torchvision.ops.roi_align(features, rois, 7, 1 / 8, 2, True), atol=1e-4, rtol=1e-4)


def test_an_empty_mask_has_no_features() -> None:
    """What lets training use zeros for boxes without a mask."""
    boxes = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    arguments = torch.zeros(1, 1, 8, 8), torch.randn(4, 18, 8, 8), torch.randn(4, 2, 1, 3, 3), torch.randn(8)
    roi = propagate_masks(*arguments, torch.zeros(1), boxes)[1]
    assert roi is not None
    assert roi.abs().max() == 0
