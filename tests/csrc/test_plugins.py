"""TensorRT's plugins (csrc/tensorrt), compiled without nvcc, with the kernels run as loops.

One test takes them through TensorRT-RTX's registry in a process of its own; the others call them as
TensorRT would.
"""

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from mapt.bench.gpu.cases import CONVOLUTIONS, STRIDES, boxes, convolution, pyramid
from mapt.bench.gpu.checks import plugins as plugin_check
from mapt.bench.gpu.checks.plugins import ROI, plugins, run
from mapt.bench.gpu.context import Context
from mapt.ops.nodes import DOMAIN, VERSION
from tests.csrc import cuda_source
from tests.export.conftest import has_tensorrt
from tests.ops.conftest import needs_compiled

ROOT = Path(__file__).parents[2]
CONVOLUTION = {"stride": [2], "padding": [1], "dilation": [1]}


def headers() -> Path | None:
    sys.path.insert(0, str(ROOT / "csrc"))
    try:
        found: Path = importlib.import_module("nvcc").find_tensorrt()
        return found
    except FileNotFoundError:
        return None
    finally:
        sys.path.pop(0)


pytestmark = [
    cuda_source.needs_compiler,
    needs_compiled,
    pytest.mark.skipif(
        headers() is None, reason="no TensorRT headers: TENSORRT_ROOT, or pip install kernel-lens"
    ),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugins and csrc/tests/plugins.cpp, in seconds."""
    sources = [
        *ROOT.glob("csrc/tensorrt/*.cpp"),
        *ROOT.glob("csrc/operators/*/tensorrt.cpp"),
        ROOT / "csrc/tests/plugins.cpp",
        *ROOT.glob("csrc/operators/*/cuda*.cu"),
    ]
    return cuda_source.compile_sources(
        sources,
        tmp_path_factory.mktemp("plugins"),
        "-isystem",
        str(headers()),
        "-I",
        str(ROOT / "csrc/shim"),
    )


@pytest.mark.parametrize(
    ("dtype", "step"), [(torch.float32, 1e-5), (torch.float16, 2.0**-10), (torch.bfloat16, 2.0**-7)]
)
@pytest.mark.parametrize(
    "case",
    [
        "deform_conv2d",
        "multiscale_roi_align",
        "propagate_masks",
        "propagated_features",
        "greedy_keep",
    ],
)
def test_a_plugin_computes_what_the_operator_does(
    library: Path, case: str, dtype: torch.dtype, step: float
) -> None:
    plugin = plugins()[case]
    narrow = [t if i in plugin.wide else t.to(dtype) for i, t in enumerate(plugin.inputs)]
    want = plugin.operator(*(t.float() for t in narrow))
    got = run(library, plugin.name, plugin.fields, *narrow)
    assert got.dtype == dtype and got.shape == want.shape
    torch.testing.assert_close(
        got.float(), want, rtol=step, atol=1e-5 * (1 + want.abs().max().item())
    )


def test_kernels_with_workspace_compute_what_the_operators_do(library: Path) -> None:
    """Convolutions of many channels, and boxes that read more cells than the maps have."""
    (image, offset, weight, bias), geometry = convolution(CONVOLUTIONS[10])
    fields = {"stride": [1], "padding": [1], "dilation": [1]}
    want = torch.ops.mapt.deform_conv2d(image, offset, weight, bias, *geometry)
    got = run(library, "DeformConv2d", fields, image, offset, weight, bias)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-4)
    features = pyramid(193, 311)
    rows = boxes(90, 2, 193, 311)
    fields = {"output_size": [7], "strides": STRIDES, "sampling_ratio": [2]}
    pooled = torch.ops.mapt.multiscale_roi_align(features, rows, 7, STRIDES, 2)
    got = run(library, "MultiscaleRoiAlign", fields, *features, rows)
    torch.testing.assert_close(got, pooled, rtol=1e-5, atol=1e-5)


def test_the_bias_may_be_missing(library: Path) -> None:
    (image, offset, weight, _), geometry = convolution(CONVOLUTIONS[4])
    fields = {"stride": [1], "padding": [3], "dilation": [3]}
    want = torch.ops.mapt.deform_conv2d(image, offset, weight, None, *geometry)
    torch.testing.assert_close(
        run(library, "DeformConv2d", fields, image, offset, weight), want, rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stride": [0], "padding": [1], "dilation": [1]}, "field stride is 0, below 1"),
        (
            {"stride": [1], "padding": [2**31 - 1], "dilation": [1]},
            "field padding is 2147483647, above 32768",
        ),
        ({"stride": [1], "dilation": [1]}, "field padding is missing"),
        ({"stride": [1, 2], "padding": [1], "dilation": [1]}, "field stride has 2 numbers, not 1"),
        ({"stride": [1], "padding": [1], "dilation": [1], "groups": [1]}, "has no field groups"),
    ],
)
def test_bad_fields_are_refused(
    library: Path, capfd: pytest.CaptureFixture[str], fields: dict[str, list[int]], message: str
) -> None:
    with pytest.raises(ValueError, match="creation"):
        run(library, "DeformConv2d", fields, *plugins()["deform_conv2d"].inputs)
    assert f"mapt: DeformConv2d: {message}" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("case", "which", "change", "step", "message"),
    [
        (
            "deform_conv2d",
            1,
            lambda t: t[:, :-2],
            "configuration",
            "offset does not have two rows per tap",
        ),
        (
            "deform_conv2d",
            1,
            lambda t: t[..., :-1],
            "configuration",
            "offset does not have the output's size",
        ),
        (
            "deform_conv2d",
            2,
            lambda t: t[:, :1],
            "configuration",
            "weight does not read the input's channels",
        ),
        ("deform_conv2d", 3, lambda t: t[:-1], "configuration", "bias is not for the filters"),
        ("deform_conv2d", 1, lambda t: t.half(), "formats", ""),
        ("deform_conv2d", 2, lambda t: t.half(), "formats", ""),
        (
            "multiscale_roi_align",
            1,
            lambda t: t[:1],
            "configuration",
            "the levels differ in batch or channels",
        ),
        ("multiscale_roi_align", 4, lambda t: t[:, 1:], "configuration", "boxes are not (R, 5)"),
        (
            "multiscale_roi_align",
            4,
            lambda t: t[0],
            "output shapes",
            "input 4 has 1 dimensions, not 2",
        ),
        (
            "propagate_masks",
            1,
            lambda t: t[:3],
            "configuration",
            "offsets are not (4, 18, h, w) of the masks",
        ),
        ("propagate_masks", 3, lambda t: t[:-1], "configuration", "projection is not (4*C)"),
        ("propagated_features", 3, lambda t: t[:-1], "configuration", "boxes are not (N, 4)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    library: Path,
    capfd: pytest.CaptureFixture[str],
    case: str,
    which: int,
    change: Any,
    step: str,
    message: str,
) -> None:
    plugin = plugins()[case]
    inputs = plugin.inputs
    inputs[which] = change(inputs[which]).contiguous()
    with pytest.raises(ValueError, match=f"^{step}$"):
        run(library, plugin.name, plugin.fields, *inputs)
    assert message in capfd.readouterr().err


REGISTRY = """
import json, sys
import numpy as np
from mapt.runtime.backends.tensorrt_library import load_library
trt, name = load_library()
registry = trt.Builder(trt.Logger(trt.Logger.ERROR)).get_plugin_registry()
before = {(c.name, c.plugin_namespace) for c in registry.all_creators}
assert registry.load_library(sys.argv[1]) is not None
found = {}
for c in registry.all_creators:
    if (c.name, c.plugin_namespace) in before:
        continue
    found[c.name] = [f.name for f in c.field_names]
def create(kind, fields, phase):
    creator = registry.get_creator(kind, "1", "")
    int32 = trt.PluginFieldType.INT32
    given = [trt.PluginField(k, np.array(v, np.int32), int32) for k, v in fields.items()]
    return creator.create_plugin(kind, trt.PluginFieldCollection(given), phase)
made = {}
for kind, fields in json.loads(sys.argv[2]).items():
    for phase in (trt.TensorRTPhase.BUILD, trt.TensorRTPhase.RUNTIME):
        plugin = create(kind, fields, phase)
        core = plugin.get_capability_interface(trt.PluginCapabilityType.CORE)
        made[kind] = [core.plugin_name, core.plugin_version, core.plugin_namespace]
        plugin.clone()
    assert create(kind, fields | {"other": [1]}, trt.TensorRTPhase.BUILD) is None
print(json.dumps({"library": name, "found": found, "made": made}))
"""


def libraries(built: Path) -> list[Path]:
    """As compiled here, and by nvcc where that was done."""
    return [built, *sorted((ROOT / "runtime").glob("_trt_plugins*.so"))]


@pytest.mark.skipif(not has_tensorrt(), reason="needs TensorRT-RTX: pip install 'mapt[trt-rtx]'")
def test_tensorrt_rtxs_registry_takes_them(library: Path) -> None:
    fields = {
        "DeformConv2d": CONVOLUTION,
        "GreedyKeep": {},
        "MultiscaleRoiAlign": ROI,
        "PropagateMasks": {},
        "PropagatedFeatures": {},
    }
    for path in libraries(library):
        ran = subprocess.run(
            [sys.executable, "-c", REGISTRY, str(path), json.dumps(fields)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        answer = json.loads(ran.stdout.splitlines()[-1])
        assert answer["found"] == {kind: list(names) for kind, names in fields.items()}
        assert answer["made"] == {kind: [kind, "1", ""] for kind in fields}
        assert "mapt: PropagateMasks: has no field other" in ran.stderr + ran.stdout


PARSE = """
import sys
from mapt.runtime.backends.tensorrt_library import load_library
trt, name = load_library()
builder = trt.Builder(trt.Logger(trt.Logger.VERBOSE))
builder.get_plugin_registry().load_library(sys.argv[1])
network = builder.create_network(0)
trt.OnnxParser(network, trt.Logger(trt.Logger.VERBOSE)).parse(open(sys.argv[2], "rb").read())
"""


@pytest.mark.skipif(not has_tensorrt(), reason="needs TensorRT-RTX: pip install 'mapt[trt-rtx]'")
@pytest.mark.parametrize(
    "case",
    [
        "deform_conv2d",
        "multiscale_roi_align",
        "propagate_masks",
        "propagated_features",
        "greedy_keep",
    ],
)
def test_the_onnx_parser_makes_plugins_of_exported_nodes(
    library: Path, case: str, tmp_path: Path
) -> None:
    """The ONNX parser creates a plugin from each exported node.

    TensorRT-RTX then ends the process, because it takes no plugin into a network.
    """
    plugin = plugins()[case]
    name = plugin.name
    fields = plugin.fields
    inputs = plugin.inputs
    names = [f"input{i}" for i in range(len(inputs))]
    numbers: dict[str, Any] = {k: v if k == "strides" else v[0] for k, v in fields.items()}
    node = onnx.helper.make_node(name, names, ["out"], domain=DOMAIN, **numbers)
    infos = [
        onnx.helper.make_tensor_value_info(n, 1, list(t.shape))
        for n, t in zip(names, inputs, strict=True)
    ]
    graph = onnx.helper.make_graph(
        [node], "one", infos, [onnx.helper.make_tensor_value_info("out", 1, None)]
    )
    opsets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid(DOMAIN, VERSION)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "one.onnx"
    )
    ran = subprocess.run(
        [sys.executable, "-c", PARSE, str(library), str(tmp_path / "one.onnx")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"Successfully created plugin: {name}" in ran.stdout + ran.stderr


def test_the_benchs_check_finds_what_is_wrong(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m mapt.bench.gpu` takes the plugins through the same life on a GPU."""
    context = Context("cpu", True, tmp_path)
    monkeypatch.setattr(plugin_check, "build", lambda _: library)
    found = plugin_check.enqueue(context)
    assert not found.faults and found.values["compared"] == 15
    wrong = {
        name: replace(p, operator=lambda *t, f=p.operator: f(*t) * 1.1)
        for name, p in plugins().items()
    }
    monkeypatch.setattr(plugin_check, "plugins", lambda: wrong)
    assert len(plugin_check.enqueue(context).faults) == 15
