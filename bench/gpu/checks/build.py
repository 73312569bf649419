"""Checks what nvcc compiles the kernels to, also for a GPU that is not present."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from mapt.bench.gpu.context import Context, Result
from mapt.bench.gpu.needs import ROOT
from mapt.cores import usable_cores

ARCHITECTURE = "90"
ENTRY = re.compile(r"Compiling entry function '(\w+)' for")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


@dataclass(frozen=True)
class Kernel:
    """The resources of a kernel that ptxas reports.

    They are the registers of a thread, and bytes of stack, of spills and of shared memory.
    """

    name: str
    registers: int
    stack: int
    spilled: int
    shared: int


def toolkit() -> ModuleType:
    """csrc/nvcc.py, which setup.py uses too."""
    sys.path.insert(0, str(ROOT / "csrc"))
    try:
        return importlib.import_module("nvcc")
    finally:
        sys.path.pop(0)


def resources(context: Context) -> Result:
    """Compile every kernel for sm_90; registers, spills and shared memory, as ptxas states them."""
    nvcc = toolkit()
    sources = nvcc.sources.cuda_kernels()
    if context.small:
        sources = sources[:1]
    target = f"-gencode=arch=compute_{ARCHITECTURE},code=sm_{ARCHITECTURE}"
    compiler = nvcc.find_toolkit() / "bin/nvcc"

    def compile_one(source: Path) -> subprocess.CompletedProcess[str]:
        made = context.folder / f"{source.parent.name}_{source.stem}.o"
        flags = (*nvcc.FLAGS, *nvcc.sources.INCLUDE)
        command = [compiler, *flags, target, "-Xptxas", "-v", "-c", source, "-o", made]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(usable_cores()) as pool:
        done = list(pool.map(compile_one, sources))
    faults = [
        f"{source.parent.name}/{source.name}: {_first_line(ran.stderr) or 'nvcc failed'}"
        for source, ran in zip(sources, done, strict=True)
        if ran.returncode
    ]
    kernels = [kernel for ran in done for kernel in read(ran.stderr)]
    if not kernels and not faults:
        faults.append("ptxas says nothing of any kernel")
    spilling = [k for k in kernels if k.spilled]
    most = max((k.registers for k in kernels), default=0)
    line = f"{len(kernels)} kernels, at most {most} registers, {len(spilling)} of them spill"
    rows = [f"{k.spilled:5} bytes spilled, {k.registers} registers: {k.name}" for k in spilling]
    return Result(line, {"kernels": [asdict(k) for k in kernels]}, tuple(faults), tuple(rows))


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")


def read(said: str) -> Iterator[Kernel]:
    """Parse the kernels in the output of `ptxas -v`."""
    name = ""
    stack = 0
    spilled = 0
    for line in said.splitlines():
        if entry := ENTRY.search(line):
            name = entry[1]
            stack = 0
            spilled = 0
        elif found := SPILLS.search(line):
            stack = int(found[1])
            spilled = int(found[2]) + int(found[3])
        elif (used := USED.search(line)) and name:
            shared = SHARED.search(line)
            yield Kernel(name, int(used[1]), stack, spilled, int(shared[1]) if shared else 0)
            name = ""
