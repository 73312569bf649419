"""Multi-level RoIAlign against torchvision's per level, and the exported atlas against both."""

import torch
import torchvision
from torch import Tensor

from mapt.ops import multiscale_roi_align
from mapt.ops.roi_align import _on_atlas, roi_levels

STRIDES = (4, 8, 16, 32)


def pyramid(height: int, width: int, batch: int = 1) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.rand(batch, 3, height // s, width // s) for s in STRIDES]


def test_levels_change_exactly_at_the_limits() -> None:
    sides = torch.tensor([1.0, 111.99, 112.0, 223.99, 224.0, 447.99, 448.0, 2000.0])
    boxes = torch.stack((sides * 0, sides * 0, sides, sides), 1)
    assert roi_levels(boxes).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_equals_torchvision_on_each_level() -> None:
    features = pyramid(480, 512, batch=2)
    boxes = torch.tensor(
        [[0, 10, 20, 40, 44], [1, 5, 5, 150, 180], [0, 0, 0, 300, 290], [1, 0, 0, 512, 480], [1, 400, 1, 400, 9]],
        dtype=torch.float32,
    )
    got = multiscale_roi_align(features, boxes, 7, STRIDES)
    for row, level in enumerate((0, 1, 2, 3, 0)):
        want = torchvision.ops.roi_align(features[level], boxes[row : row + 1], 7, 1 / STRIDES[level], 2, True)
        torch.testing.assert_close(got[row : row + 1], want)


def test_the_atlas_equals_the_levels_for_boxes_in_the_image() -> None:
    height, width = 192, 320
    features = pyramid(height, width)
    torch.manual_seed(1)
    corners = torch.rand(200, 2, 2) * torch.tensor([width, height])
    corners[:20] = torch.tensor([[0.0, 0.0], [width, height]]) + torch.randn(20, 1, 2) * 3  # touch every border
    corners = torch.minimum(corners.clamp(min=0), torch.tensor([float(width), float(height)]))
    boxes = torch.cat((torch.zeros(200, 1), corners.amin(1), corners.amax(1)), 1)
    for size in (7, 14):
        got, want = (f(features, boxes, size, STRIDES, 2) for f in (_on_atlas, multiscale_roi_align))
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_no_boxes() -> None:
    assert multiscale_roi_align(pyramid(64, 64), torch.zeros(0, 5), 7, STRIDES).shape == (0, 3, 7, 7)
