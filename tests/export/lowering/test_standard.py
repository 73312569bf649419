"""MAPT's operators as ONNX's own, in both lowerings, against `mapt.ops`."""

import onnx
import pytest
import torch
from torch import Tensor

from mapt import ops
from mapt.export.lowering.lowering import Lowering, lower
from tests.tools.nodes import Numbers, Tensors, one_node, run

STRIDES = (4, 8, 16, 32)
LOWERINGS: tuple[Lowering, ...] = ("standard", "gridsample")
KNOWN = {"standard": {"DeformConv", "RoiAlign"}, "gridsample": {"GridSample"}}

pytestmark = pytest.mark.parametrize("lowering", LOWERINGS)


def same(
    lowering: Lowering,
    kind: str,
    inputs: Tensors,
    want: Tensor,
    attributes: Numbers | None = None,
    constants: Tensors | None = None,
) -> None:
    """Lowered, the operator gives what is wanted, and nothing is left of MAPT's domain."""
    model = one_node(kind, inputs, tuple(want.shape), attributes, constants)
    lower(model, lowering)
    onnx.checker.check_model(model, full_check=True)
    assert {opset.domain for opset in model.opset_import} == {""}
    assert {n.op_type for n in model.graph.node} & {
        "DeformConv",
        "RoiAlign",
        "GridSample",
    } <= KNOWN[lowering]
    torch.testing.assert_close(run(model, inputs), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("batch", "channels", "shared", "bias"),
    [(3, 1, True, True), (2, 4, False, False), (1, 2, True, True)],
)
def test_deform_conv2d(
    lowering: Lowering, batch: int, channels: int, shared: bool, bias: bool
) -> None:
    torch.manual_seed(batch)
    inputs = {
        "input": torch.rand(batch, channels, 13, 21),
        "offset": torch.randn(1 if shared else batch, 18, 7, 11),
    }
    constants = {"weight": torch.randn(5, channels, 3, 3)} | (
        {"bias": torch.randn(5)} if bias else {}
    )
    sizes = {"stride": 2, "padding": 1, "dilation": 1}
    tensors = [*inputs.values(), *constants.values()]
    want = ops.deform_conv2d(*tensors, stride=2, padding=1)  # type: ignore[misc, arg-type]
    same(lowering, "DeformConv2d", inputs, want, sizes, constants)


@pytest.mark.parametrize("size", [7, 14])
@pytest.mark.parametrize(("height", "width"), [(192, 320), (96, 608)])
def test_the_atlas_equals_the_levels_for_boxes_in_the_image(
    lowering: Lowering, size: int, height: int, width: int
) -> None:
    torch.manual_seed(1)
    limit = torch.tensor([float(width), float(height)])
    features = {f"p{s}": torch.rand(1, 3, height // s, width // s) for s in STRIDES}
    corners = torch.rand(200, 2, 2) * limit
    corners[:20] = (
        torch.tensor([[0.0, 0.0], [width, height]]) + torch.randn(20, 1, 2) * 3
    )  # touch every border
    corners = torch.minimum(corners.clamp(min=0), limit)
    boxes = torch.cat((torch.zeros(200, 1), corners.amin(1), corners.amax(1)), 1)
    want = ops.multiscale_roi_align([*features.values()], boxes, size, STRIDES)
    attributes: Numbers = {"output_size": size, "strides": STRIDES, "sampling_ratio": 2}
    same(lowering, "MultiscaleRoiAlign", {**features, "boxes": boxes}, want, attributes)


@pytest.mark.parametrize(("height", "width"), [(24, 80), (9, 13)])
def test_the_motion_step(lowering: Lowering, height: int, width: int) -> None:
    torch.manual_seed(2)
    masks = torch.rand(6, 1, height, width)
    offsets = torch.randn(4, 18, height, width) * 2
    weights = torch.randn(4, 5, 1, 3, 3)
    projection = torch.randn(20)
    bias = torch.randn(1)
    corner = torch.rand(6, 2) * torch.tensor([width * 4.0, height * 4.0])
    boxes = torch.cat((corner, corner + torch.tensor([width * 4.0, height * 4.0])), 1)
    logits, features = ops.propagate_masks(masks, offsets, weights, projection, bias, boxes)
    assert features is not None
    inputs = {"masks": masks, "offsets": offsets}
    constants = {"weights": weights, "projection": projection, "bias": bias}
    same(lowering, "PropagateMasks", inputs, logits, None, constants)
    model = one_node(
        "PropagatedFeatures", {**inputs, "weights": weights, "boxes": boxes}, tuple(features.shape)
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights.numpy(), "weights"))
    del model.graph.input[2]
    lower(model, lowering)
    onnx.checker.check_model(model, full_check=True)
    torch.testing.assert_close(
        run(model, {**inputs, "boxes": boxes}), features, rtol=1e-4, atol=1e-4
    )


def test_weights_that_are_no_constants_have_no_lowering(lowering: Lowering) -> None:
    inputs = {
        "masks": torch.zeros(1, 1, 8, 8),
        "offsets": torch.zeros(4, 18, 8, 8),
        "weights": torch.zeros(4, 2, 1, 3, 3),
    }
    inputs |= {"projection": torch.zeros(8), "bias": torch.zeros(1)}
    with pytest.raises(RuntimeError, match="its input weights is not a constant"):
        lower(one_node("PropagateMasks", inputs, (1, 1, 8, 8)), lowering)
