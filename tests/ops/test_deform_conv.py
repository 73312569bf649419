"""Deformable convolution against the slow reference, torchvision and its own gradients."""

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor

from mapt.ops import compiled, deform_conv2d, reference

pytestmark = pytest.mark.usefixtures("implementation")

# batch, channels, filters, kernel, height, width, shared, stride, padding, dilation, bias
CASES = [
    (20, 1, 16, 3, 13, 21, True, 1, 1, 1, False),
    (17, 1, 5, 3, 7, 9, True, 1, 12, 12, True),
    (1, 1, 1, 3, 1, 1, True, 1, 1, 1, True),
    (4, 1, 3, 1, 5, 7, True, 1, 0, 1, True),
    (3, 1, 2, 5, 11, 6, True, 1, 2, 1, False),
    (3, 1, 2, 3, 9, 8, False, 1, 1, 1, True),
    (4, 3, 6, 3, 5, 13, True, 1, 3, 3, True),
    (2, 3, 7, 3, 12, 9, False, 2, 1, 1, True),
    (2, 19, 33, 3, 8, 11, False, 1, 1, 1, False),
    (1, 64, 64, 3, 9, 31, True, 1, 1, 1, True),
    (2, 2, 4, 2, 6, 7, False, 3, 2, 2, True),
]


def make(
    case: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    spread: float = 5.0,
    device: str = "cpu",
) -> dict[str, Any]:
    batch, channels, filters, kernel, height, width, shared, stride, padding, dilation, bias = case
    random = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=dtype).to(device)

    oh, ow = (
        (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for side in (height, width)
    )
    return {
        "input": normal(batch, channels, height, width),
        "offset": (
            normal(1 if shared else batch, 2 * kernel * kernel, oh, ow) * spread
        ),  # many samples fall outside
        "weight": normal(filters, channels, kernel, kernel),
        "bias": normal(filters) if bias else None,
    }


def apply(tensors: tuple[Tensor, ...], geometry: tuple[int, ...]) -> Tensor:
    """Input, offset, weight and perhaps a bias; stride, padding, dilation."""
    bias = tensors[3] if len(tensors) > 3 else None
    return deform_conv2d(tensors[0], tensors[1], tensors[2], bias, *geometry)


@pytest.mark.parametrize("case", CASES)
def test_it_equals_reference_and_torchvision(case: tuple[int, ...], device: str) -> None:
    t = make(case, device=device)
    geometry = case[7:10]
    got = deform_conv2d(**t, stride=geometry[0], padding=geometry[1], dilation=geometry[2])
    host = make(case)
    slow = reference.deform_conv2d(
        host["input"], host["offset"], host["weight"], host["bias"], *geometry
    )
    expanded = t["offset"].expand(case[0], -1, -1, -1)
    want = torchvision.ops.deform_conv2d(t["input"], expanded, t["weight"], t["bias"], *geometry)
    scale = want.abs().max().item() + 1
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5 * scale)
    torch.testing.assert_close(got.cpu(), slow, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("case", CASES)
def test_gradients_equal_those_of_torchvision(case: tuple[int, ...], device: str) -> None:
    t = make(case, torch.float64, device=device)
    geometry = case[7:10]
    leaves = [x.requires_grad_() for x in t.values() if x is not None]
    got = deform_conv2d(**t, stride=geometry[0], padding=geometry[1], dilation=geometry[2])
    expanded = t["offset"].expand(case[0], -1, -1, -1)
    want = torchvision.ops.deform_conv2d(t["input"], expanded, t["weight"], t["bias"], *geometry)
    grad = torch.randn_like(want)
    for ours, theirs in zip(
        torch.autograd.grad(got, leaves, grad), torch.autograd.grad(want, leaves, grad), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c[0] * c[1] * c[2] * c[4] * c[5] < 900 or c[0] == 2]
)
def test_gradients_by_differences(case: tuple[int, ...], device: str) -> None:
    if case[1] > 8:
        case = (2, 3, 2, 3, 4, 5, False, 1, 1, 1, True)
    t = make(case, torch.float64, 0.3, device)
    t["offset"] = (
        t["offset"].floor() * 2 + 0.2 + 0.6 * torch.rand_like(t["offset"])
    )  # away from the kinks
    leaves = [x.requires_grad_() for x in t.values() if x is not None]
    assert torch.autograd.gradcheck(lambda *x: apply(x, case[7:10]), leaves)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_an_image_has_the_bits_that_it_has_alone(dtype: torch.dtype, implementation: str) -> None:
    """However many share the lanes of vectors: full ones, and a narrow one for the rest."""
    if implementation == "torchvision":
        pytest.skip("torchvision multiplies matrices, whose sums depend on their size")
    whole = make((33, 1, 5, 3, 6, 9, True, 1, 1, 1, True), torch.float32)
    given = {name: value.to(dtype) for name, value in whole.items()}
    images = given.pop("input")
    rest = (given["offset"], given["weight"], given["bias"], 1, 1, 1)
    alone = torch.cat([deform_conv2d(image[None], *rest) for image in images])
    for batch in (2, 3, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 33):
        assert torch.equal(deform_conv2d(images[:batch], *rest), alone[:batch]), batch


def test_a_whole_pixel_offset_is_a_shift() -> None:
    x = torch.zeros(2, 1, 5, 6)
    x[:, 0, 2, 3] = 1.0
    offset = torch.zeros(1, 18, 5, 6)
    offset[:, 1::2] = 1.0  # every tap reads one pixel to the right
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1.0
    out = deform_conv2d(x, offset, weight, padding=1)
    assert out[0, 0].argmax().item() == 2 * 6 + 2
    assert out.sum().item() == pytest.approx(2.0)


def test_no_instances() -> None:
    x = torch.zeros(0, 1, 4, 4)
    offset = torch.zeros(1, 18, 4, 4, requires_grad=True)
    out = deform_conv2d(x, offset, torch.ones(2, 1, 3, 3), padding=1)
    assert out.shape == (0, 2, 4, 4)
    out.sum().backward()
    assert offset.grad is not None and offset.grad.abs().max() == 0


def test_tensors_need_not_be_contiguous() -> None:
    t = make((5, 3, 4, 3, 6, 7, True, 1, 1, 1, True))
    strided = {
        k: v if v is None else v.transpose(-1, -2).contiguous().transpose(-1, -2)
        for k, v in t.items()
        if k != "bias"
    }
    strided["input"] = t["input"].to(memory_format=torch.channels_last)
    got, want = (
        deform_conv2d(**x, bias=t["bias"], padding=1) for x in (strided, {k: t[k] for k in strided})
    )
    assert torch.equal(got, want)
    x = t["input"]
    x.requires_grad_()
    out = deform_conv2d(x, t["offset"], t["weight"], padding=1)
    grad = torch.randn(5, 4, 7, 6).transpose(2, 3)
    a, b = (torch.autograd.grad(out, x, g, retain_graph=True)[0] for g in (grad, grad.contiguous()))
    assert torch.equal(a, b)


@pytest.mark.parametrize("channels", [1, 3])
def test_wild_offsets_read_nothing(channels: int) -> None:
    if compiled.MISSING or not compiled._enabled:
        pytest.skip("torchvision reads memory that is not its own")
    t = make((3, channels, 2, 3, 6, 7, True, 1, 1, 1, False), spread=1.0)
    offset = t["offset"]
    wild = [
        float("nan"),
        float("inf"),
        -float("inf"),
        1e30,
        -1e30,
        2.0**31,
        -(2.0**31),
        3e9,
        -1e9,
        1e-40,
    ]
    flat = offset.view(-1)
    flat[torch.arange(0, flat.numel(), 3)] = torch.tensor(wild).repeat(flat.numel())[
        : len(range(0, flat.numel(), 3))
    ]
    leaves = [t[k].requires_grad_() for k in ("input", "offset", "weight")]
    out = apply(tuple(leaves), (1, 1, 1))
    want = reference.deform_conv2d(leaves[0], offset.detach(), leaves[2], padding=1)
    torch.testing.assert_close(out, want, rtol=1e-5, atol=1e-5)
    for grad in torch.autograd.grad(out.sum(), leaves):
        assert grad.isfinite().all()


def test_preallocated_results(device: str) -> None:
    t = make((4, 1, 3, 3, 6, 7, True, 1, 1, 1, True), device=device)
    out = torch.full((4, 3, 6, 7), float("nan"), device=device)
    assert deform_conv2d(**t, padding=1, out=out) is out
    assert torch.equal(out, deform_conv2d(**t, padding=1))
    t["weight"].requires_grad_()
    with pytest.raises(RuntimeError, match="no gradient"):
        deform_conv2d(**t, padding=1, out=out)


def test_autocast_computes_in_single_precision(device: str) -> None:
    t = make((4, 1, 3, 3, 6, 7, True, 1, 1, 1, False), device=device)
    want = deform_conv2d(**t, padding=1)
    with torch.autocast(device, torch.bfloat16):
        got = deform_conv2d(**{**t, "input": t["input"].bfloat16()}, padding=1)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), want, rtol=0.05, atol=0.2)
