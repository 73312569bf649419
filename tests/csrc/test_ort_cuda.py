"""Runs the operators for ONNX Runtime's CUDA provider (csrc/onnxruntime) without a GPU.

A library is built in which they stand in the CPU provider's place, with the CUDA kernels run as
loops (csrc/shim): inputs, stream, workspace and outputs go through ONNX Runtime as they do on a
GPU.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from mapt.bench.gpu.cases import (
    CONVOLUTIONS,
    STRIDES,
    boxes,
    convolution,
    motion,
    overlaps,
    pyramid,
)
from mapt.contract import BY_NAME, SUBGRAPHS
from mapt.runtime.backends import operators
from mapt.runtime.backends import protocol as backend
from mapt.runtime.backends.operators import find_library, operator_providers
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import Bundle, read_bundle
from mapt.runtime.perception.self_test import difference, self_test
from tests.csrc import cuda_source
from tests.runtime.backends.test_operators import LIBRARY, ROI, needs_library
from tests.tools.nodes import Numbers, Tensors, one_node, run
from tests.tools.once import exported

pytestmark = [cuda_source.needs_compiler, needs_library]
CSRC = cuda_source.CSRC


@pytest.fixture(scope="module")
def cuda_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is registered for CUDA's provider, registered for the CPU's."""
    patterns = ("onnxruntime/*.cpp", "operators/*/onnxruntime.cpp", "operators/*/cuda*.cu")
    sources = [path for pattern in patterns for path in CSRC.glob(pattern)]
    folder = tmp_path_factory.mktemp("ort_cuda")
    built = cuda_source.compile_sources(sources, folder, "-DMAPT_CUDA_AS_CPU")
    return built.rename(folder / "_ort_ops.so")


def cases() -> dict[str, tuple[str, Tensors, Numbers, tuple[int, ...]]]:
    """A node's kind, its inputs, attributes and output's shape."""
    named: dict[str, tuple[str, Tensors, Numbers, tuple[int, ...]]] = {}
    for number, case in enumerate(CONVOLUTIONS):
        tensors, (stride, padding, dilation) = convolution(case)
        names = ("input", "offset", "weight", "bias")
        inputs = {n: t for n, t in zip(names, tensors, strict=True) if t is not None}
        attributes = {"stride": stride, "padding": padding, "dilation": dilation}
        shape = (len(tensors[0]), len(tensors[2]), *tensors[1].shape[2:])
        named[f"convolution {number}"] = ("DeformConv2d", inputs, attributes, shape)
    rows = boxes(60, 2, 193, 311)
    levels = {f"p{s}": level for s, level in zip(STRIDES, pyramid(193, 311), strict=True)}
    named["pooling"] = ("MultiscaleRoiAlign", levels | {"boxes": rows}, ROI, (60, 3, 7, 7))
    for count in (0, 64, 130):
        one = {"suppresses": overlaps(count)}
        named[f"suppression of {count}"] = ("GreedyKeep", one, {}, (count,))
    for sizes in ((20, 9, 33, 16), (3, 30, 5, 2), (0, 4, 4, 2)):
        masks, offsets, weights, projection, bias, places = motion(*sizes)
        both = {"masks": masks, "offsets": offsets, "weights": weights}
        named[f"masks {sizes}"] = (
            "PropagateMasks",
            both | {"projection": projection, "bias": bias},
            {},
            tuple(masks.shape),
        )
        shape = (sizes[0], 4 * sizes[3], 7, 7)
        named[f"features {sizes}"] = ("PropagatedFeatures", both | {"boxes": places}, {}, shape)
    return named


@pytest.mark.parametrize("name", list(cases()))
def test_a_node_for_cuda_computes_what_the_cpus_does(cuda_library: Path, name: str) -> None:
    kind, inputs, attributes, shape = cases()[name]
    model = one_node(kind, inputs, shape, attributes)
    want = run(model, inputs, LIBRARY)
    got = run(model, inputs, cuda_library)
    scale = want.abs().max().item() if want.numel() else 0.0
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5 * (1 + scale))


def test_a_box_of_no_image_gives_zeros_for_nothing_waits_to_look(cuda_library: Path) -> None:
    rows = torch.tensor([[1.0, 1, 1, 40, 40], [2.0, 1, 1, 40, 40]])
    inputs = {f"p{s}": level for s, level in zip(STRIDES, pyramid(64, 64), strict=True)} | {
        "boxes": rows
    }
    model = one_node("MultiscaleRoiAlign", inputs, (2, 3, 7, 7), ROI)
    got = run(model, inputs, cuda_library)
    assert got[0].abs().max() > 0 and got[1].abs().max() == 0
    with pytest.raises(Exception, match="box 1 lies in image 2"):
        run(model, inputs, LIBRARY)


def test_shapes_are_refused_as_on_the_cpu(cuda_library: Path) -> None:
    inputs = {
        "input": torch.zeros(2, 2, 8, 9),
        "offset": torch.zeros(1, 18, 8, 9),
        "weight": torch.zeros(5, 3, 3, 3),
    }
    model = one_node("DeformConv2d", inputs, (1,), {"stride": 1, "padding": 1, "dilation": 1})
    with pytest.raises(Exception, match="mapt::DeformConv2d: weight reads 3 channels, input has 2"):
        run(model, inputs, cuda_library)


@pytest.fixture(scope="module")
def custom(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shipped weights with MAPT's own operators."""
    return read_bundle(exported(tmp_path_factory, "custom"))


def random_inputs(bundle: Bundle, subgraph: str) -> backend.Tensors:
    """Something for every input; boxes that lie in the picture."""
    random = np.random.default_rng(0)
    sizes = bundle.info.sizes
    given = backend.Tensors()
    for tensor in BY_NAME[subgraph].inputs:
        shape = tensor.resolve(sizes)
        if tensor.dtype == "uint8":
            given[tensor.name] = random.integers(0, 256, shape, np.uint8)
        elif tensor.name == "rows":
            given[tensor.name] = np.arange(shape[0], dtype=np.int32) % sizes["D"]
        elif tensor.name == "boxes":
            corners = random.uniform(0, 150, (shape[0], 2))
            given[tensor.name] = np.hstack(
                (corners, corners + random.uniform(8, 90, corners.shape))
            ).astype(np.float32)
        else:
            given[tensor.name] = random.random(shape, np.float32)
    return given


@pytest.mark.parametrize("bound", [False, True])
def test_custom_bundles_run_on_what_is_written_for_cuda(
    cuda_library: Path, custom: Bundle, monkeypatch: pytest.MonkeyPatch, bound: bool
) -> None:
    plain = OrtBackend(custom, 1, "cpu")
    monkeypatch.setattr(operators, "FOLDER", cuda_library.parent)
    cuda = OrtBackend(custom, 1, "cpu", bound=bound)
    for spec in SUBGRAPHS:
        if (
            spec.name == "instance"
        ):  # random features give equal scores, whose order means nothing: the picture below
            continue
        given = random_inputs(custom, spec.name)
        want = plain.run(spec.name, given)
        got = backend.all_on_host(cuda.run(spec.name, given))
        assert {name: difference(want[name], got[name]) <= 1e-5 for name in want} == dict.fromkeys(
            want, True
        )
    self_test(cuda, custom)


def test_the_built_library_says_which_providers_it_is_for(cuda_library: Path) -> None:
    assert operator_providers(cuda_library) == ("CPUExecutionProvider",)
    found = operator_providers(find_library()[0])
    assert found in (("CPUExecutionProvider",), ("CPUExecutionProvider", "CUDAExecutionProvider"))
