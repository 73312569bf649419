"""The collapsed motion step.

It is compared with the four convolutions, the 1x1 convolution and the RoIAlign that it replaces.
"""

import math

import pytest
import torch
from torch import Tensor

from mapt.ops import compiled, propagate_masks, propagated_features, reference

pytestmark = pytest.mark.usefixtures("implementation")

Arguments = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def make(count: int, filters: int, height: int, width: int, blobs: bool = False) -> Arguments:
    random = torch.Generator().manual_seed(0)
    masks = torch.rand(count, 1, height, width, generator=random)
    if blobs:
        for n in range(count):
            keep = torch.zeros(height, width)
            if n % 3:
                keep[n % height : n % height + 5, 2 * n % width : 2 * n % width + 8] = 1
            masks[n, 0] *= keep
    return (
        masks,
        torch.randn(4, 18, height, width, generator=random) * 3,
        torch.randn(4, filters, 1, 3, 3, generator=random),
        torch.randn(4 * filters, generator=random),
        torch.randn(1, generator=random),
    )


def random_boxes(count: int, height: int, width: int) -> Tensor:
    """Boxes in input pixels, some partly or altogether outside, some of no area."""
    random = torch.Generator().manual_seed(1)
    corner = (torch.rand(count, 2, generator=random) * 1.4 - 0.2) * torch.tensor(
        [width * 8.0, height * 8.0]
    )
    size = torch.rand(count, 2, generator=random) * torch.tensor([width * 8.0, height * 8.0])
    size[::5] = 0
    return torch.cat((corner, corner + size), 1)


@pytest.mark.parametrize("blobs", [False, True])
@pytest.mark.parametrize(
    ("count", "filters", "height", "width"),
    [(3, 5, 12, 20), (20, 16, 9, 33), (1, 1, 1, 1), (17, 2, 7, 5)],
)
def test_it_equals_convolutions_and_a_projection(
    count: int, filters: int, height: int, width: int, blobs: bool, device: str
) -> None:
    host = make(count, filters, height, width, blobs)
    places = random_boxes(count, height, width)
    want_logits, want_features = (t.to(device) for t in reference.propagate_masks(*host, places))
    masks, offsets, weights, projection, bias = (t.to(device) for t in host)
    arguments = (masks, offsets, weights, projection, bias)
    boxes = places.to(device)
    logits, features = propagate_masks(*arguments, boxes)
    assert features is not None
    torch.testing.assert_close(
        logits, want_logits, rtol=1e-5, atol=1e-5 * (1 + want_logits.abs().max().item())
    )
    torch.testing.assert_close(
        features, want_features, rtol=1e-4, atol=1e-4
    )  # the reference's points are in float64
    assert propagate_masks(*arguments)[1] is None
    torch.testing.assert_close(propagated_features(*arguments[:3], boxes), features)


def test_it_has_gradients_where_they_are_wanted() -> None:
    arguments = make(3, 2, 6, 7)
    boxes = random_boxes(3, 6, 7)
    leaves = [x.requires_grad_() for x in arguments]
    logits, features = propagate_masks(*arguments, boxes)
    assert features is not None
    want = reference.propagate_masks(*arguments, boxes)
    got_grads = torch.autograd.grad(logits.square().sum() + features.sum(), leaves)
    want_grads = torch.autograd.grad(want[0].square().sum() + want[1].sum(), leaves)
    for a, b in zip(got_grads, want_grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3 * b.abs().max().item())


def test_an_empty_mask_has_no_features() -> None:
    """What lets training use zeros for boxes without a mask."""
    boxes = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    arguments = (
        torch.zeros(1, 1, 8, 8),
        torch.randn(4, 18, 8, 8),
        torch.randn(4, 2, 1, 3, 3),
        torch.randn(8),
    )
    logits, features = propagate_masks(*arguments, torch.full((1,), 0.5), boxes)
    assert features is not None
    assert features.abs().max() == 0
    assert logits.unique().tolist() == [0.5]


def test_no_masks() -> None:
    arguments = make(0, 3, 8, 9)
    logits, features = propagate_masks(*arguments, torch.zeros(0, 4))
    assert features is not None
    assert logits.shape == (0, 1, 8, 9) and features.shape == (0, 12, 7, 7)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -(2.0**31), 3e38])
def test_wild_offsets_and_boxes_stay_in_memory(implementation: str, value: float) -> None:
    if implementation == "torchvision":
        pytest.skip("torchvision reads memory that is not its own")
    arguments = make(5, 2, 9, 11)
    boxes = random_boxes(5, 9, 11)
    arguments[1].view(-1)[::5] = value
    boxes[:4] = boxes[:4].masked_fill(torch.eye(4, dtype=torch.bool), value)
    logits, features = propagate_masks(*arguments, boxes)
    assert features is not None and logits.isfinite().all() and features.isfinite().all()
    finite = torch.nan_to_num(arguments[1], nan=1e6, posinf=1e6, neginf=-1e6)
    want = reference.propagate_masks(arguments[0], finite, *arguments[2:], boxes[4:].expand(5, 4))[
        0
    ]
    torch.testing.assert_close(logits, want, rtol=1e-4, atol=1e-4)


def test_preallocated_results() -> None:
    arguments = make(5, 2, 9, 11)
    boxes = random_boxes(5, 9, 11)
    out = torch.full((5, 1, 9, 11), math.nan), torch.full((5, 8, 7, 7), math.nan)
    assert propagate_masks(*arguments, boxes, out=out) is out
    logits, features = propagate_masks(*arguments, boxes)
    assert features is not None
    assert torch.equal(out[0], logits) and torch.equal(out[1], features)
    arguments[2].requires_grad_()
    with pytest.raises(RuntimeError, match="no gradient"):
        propagate_masks(*arguments, boxes, out=out)


def test_types_that_differ_are_computed_in_single_precision() -> None:
    if compiled.MISSING or not compiled._enabled:
        pytest.skip("torchvision wants one type")
    arguments = make(5, 2, 9, 11)
    boxes = random_boxes(5, 9, 11)
    got = propagate_masks(arguments[0].bfloat16(), *arguments[1:], boxes)[0]
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(
        got.float(), propagate_masks(*arguments, boxes)[0], rtol=0.05, atol=0.2
    )
