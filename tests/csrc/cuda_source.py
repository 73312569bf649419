"""The CUDA kernels' source, run on CPU tensors (csrc/shim).

The C++ compiler compiles it. It runs thread by thread.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

CSRC = Path(__file__).parents[2] / "csrc"
COMPILER = (os.environ.get("CXX") or "c++").split()[0]
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", "-x", "c++")
needs_compiler = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no {COMPILER}")


def compile_sources(sources: Sequence[Path], folder: Path, *options: str) -> Path:
    """A library of .cpp and .cu files."""
    built = folder / "library.so"
    subprocess.run(
        [COMPILER, *FLAGS, "-I", str(CSRC), *options, *map(str, sources), "-o", str(built)],
        check=True,
    )
    return built


@functools.cache
def library() -> ctypes.CDLL:
    """Compiled once per process, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        sources = [*CSRC.glob("operators/*/cuda*.cu"), CSRC / "shim/exports.cpp"]
        return ctypes.CDLL(str(compile_sources(sources, Path(folder))))


def backwards(yes: bool) -> None:
    """Run the threads of every grid last to first."""
    library().run_backwards(ctypes.c_bool(yes))


def structure(
    name: str, pointers: Sequence[str], numbers: Sequence[str], flags: Sequence[str] = ()
) -> type[ctypes.Structure]:
    fields: list[tuple[str, Any]] = [(p, ctypes.c_void_p) for p in pointers]
    fields += [(n, ctypes.c_int64) for n in numbers]
    fields += [(f, ctypes.c_bool) for f in flags]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


# As in the operators' params.h.
_SIZES = (
    "batch",
    "channels",
    "height",
    "width",
    "filters",
    "kernel_h",
    "kernel_w",
    "out_height",
    "out_width",
    "stride",
    "padding",
    "dilation",
)
_LEVELS = [f"{size}{level}" for size in ("height", "width", "stride") for level in range(4)]
_DeformConv = structure(
    "DeformConv", ("input", "offset", "weight", "bias", "out"), _SIZES, ("shared", "tf32")
)
_RoiAlign = structure(
    "RoiAlign",
    ("p4", "p8", "p16", "p32", "boxes", "out"),
    (*_LEVELS, "batch", "channels", "count", "size", "sampling_ratio"),
    ("channels_last",),
)
_Propagate = structure(
    "Propagate",
    ("masks", "offsets", "weights", "projection", "bias", "boxes", "logits", "features"),
    ("count", "height", "width", "filters"),
)


_GreedyKeep = structure("GreedyKeep", ("suppresses", "keep"), ("count",))


class _DeformConvGrad(ctypes.Structure):
    _fields_ = (("forward", _DeformConv), *((f"grad{i}", ctypes.c_void_p) for i in range(5)))


class _RoiAlignGrad(ctypes.Structure):
    _fields_ = (("forward", _RoiAlign), *((f"grad{i}", ctypes.c_void_p) for i in range(5)))


def _call(name: str, dtype: torch.dtype, parameters: ctypes.Structure) -> None:
    function = getattr(library(), f"{name}_{str(dtype).removeprefix('torch.')}")
    function.restype = ctypes.c_char_p
    assert function(ctypes.byref(parameters)) is None


def _pointers(tensors: Sequence[Tensor | None]) -> list[int | None]:
    assert all(
        t is None
        or t.is_contiguous()
        or (t.dim() == 4 and t.is_contiguous(memory_format=torch.channels_last))
        for t in tensors
    )
    return [None if t is None else t.data_ptr() for t in tensors]


def _convolution(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    out: Tensor | None,
    geometry: Sequence[int],
    tf32: bool = False,
) -> ctypes.Structure:
    shape = (*input.shape, weight.shape[0], *weight.shape[2:], *offset.shape[2:])
    shared = len(offset) != len(input)
    pointers = _pointers((input, offset, weight, bias, out))
    return _DeformConv(*pointers, *shape, *geometry, shared, tf32)


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *geometry: int,
    tf32: bool = False,
) -> Tensor:
    """Geometry: stride, padding, dilation. Half-precision tensors take a float32 offset."""
    out = input.new_full((len(input), len(weight), *offset.shape[2:]), torch.nan)
    parameters = _convolution(input, offset, weight, bias, out, geometry, tf32)
    _call("deform_conv2d", input.dtype, parameters)
    return out


def deform_conv2d_backward(
    grad: Tensor,
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    *geometry: int,
    wanted: Sequence[bool] = (True,) * 4,
    tf32: bool = False,
) -> list[Tensor | None]:
    """Gradients of input, offset, weight and bias. Half-precision tensors take a float32 offset."""
    like = (input, offset, weight, weight[:, 0, 0, 0])
    grads = [
        torch.full(t.shape, torch.nan, dtype=t.dtype) if want else None
        for t, want in zip(like, wanted, strict=True)
    ]
    forward = _convolution(input, offset, weight, None, None, geometry, tf32)
    _call(
        "deform_conv2d_backward", input.dtype, _DeformConvGrad(forward, *_pointers((grad, *grads)))
    )
    return grads


def _pyramid(
    features: Sequence[Tensor],
    boxes: Tensor,
    out: Tensor | None,
    size: int,
    strides: Sequence[int],
    ratio: int,
    channels_last: bool = False,
) -> ctypes.Structure:
    sides = [f.shape[axis] for axis in (2, 3) for f in features]
    return _RoiAlign(
        *_pointers((*features, boxes, out)),
        *sides,
        *strides,
        *features[0].shape[:2],
        len(boxes),
        size,
        ratio,
        channels_last,
    )


def roi_align(
    features: Sequence[Tensor],
    boxes: Tensor,
    size: int,
    strides: Sequence[int],
    ratio: int,
    channels_last: bool = False,
) -> Tensor:
    """Half-precision features take float32 boxes. `channels_last` is how they lie in memory."""
    out = features[0].new_full((len(boxes), features[0].shape[1], size, size), torch.nan)
    parameters = _pyramid(features, boxes, out, size, strides, ratio, channels_last)
    _call("roi_align", out.dtype, parameters)
    return out


def roi_align_backward(
    grad: Tensor, boxes: Tensor, features: Sequence[Tensor], strides: Sequence[int], ratio: int
) -> list[Tensor]:
    """Of `features` only the shapes matter."""
    grads = [torch.full_like(f, torch.nan) for f in features]
    forward = _pyramid(features, boxes, None, grad.shape[-1], strides, ratio)
    _call("roi_align_backward", grad.dtype, _RoiAlignGrad(forward, *_pointers((grad, *grads))))
    return grads


def propagate_masks(
    masks: Tensor, offsets: Tensor, weights: Tensor, projection: Tensor, bias: Tensor, boxes: Tensor
) -> tuple[Tensor, Tensor]:
    """Half-precision masks, weights, projection and bias take float32 offsets and boxes."""
    logits = torch.full_like(masks, torch.nan)
    features = masks.new_full((len(masks), 4 * weights.shape[1], 7, 7), torch.nan)
    tensors = (masks, offsets, weights, projection, bias, boxes, logits, features)
    sizes = len(masks), *masks.shape[2:], weights.shape[1]
    _call("propagate", masks.dtype, _Propagate(*_pointers(tensors), *sizes))
    return logits, features


def greedy_keep(suppresses: Tensor) -> Tensor:
    """Which boxes stay, 1 or 0."""
    keep = suppresses.new_full((len(suppresses),), torch.nan)
    parameters = _GreedyKeep(*_pointers((suppresses, keep)), len(suppresses))
    _call("greedy_keep", suppresses.dtype, parameters)
    return keep
