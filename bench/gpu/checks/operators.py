"""The operators on the GPU beside the CPU's, in every dtype, and what PyTorch asks of operators."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from mapt import ops
from mapt.bench.gpu.cases import (
    CONVOLUTIONS,
    MOTIONS,
    POOLINGS,
    STRIDES,
    boxes,
    calls,
    convolution,
    motion,
    pyramid,
    tolerance,
)
from mapt.bench.gpu.context import Context, Result
from mapt.bench.gpu.device import capture, first_line, synchronize
from mapt.bench.gpu.needs import sanitizer
from mapt.ops import compiled

# By dtype: how far results may lie apart, relatively. Half precision is rounded once, from float32,
# but convolutions of many channels also round the samples that they multiply.
TOLERANCES = {
    torch.float32: 2e-5,
    torch.float64: 1e-12,
    torch.float16: 2.0**-10,
    torch.bfloat16: 2.0**-7,
}
FOUND = "ERROR SUMMARY: 0 errors"  # compute-sanitizer's last line where all is well
Work = Callable[[str], list[Tensor]]


def works(dtypes: Sequence[torch.dtype]) -> Iterator[tuple[str, torch.dtype, Work]]:
    """Name, dtype, and what gives results and gradients on a device, of the same inputs on all."""
    for dtype in dtypes:
        short = str(dtype).removeprefix("torch.")
        for number, case in enumerate(CONVOLUTIONS):
            yield f"deform_conv2d {number} {short}", dtype, _convolution(case, dtype)
        for number, pooling in enumerate(POOLINGS):
            yield f"multiscale_roi_align {number} {short}", dtype, _pooling(pooling, dtype)
        for number, sizes in enumerate(MOTIONS):
            yield f"propagate_masks {number} {short}", dtype, _motion(sizes, dtype)


def _with_gradients(out: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    grads = torch.autograd.grad(out.square().sum(), leaves)
    return [t.detach() for t in (out, *grads)]


def _leaf(tensor: Tensor, device: str, dtype: torch.dtype) -> Tensor:
    return tensor.to(device, dtype).requires_grad_()


def _convolution(case: tuple[int, ...], dtype: torch.dtype) -> Work:
    def work(device: str) -> list[Tensor]:
        tensors, geometry = convolution(case)
        wide = torch.promote_types(
            dtype, torch.float32
        )  # offsets of half precision are pixels away
        leaves = [
            _leaf(t, device, wide if i == 1 else dtype)
            for i, t in enumerate(tensors)
            if t is not None
        ]
        bias = leaves[3] if len(leaves) > 3 else None
        out = ops.deform_conv2d(leaves[0], leaves[1], leaves[2], bias, *geometry)
        return _with_gradients(out, leaves)

    return work


def _pooling(case: tuple[int, ...], dtype: torch.dtype) -> Work:
    def work(device: str) -> list[Tensor]:
        height, width, batch, channels, count, size, ratio = case
        leaves = [_leaf(f, device, dtype) for f in pyramid(height, width, batch, channels)]
        rows = boxes(count, batch, height, width).to(device)
        rows[:, 0] = rows[:, 0].nan_to_num(0, 0, 0).clamp(0, batch - 1)  # the CPU refuses others
        out = ops.multiscale_roi_align(leaves, rows, size, STRIDES, ratio)
        return _with_gradients(out, leaves)

    return work


def _motion(sizes: tuple[int, int, int, int], dtype: torch.dtype) -> Work:
    def work(device: str) -> list[Tensor]:
        masks, offsets, weights, projection, bias, rows = (t.to(device) for t in motion(*sizes))
        wide = torch.promote_types(dtype, torch.float32)
        fields = masks.to(dtype), offsets.to(wide), weights.to(dtype)
        head = projection.to(dtype), bias.to(dtype)
        with torch.no_grad():
            logits, inside = ops.propagate_masks(*fields, *head, rows)
            plain, _ = ops.propagate_masks(*fields, *head)
        assert inside is not None
        return [logits, inside, plain]

    return work


def _check_built(device: str) -> None:
    """Check that the compiled operators are there.

    Otherwise torchvision's operators would be compared with themselves.
    """
    missing = compiled.MISSING_CUDA if device == "cuda" else compiled.MISSING
    if missing:
        raise RuntimeError(f"the operators for {device} are not there: {missing}")


def equal(context: Context) -> Result:
    """Every case, dtype and gradient agrees with the CPU's."""
    _check_built(context.device)
    faults = list[str]()
    worst = 0.0
    compared = 0
    for name, dtype, work in works(tuple(TOLERANCES)):
        for i, (got, want) in enumerate(zip(work(context.device), work("cpu"), strict=True)):
            compared += 1
            rounded_twice = name.startswith("deform_conv2d") and dtype in compiled.HALF
            limit = tolerance(want, TOLERANCES[dtype] * (4 if rounded_twice else 1))
            apart = (got.cpu().double() - want.double()).abs()
            far = float(apart.max()) if apart.numel() else 0.0
            if not far <= limit or got.dtype != want.dtype:
                faults.append(f"{name}, result {i}: {far:.2e} apart, at most {limit:.2e}")
            elif dtype == torch.float32:
                worst = max(worst, far / limit * TOLERANCES[dtype])
    line = f"{compared - len(faults)} of {compared} results and gradients equal the CPU's"
    return Result(line, {"compared": compared, "largest_float32": worst}, tuple(faults))


def same_bits(context: Context) -> Result:
    """Every operator gives the same bits twice."""
    _check_built(context.device)
    faults = []
    compared = 0
    for name, _, work in works((torch.float32, torch.float16)):
        first = work(context.device)
        second = work(context.device)
        compared += len(first)
        if not all(torch.equal(a, b) for a, b in zip(first, second, strict=True)):
            faults.append(f"{name}: other bits on the second run")
    return Result(f"{compared} results and gradients twice", {"compared": compared}, tuple(faults))


def opcheck(context: Context) -> Result:
    """PyTorch's own checks of schemas, fake tensors and gradients."""
    _check_built(context.device)
    faults = []
    listed = calls(context.device)
    for call in listed:
        try:
            torch.library.opcheck(call.overload, call.arguments)
        except Exception as error:  # of any kind: they are what is looked for
            faults.append(f"{call.name}: {first_line(error)}")
    line = f"{len(listed) - len(faults)} of {len(listed)} calls pass"
    return Result(line, {"calls": [c.name for c in listed]}, tuple(faults))


def graphs(context: Context) -> Result:
    """Every operator captured in a CUDA graph; its replay gives the eager results."""
    _check_built(context.device)
    faults = []
    listed = calls(context.device)
    for call in listed:
        with torch.no_grad():
            want = [t.clone() for t in call.results()]
            try:
                replay, got = capture(call.results, context.device)
            except Exception as error:
                faults.append(f"{call.name}: cannot be captured, {first_line(error)}")
                continue
            for tensor in got:
                tensor.zero_()
            replay()
            synchronize(context.device)
        if context.device == "cuda" and not all(
            torch.equal(a, b) for a, b in zip(got, want, strict=True)
        ):
            faults.append(f"{call.name}: the replay gives something else")
    line = f"{len(listed) - len(faults)} of {len(listed)} calls captured and replayed"
    return Result(line, {"calls": [c.name for c in listed]}, tuple(faults))


def everything(device: str) -> int:
    """Every operator once, in float32; how many results there were. What memcheck watches."""
    return sum(len(work(device)) for _, _, work in works((torch.float32,)))


def memcheck(context: Context) -> Result:
    """compute-sanitizer watches every operator's memory accesses."""
    tool = sanitizer()
    assert tool, "the registry asks for it"
    script = (
        f"from mapt.bench.gpu.checks.operators import everything; everything({context.device!r})"
    )
    command = [tool, "--tool", "memcheck", sys.executable, "-c", script]
    # PyTorch's own allocator hands out parts of blocks, in which an access too far stays unseen.
    environment = {**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    said = (ran.stdout + ran.stderr).splitlines()
    told = next((line for line in reversed(said) if "ERROR SUMMARY" in line), "no summary")
    faults = () if FOUND in told and not ran.returncode else (told, *said[:3])
    return Result(told.strip("= "), {"printed": said[-40:]}, tuple(faults))
