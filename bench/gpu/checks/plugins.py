"""TensorRT's plugins on the device's memory, run as TensorRT does (csrc/tests/plugins.cpp)."""

from __future__ import annotations

import ctypes
import functools
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mapt.bench.gpu.cases import (
    CONVOLUTIONS,
    STRIDES,
    boxes,
    convolution,
    motion,
    overlaps,
    pyramid,
    tolerance,
)
from mapt.bench.gpu.checks.operators import TOLERANCES
from mapt.bench.gpu.context import Context, Result, Skip
from mapt.bench.gpu.device import synchronize
from mapt.bench.gpu.needs import ROOT, compiler
from mapt.bench.kernels.resources import toolkit
from mapt.runtime.backends import operators as runtime_operators

TYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 7}  # nvinfer1::DataType
INT32 = 5  # nvinfer1::PluginFieldType
ROI = {"output_size": [7], "strides": STRIDES, "sampling_ratio": [2]}
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared")
LIFE = ROOT / "csrc/tests/plugins.cpp"


class Field(ctypes.Structure):
    """nvinfer1::PluginField."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("type", ctypes.c_int32),
        ("length", ctypes.c_int32),
    )


class TensorView(ctypes.Structure):
    """`Tensor` of csrc/tests/plugins.cpp."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("type", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("sides", ctypes.c_int64 * 8),
    )


@dataclass(frozen=True)
class Plugin:
    """A plugin with inputs.

    Attributes:
        name: TensorRT's.
        fields: its numbers.
        inputs: float32, on the CPU.
        wide: which inputs stay float32 in half precision.
        operator: the same by PyTorch's operator.
    """

    name: str
    fields: Mapping[str, list[int]]
    inputs: list[Tensor]
    wide: set[int]
    operator: Callable[..., Tensor]


def plugins() -> dict[str, Plugin]:
    """Every plugin, by its operator's name."""
    (image, offset, weight, bias), geometry = convolution(CONVOLUTIONS[7])
    rows = boxes(20, 2, 193, 311)
    masks, offsets, weights, projection, base, places = motion(9, 23, 37, 3)
    ops = torch.ops.mapt
    return {
        "deform_conv2d": Plugin(
            "DeformConv2d",
            {"stride": [3], "padding": [2], "dilation": [2]},
            [image, offset, weight, bias],
            {1},
            lambda *t: ops.deform_conv2d(*t, *geometry),
        ),
        "multiscale_roi_align": Plugin(
            "MultiscaleRoiAlign",
            ROI,
            [*pyramid(193, 311), rows],
            {4},
            lambda *t: ops.multiscale_roi_align(t[:4], t[4], 7, STRIDES, 2),
        ),
        "propagate_masks": Plugin(
            "PropagateMasks",
            {},
            [masks, offsets, weights, projection, base],
            {1},
            lambda *t: ops.propagate_masks(*t, None)[0],
        ),
        "propagated_features": Plugin(
            "PropagatedFeatures",
            {},
            [masks, offsets, weights, places],
            {1, 3},
            ops.propagated_features,
        ),
        "greedy_keep": Plugin("GreedyKeep", {}, [overlaps(130)], set(), ops.greedy_keep),
    }


def view(tensor: Tensor) -> TensorView:
    """A tensor as the plugins see it."""
    assert tensor.is_contiguous()
    sides = (ctypes.c_int64 * 8)(*tensor.shape)
    return TensorView(tensor.data_ptr(), TYPES[tensor.dtype], tensor.dim(), sides)


def run(library: Path, name: str, fields: Mapping[str, list[int]], *inputs: Tensor) -> Tensor:
    """The plugin's output, of the type and shape that it says itself, on the inputs' device.

    Raises:
        ValueError: the step of its life at which it ended.
    """
    values = [(ctypes.c_int32 * len(v))(*v) for v in fields.values()]
    given = (Field * len(fields))(
        *(
            Field(k.encode(), ctypes.addressof(v), INT32, len(v))
            for k, v in zip(fields, values, strict=True)
        )
    )
    views = (TensorView * (len(inputs) + 1))(*(view(t) for t in inputs))
    function: Any = loaded(library).run_plugin
    function.restype = ctypes.c_char_p
    size = ctypes.c_size_t()

    def call(workspace: int | None) -> None:
        memory = ctypes.c_void_p(workspace)
        wrong = function(
            name.encode(), given, len(fields), views, len(inputs), ctypes.byref(size), memory
        )
        if wrong is not None:
            raise ValueError(wrong.decode())

    call(None)
    result = views[len(inputs)]
    device = inputs[0].device
    dtype = next(t for t, code in TYPES.items() if code == result.type)
    out = torch.full(tuple(result.sides[: result.rank]), torch.nan, dtype=dtype, device=device)
    workspace = torch.full((size.value,), 255, dtype=torch.uint8, device=device)
    result.data = out.data_ptr()
    synchronize(device.type)
    call(workspace.data_ptr())
    synchronize(device.type)
    return out


@functools.cache
def loaded(library: Path) -> ctypes.CDLL:
    """A library, loaded once."""
    return ctypes.CDLL(str(library))


def build(context: Context) -> Path:
    """The plugins with what takes them through their life.

    On a GPU those that setup.py built, where it did. Else all is compiled, for a CPU with the
    kernels as loops.

    Raises:
        Skip: there are no TensorRT headers.
        RuntimeError: it does not compile.
    """
    nvcc = toolkit()
    try:
        headers = nvcc.find_tensorrt()
    except FileNotFoundError as error:
        raise Skip(str(error)) from None
    sources = nvcc.sources.library("tensorrt")
    includes = [*nvcc.sources.INCLUDE, "-isystem", str(headers)]
    built = sorted(runtime_operators.FOLDER.glob("_trt_plugins*.so"))
    if context.device == "cpu":
        includes += ["-I", str(ROOT / "csrc/shim")]
        rest = [*map(str, sources), "-x", "c++", *map(str, nvcc.sources.cuda_kernels())]
    else:
        found = nvcc.find(False)
        includes += ["-isystem", str(found.toolkit / "include")]
        rest = [str(built[0])] if built else _compiled(found, sources, context)
    made = context.folder / "plugins.so"
    _compile([compiler(), *FLAGS, *includes, str(LIFE), *rest, "-o", str(made)])
    return made


def _compiled(nvcc: Any, sources: Sequence[Path], context: Context) -> list[str]:
    """What the plugins are linked from, the kernels for this machine's GPUs among it."""
    objects = nvcc.compile(context.folder / "nvcc")
    libraries = [f"-L{nvcc.toolkit / 'lib64'}", "-lcudart_static", "-lrt", "-ldl", "-lpthread"]
    return [*map(str, sources), *objects, *libraries]


def _compile(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(next((s for s in done.stderr.splitlines() if "error" in s), done.stderr))


def enqueue(context: Context) -> Result:
    """Every plugin in every type gives what the CPU's operator does."""
    library = build(context)
    faults = list[str]()
    compared = 0
    for title, plugin in plugins().items():
        for dtype in TYPES:
            narrow = [t if i in plugin.wide else t.to(dtype) for i, t in enumerate(plugin.inputs)]
            want = plugin.operator(*(t.float() for t in narrow))
            short = str(dtype).removeprefix("torch.")
            compared += 1
            try:
                moved = [t.to(context.device) for t in narrow]
                got = run(library, plugin.name, plugin.fields, *moved).cpu()
            except ValueError as error:
                faults.append(f"{title} {short}: ended at its step {error}")
                continue
            far = float((got.float() - want).abs().max())
            limit = tolerance(want, max(TOLERANCES[dtype], 1e-5))
            if got.dtype != dtype or got.shape != want.shape or not far <= limit:
                faults.append(f"{title} {short}: {far:.1e} apart, at most {limit:.1e}")
    line = f"{compared - len(faults)} of {compared} plugins and types equal the CPU's operators"
    return Result(line, {"compared": compared}, tuple(faults))
