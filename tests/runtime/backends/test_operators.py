"""MAPT's operators for ONNX Runtime against those of `mapt.ops`, and how their library is found."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mapt import ops
from mapt.errors import InputError
from mapt.ops.nodes import DOMAIN, VERSION
from mapt.runtime.backends import operators
from mapt.runtime.backends.operators import find_library, library_for
from tests.tools.nodes import Numbers, Tensors, one_node, run

STRIDES = (4, 8, 16, 32)
ROI: dict[str, int | Sequence[int]] = {"output_size": 7, "strides": STRIDES, "sampling_ratio": 2}


def built() -> Path | None:
    try:
        return find_library()[0]
    except InputError:
        return None


LIBRARY = built()
needs_library = pytest.mark.skipif(
    LIBRARY is None, reason="csrc/onnxruntime is not built; `mapt doctor` says why"
)


def same(kind: str, inputs: Tensors, want: Tensor, attributes: Numbers | None = None) -> None:
    """The operator gives what is wanted, and the same bits on one and two threads."""
    model = one_node(kind, inputs, tuple(want.shape), attributes)
    got = [run(model, inputs, LIBRARY, threads) for threads in (1, 2)]
    torch.testing.assert_close(got[0], want, rtol=1e-5, atol=1e-5)
    assert got[0].equal(got[1])


@needs_library
@pytest.mark.parametrize(
    ("batch", "channels", "filters", "kernel", "stride", "padding", "dilation", "shared", "bias"),
    [
        (5, 1, 8, 3, 1, 6, 6, True, False),
        (2, 3, 5, 3, 2, 1, 1, False, True),
        (3, 17, 4, 1, 1, 0, 1, True, True),
        (1, 1, 1, 5, 1, 2, 1, False, False),
        (0, 2, 3, 3, 1, 1, 1, True, True),
    ],
)
def test_deform_conv2d(
    batch: int,
    channels: int,
    filters: int,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    shared: bool,
    bias: bool,
) -> None:
    random = torch.Generator().manual_seed(batch + filters)
    rows, columns = (
        (s + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for s in (23, 37)
    )
    offsets = (
        torch.randn(1 if shared else batch, 2 * kernel**2, rows, columns, generator=random) * 3
    )
    offsets[:, :, 0, 0] = math.nan
    offsets[:, :, 1, 1] = 1e9
    inputs = {
        "input": torch.randn(batch, channels, 23, 37, generator=random),
        "offset": offsets,
        "weight": torch.randn(filters, channels, kernel, kernel, generator=random),
    } | ({"bias": torch.randn(filters, generator=random)} if bias else {})
    sizes = {"stride": stride, "padding": padding, "dilation": dilation}
    want = ops.deform_conv2d(
        inputs["input"], offsets, inputs["weight"], inputs.get("bias"), stride, padding, dilation
    )
    same("DeformConv2d", inputs, want, sizes)


@needs_library
@pytest.mark.parametrize(
    ("count", "channels", "batch", "size", "ratio"),
    [(90, 19, 2, 7, 2), (1, 3, 1, 3, 3), (0, 8, 1, 7, 2)],
)
def test_multiscale_roi_align(count: int, channels: int, batch: int, size: int, ratio: int) -> None:
    """Boxes of every level, some of no area, some partly or altogether outside."""
    random = torch.Generator().manual_seed(count)
    features = {
        f"p{s}": torch.rand(batch, channels, -(-193 // s), -(-311 // s), generator=random)
        for s in STRIDES
    }
    corner = torch.rand(count, 2, generator=random) * 400 - 60
    sides = torch.rand(count, 2, generator=random) ** 3 * 900
    sides[::7] = 0
    image = torch.randint(0, batch, (count, 1), generator=random)
    boxes = torch.cat((image.float(), corner, corner + sides), 1)
    want = ops.multiscale_roi_align([*features.values()], boxes, size, STRIDES, ratio)
    attributes = {**ROI, "output_size": size, "sampling_ratio": ratio}
    same("MultiscaleRoiAlign", {**features, "boxes": boxes}, want, attributes)


@needs_library
@pytest.mark.parametrize(
    ("count", "filters", "height", "width"),
    [(16, 8, 24, 78), (3, 5, 7, 9), (1, 1, 1, 1), (0, 8, 24, 78)],
)
def test_the_motion_step(count: int, filters: int, height: int, width: int) -> None:
    """Full, small and empty masks."""
    random = torch.Generator().manual_seed(count)
    masks = torch.rand(count, 1, height, width, generator=random)
    masks[1:2] = 0
    masks[2:, :, height // 2 :] = 0
    corner = torch.rand(count, 2, generator=random) * torch.tensor([width * 8.0, height * 8.0])
    boxes = torch.cat((corner, corner + torch.rand(count, 2, generator=random) * 90), 1)
    offsets, weights, projection = (
        torch.randn(shape, generator=random)
        for shape in ((4, 18, height, width), (4, filters, 1, 3, 3), (4 * filters,))
    )
    logits, features = ops.propagate_masks(
        masks, offsets * 3, weights, projection, torch.ones(1), boxes
    )
    shared = {"masks": masks, "offsets": offsets * 3, "weights": weights}
    assert features is not None
    same("PropagateMasks", shared | {"projection": projection, "bias": torch.ones(1)}, logits)
    same("PropagatedFeatures", shared | {"boxes": boxes}, features)


@needs_library
@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "has no attribute output_size that is an integer"),
        ({**ROI, "output_size": 7.0}, "has no attribute output_size that is an integer"),
        ({**ROI, "output_size": 0}, "output_size is 0, below 1"),
        ({**ROI, "output_size": 2**40}, "output_size is 1099511627776, above 256"),
        ({**ROI, "sampling_ratio": -1}, "sampling_ratio is -1, below 1"),
        ({**ROI, "sampling_ratio": 2**61}, "sampling_ratio is 2305843009213693952, above 64"),
        ({**ROI, "strides": [4, 8, 16]}, "strides has 3 entries, not 4"),
        ({**ROI, "strides": [4, 8, 0, 32]}, "strides holds 0, below 1"),
        (
            {**ROI, "strides": [4, 8, 16, 2**63 - 1]},
            "strides holds 9223372036854775807, above 32768",
        ),
    ],
)
def test_bad_attributes_are_refused_when_a_session_is_made(attributes: Numbers, words: str) -> None:
    inputs = {name: torch.zeros(1, 2, 8, 8) for name in "abcd"} | {"boxes": torch.zeros(1, 5)}
    with pytest.raises(Exception, match=f"mapt::MultiscaleRoiAlign: {words}"):
        run(one_node("MultiscaleRoiAlign", inputs, (1, 2, 7, 7), attributes), inputs, LIBRARY)


@needs_library
@pytest.mark.parametrize("name", ["stride", "padding", "dilation"])
def test_a_convolutions_numbers_have_an_upper_bound(name: str) -> None:
    inputs = {
        "input": torch.zeros(1, 1, 4, 4),
        "offset": torch.zeros(1, 2, 4, 4),
        "weight": torch.zeros(1, 1, 1, 1),
    }
    attributes = {"stride": 1, "padding": 0, "dilation": 1, name: 2**62}
    with pytest.raises(
        Exception, match=f"mapt::DeformConv2d: {name} is 4611686018427387904, above 32768"
    ):
        run(one_node("DeformConv2d", inputs, (1, 1, 4, 4), attributes), inputs, LIBRARY)


@needs_library
def test_an_empty_tensor_lets_no_other_side_be_endless() -> None:
    inputs = {"input": torch.zeros(1, 1, 4, 4), "offset": torch.zeros(1, 2, 4, 4)}
    inputs["weight"] = torch.zeros(0, 1, 2**26, 2**26)
    model = one_node(
        "DeformConv2d", inputs, (1, 0, 4, 4), {"stride": 1, "padding": 0, "dilation": 1}
    )
    with pytest.raises(
        Exception, match=r"mapt::DeformConv2d: input 2 is \(0,1,67108864,67108864\), .* too large"
    ):
        run(model, inputs, LIBRARY)


@needs_library
@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (
            "MultiscaleRoiAlign",
            {"boxes": torch.ones(1, 5)},
            "box 0 lies in image 1.0* of a batch of 1",
        ),
        (
            "MultiscaleRoiAlign",
            {"boxes": torch.full((1, 5), math.nan)},
            "box 0 lies in image -?nan",
        ),
        ("MultiscaleRoiAlign", {"boxes": torch.zeros(1, 4)}, r"boxes is \(1,4\), not \(1,5\)"),
        (
            "MultiscaleRoiAlign",
            {"p8": torch.zeros(1, 3, 4, 4)},
            r"features is \(1,3,4,4\), not \(1,2,4,4\)",
        ),
        (
            "PropagateMasks",
            {"masks": torch.zeros(2, 2, 8, 9)},
            r"masks is \(2,2,8,9\), not \(2,1,8,9\)",
        ),
        (
            "PropagateMasks",
            {"offsets": torch.zeros(4, 9, 8, 9)},
            r"offsets is \(4,9,8,9\), not \(4,18,8,9\)",
        ),
        ("PropagateMasks", {"projection": torch.zeros(5)}, r"projection is \(5\), not \(12\)"),
        (
            "DeformConv2d",
            {"offset": torch.zeros(3, 18, 8, 9)},
            r"offset is \(3,18,8,9\), not \(2,18,8,9\)",
        ),
        (
            "DeformConv2d",
            {"weight": torch.zeros(5, 4, 3, 3)},
            "weight reads 4 channels, input has 2",
        ),
        (
            "DeformConv2d",
            {"weight": torch.zeros(5, 2, 13, 3)},
            "the kernel is larger than the padded input",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    kind: str, change: dict[str, Tensor], words: str
) -> None:
    pyramid = {f"p{s}": torch.zeros(1, 2, 32 // s, 32 // s) for s in STRIDES} | {
        "boxes": torch.zeros(1, 5)
    }
    motion = {
        "masks": torch.zeros(2, 1, 8, 9),
        "offsets": torch.zeros(4, 18, 8, 9),
        "weights": torch.zeros(4, 3, 1, 3, 3),
    }
    motion |= {"projection": torch.zeros(12), "bias": torch.zeros(1)}
    convolution = {
        "input": torch.zeros(2, 2, 8, 9),
        "offset": torch.zeros(1, 18, 8, 9),
        "weight": torch.zeros(5, 2, 3, 3),
    }
    known: dict[str, tuple[dict[str, Tensor], Numbers]] = {
        "MultiscaleRoiAlign": (pyramid, ROI),
        "PropagateMasks": (motion, {}),
        "DeformConv2d": (convolution, {"stride": 1, "padding": 1, "dilation": 1}),
    }
    inputs = known[kind][0] | change
    attributes = known[kind][1]
    with pytest.raises(Exception, match=f"mapt::{kind}: {words}"):
        run(one_node(kind, inputs, (1,), attributes), inputs, LIBRARY)


@needs_library
def test_the_library_has_the_version_that_export_writes() -> None:
    assert find_library() == (LIBRARY, VERSION)
    assert library_for({DOMAIN: VERSION}, "b") == LIBRARY


def test_graphs_without_own_operators_need_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "FOLDER", tmp_path)
    assert library_for({}, "b") is None


def test_a_missing_library_is_one_line_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "FOLDER", tmp_path)
    with pytest.raises(
        InputError,
        match=r"^b: needs the operators mapt 1; .* are not built; build them: `make kernels`",
    ):
        library_for({"mapt": 1}, "b")
    (tmp_path / "_ort_ops.so").write_bytes(b"\x7fELF")
    with pytest.raises(InputError, match=r"_ort_ops\.so: does not load .*; build them"):
        library_for({"mapt": 1}, "b")


def test_another_version_and_another_domain_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "find_library", lambda: (Path("_ort_ops.so"), 3))
    with pytest.raises(
        InputError,
        match=r"^b: needs the operators mapt 4, _ort_ops\.so has mapt 3; export .*make kernels",
    ):
        library_for({"mapt": 4}, "b")
    with pytest.raises(
        InputError, match=r"^b: needs operators 'com\.else', which this version does not know"
    ):
        library_for({"mapt": 3, "com.else": 1}, "b")
