"""Multi-level RoIAlign against the slow reference and torchvision per level."""

import math

import pytest
import torch
import torchvision
from torch import Tensor

from mapt.ops import compiled, multiscale_roi_align, reference
from mapt.ops.roi_align import roi_levels

pytestmark = pytest.mark.usefixtures("implementation")

STRIDES = (4, 8, 16, 32)


def pyramid(
    height: int, width: int, batch: int = 1, channels: int = 3, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    shapes = [(batch, channels, math.ceil(height / s), math.ceil(width / s)) for s in STRIDES]
    return [torch.rand(shape, generator=random, dtype=dtype) for shape in shapes]


def random_boxes(count: int, batch: int, height: int, width: int) -> Tensor:
    """Of all levels, some partly or altogether outside the image, some of no area."""
    random = torch.Generator().manual_seed(1)
    corner = (
        torch.rand(count, 2, generator=random) * torch.tensor([width * 1.4, height * 1.4])
        - 0.2 * height
    )
    size = torch.rand(count, 2, generator=random) ** 3 * 900
    size[::7] = 0
    image = torch.randint(0, batch, (count, 1), generator=random)
    return torch.cat((image.float(), corner, corner + size), 1)


def per_level(features: list[Tensor], boxes: Tensor, size: int, ratio: int = 2) -> Tensor:
    rows = [
        torchvision.ops.roi_align(
            features[level], row[None].to(features[0].dtype), size, 1 / STRIDES[level], ratio, True
        )
        for level, row in zip(roi_levels(boxes[:, 1:]).tolist(), boxes, strict=True)
    ]
    return torch.cat(rows)


def test_levels_change_exactly_at_the_limits() -> None:
    sides = torch.tensor([1.0, 111.99, 112.0, 223.99, 224.0, 447.99, 448.0, 2000.0])
    boxes = torch.stack((sides * 0, sides * 0, sides, sides), 1)
    assert roi_levels(boxes).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    features = [torch.full((1, 1, 64, 64), float(level)) for level in range(4)]
    inside = torch.cat((torch.zeros(8, 1), boxes + torch.tensor([0.0, 0.0, 0.0, 0.0])), 1)
    got = multiscale_roi_align(features, inside, 1, (1000, 1000, 1000, 1000), 1).flatten()
    assert got.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("size", "ratio", "channels"), [(7, 2, 3), (14, 2, 16), (1, 1, 19), (3, 3, 33), (7, 1, 1)]
)
@pytest.mark.parametrize(("height", "width"), [(193, 311), (33, 65)])
def test_it_equals_torchvision_and_the_reference(
    size: int, ratio: int, channels: int, height: int, width: int, device: str
) -> None:
    features = pyramid(height, width, 2, channels)
    boxes = random_boxes(90, 2, height, width)
    assert len(roi_levels(boxes[:, 1:]).unique()) == 4
    got = multiscale_roi_align(
        [f.to(device) for f in features], boxes.to(device), size, STRIDES, ratio
    ).cpu()
    torch.testing.assert_close(got, per_level(features, boxes, size, ratio), rtol=1e-5, atol=1e-5)
    slow = reference.multiscale_roi_align(features, boxes, size, STRIDES, ratio)
    torch.testing.assert_close(
        got, slow, rtol=1e-4, atol=1e-4
    )  # the reference's points are in float64


def test_gradients_equal_those_of_torchvision(device: str) -> None:
    features = [f.to(device).requires_grad_() for f in pyramid(193, 311, 2, 19, torch.float64)]
    boxes = random_boxes(60, 2, 193, 311).to(device)
    got = multiscale_roi_align(features, boxes.double(), 7, STRIDES)
    want = per_level(features, boxes.double(), 7)
    grad = torch.randn_like(want)
    for a, b in zip(
        torch.autograd.grad(got, features, grad),
        torch.autograd.grad(want, features, grad),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_gradients_by_differences(device: str) -> None:
    features = [f.to(device).requires_grad_() for f in pyramid(33, 40, 2, 2, torch.float64)]
    boxes = random_boxes(12, 2, 33, 40).double()
    boxes[:4] = torch.tensor(
        [[0, 1, 2, 30, 30], [1, -60, -60, 70, 60], [0, 0, 0, 300, 300], [1, 0, 0, 500, 500]]
    )
    boxes = boxes.to(device)
    assert torch.autograd.gradcheck(lambda *f: multiscale_roi_align(f, boxes, 2, STRIDES), features)


def test_no_boxes() -> None:
    assert multiscale_roi_align(pyramid(64, 64), torch.zeros(0, 5), 7, STRIDES).shape == (
        0,
        3,
        7,
        7,
    )


def test_no_boxes_have_zero_gradients(implementation: str) -> None:
    if implementation == "torchvision":
        pytest.skip("the levels are not part of its graph then")
    features = [f.requires_grad_() for f in pyramid(64, 64)]
    multiscale_roi_align(features, torch.zeros(0, 5), 7, STRIDES).sum().backward()
    assert all(f.grad is not None and f.grad.abs().max() == 0 for f in features)


def test_tensors_need_not_be_contiguous() -> None:
    features = pyramid(96, 160, 2, 20)
    boxes = random_boxes(20, 2, 96, 160)
    strided = [f.to(memory_format=torch.channels_last) for f in features]
    columns = boxes.t().contiguous().t()
    got = multiscale_roi_align(strided, columns, 7, STRIDES)
    assert torch.equal(got, multiscale_roi_align(features, boxes, 7, STRIDES))


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 1e30, -1e30, 2.0**31, -(2.0**33), 3e38]
)
def test_wild_boxes_stay_in_memory(implementation: str, value: float) -> None:
    if implementation == "torchvision":
        pytest.skip("torchvision reads memory that is not its own")
    features = [f.requires_grad_() for f in pyramid(96, 160)]
    boxes = torch.tensor([[0.0, 10, 10, 60, 60]]).repeat(15, 1)
    for row in range(15):  # every set of coordinates
        for column in range(4):
            if row + 1 >> column & 1:
                boxes[row, 1 + column] = value
    out = multiscale_roi_align(features, boxes, 7, STRIDES)
    assert out.isfinite().all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(out.sum(), features))


@pytest.mark.parametrize("image", [-1.0, 2.0, 0.5, math.nan, 1e30])
def test_a_box_of_no_image_is_refused(implementation: str, image: float) -> None:
    if implementation == "torchvision":
        pytest.skip("torchvision reads memory that is not its own")
    boxes = torch.tensor([[0.0, 1, 1, 9, 9], [image, 1, 1, 9, 9]])
    with pytest.raises(RuntimeError, match=r"box 1 lies in image .* of a batch of 2"):
        multiscale_roi_align(pyramid(64, 64, 2), boxes, 7, STRIDES)


def test_preallocated_results() -> None:
    features = pyramid(96, 160)
    boxes = random_boxes(9, 1, 96, 160)
    out = torch.full((9, 3, 7, 7), math.nan)
    assert multiscale_roi_align(features, boxes, 7, STRIDES, out=out) is out
    assert torch.equal(out, multiscale_roi_align(features, boxes, 7, STRIDES))
    features[0].requires_grad_()
    with pytest.raises(RuntimeError, match="no gradient"):
        multiscale_roi_align(features, boxes, 7, STRIDES, out=out)


def test_half_precision_features() -> None:
    features = pyramid(96, 160)
    boxes = random_boxes(9, 1, 96, 160)
    if compiled.MISSING or not compiled._enabled:
        pytest.skip("torchvision wants boxes of the features' type")
    with torch.autocast("cpu", torch.bfloat16):
        got = multiscale_roi_align([f.bfloat16() for f in features], boxes, 7, STRIDES)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(
        got.float(), multiscale_roi_align(features, boxes, 7, STRIDES), rtol=0.02, atol=0.02
    )
