"""Checks what nvcc compiles the kernels to, also for a GPU that is not present."""

from __future__ import annotations

from dataclasses import asdict

from mapt.bench.gpu.context import Context, Result
from mapt.bench.kernels.resources import compile_sources, toolkit

ARCHITECTURE = "90"


def resources(context: Context) -> Result:
    """Compile every kernel for sm_90; registers, spills and shared memory, as ptxas states them."""
    sources = toolkit().sources.cuda_kernels()
    if context.small:
        sources = sources[:1]
    kernels, faults = compile_sources(sources, (ARCHITECTURE,), context.folder)
    spilling = [k for k in kernels if k.spilled]
    most = max((k.registers for k in kernels), default=0)
    line = f"{len(kernels)} kernels, at most {most} registers, {len(spilling)} of them spill"
    rows = [f"{k.spilled:5} bytes spilled, {k.registers} registers: {k.name}" for k in spilling]
    return Result(line, {"kernels": [asdict(k) for k in kernels]}, tuple(faults), tuple(rows))
