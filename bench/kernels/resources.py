"""Registers, shared memory and spills of CUDA kernels: `python -m mapt.bench.kernels.resources`.

nvcc compiles the kernels for each architecture, and ptxas reports what they need. No GPU is needed.
The command fails if a kernel spills registers, unless it computes in float64, which only checks of
gradients use.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from mapt.bench.cli_errors import told_in_one_line
from mapt.cores import usable_cores
from mapt.docstrings import text_of
from mapt.errors import InputError
from mapt.io.atomic_files import write_json

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURES = ("80", "86", "87", "89", "90", "120")
ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\w+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")
DOUBLE = re.compile(r"\d\D*Id+[ELN]")  # template arguments of a mangled name that begin with double


@dataclass(frozen=True)
class KernelResources:
    """What ptxas reports of a kernel for an architecture.

    Attributes:
        name: mangled.
        architecture: such as "90".
        registers: of a thread.
        stack: bytes of a thread.
        spilled: bytes that a thread stores or loads because registers do not suffice.
        shared: bytes of shared memory of a block.
    """

    name: str
    architecture: str
    registers: int
    stack: int
    spilled: int
    shared: int

    @property
    def is_hot(self) -> bool:
        """Is the kernel used where speed matters?"""
        return DOUBLE.search(self.name) is None


def toolkit() -> ModuleType:
    """csrc/nvcc.py, which setup.py uses too."""
    sys.path.insert(0, str(ROOT / "csrc"))
    try:
        return importlib.import_module("nvcc")
    finally:
        sys.path.pop(0)


def read(said: str) -> Iterator[KernelResources]:
    """Parse the kernels in the output of `ptxas -v`."""
    name = ""
    architecture = ""
    stack = 0
    spilled = 0
    for line in said.splitlines():
        if entry := ENTRY.search(line):
            name = entry[1]
            architecture = entry[2]
            stack = 0
            spilled = 0
        elif found := SPILLS.search(line):
            stack = int(found[1])
            spilled = int(found[2]) + int(found[3])
        elif (used := USED.search(line)) and name:
            shared = SHARED.search(line)
            size = int(shared[1]) if shared else 0
            yield KernelResources(name, architecture, int(used[1]), stack, spilled, size)
            name = ""


def compile_sources(
    sources: Sequence[Path], architectures: Sequence[str], folder: Path
) -> tuple[list[KernelResources], list[str]]:
    """Compile sources of kernels.

    Args:
        sources: .cu files.
        architectures: such as "90".
        folder: receives the objects.

    Returns:
        The kernels, and what failed, a line for each source.
    """
    nvcc = toolkit()
    compiler = nvcc.find_toolkit() / "bin/nvcc"
    targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in architectures]

    def compile_one(source: Path) -> subprocess.CompletedProcess[str]:
        made = folder / f"{source.parent.name}_{source.stem}.o"
        flags = (*nvcc.FLAGS, *nvcc.sources.INCLUDE)
        command = [compiler, *flags, *targets, "-Xptxas", "-v", "-c", source, "-o", made]
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
    return kernels, faults


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")


def readable(names: Sequence[str]) -> list[str]:
    """Names as the source has them, without parameters; mangled where there is no c++filt."""
    try:
        ran = subprocess.run(
            ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return list(names)
    short = [re.sub(r"mapt::(cuda::)?|^void |\(.*", "", line) for line in ran.stdout.splitlines()]
    return short if len(short) == len(names) else list(names)


def table(kernels: Sequence[KernelResources]) -> Iterator[str]:
    """A line for each kernel: the most registers, shared bytes and spilled bytes of all targets."""
    yield f"{'registers':>9} {'shared':>7} {'spilled':>7}  kernel"
    names = sorted({kernel.name for kernel in kernels})
    for name, shown in zip(names, readable(names), strict=True):
        same = [kernel for kernel in kernels if kernel.name == name]
        most = [max(getattr(k, what) for k in same) for what in ("registers", "shared", "spilled")]
        yield f"{most[0]:9} {most[1]:7} {most[2]:7}  {shown}"


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report.

    Raises:
        InputError: there is no nvcc, or an architecture that it does not know.
        SystemExit: a kernel does not compile, or one that should not spill does; exit code 1.
    """
    parser = argparse.ArgumentParser(description=text_of(__name__))
    parser.add_argument("--arch", nargs="+", default=ARCHITECTURES, help="such as 90 for sm_90")
    parser.add_argument("--out", type=Path, help="also write the report as JSON")
    options = parser.parse_args(arguments)
    try:
        sources = toolkit().sources.cuda_kernels()
        with tempfile.TemporaryDirectory() as folder:
            kernels, faults = compile_sources(sources, options.arch, Path(folder))
    except FileNotFoundError as error:
        raise InputError(f"resources: {error}") from None
    print(*table(kernels), sep="\n")
    if options.out:
        write_json(options.out, {"kernels": [asdict(kernel) for kernel in kernels]})
    spilling = [k for k in kernels if k.spilled and k.is_hot]
    faults += [
        f"sm_{k.architecture}: {name} spills {k.spilled} bytes"
        for k, name in zip(spilling, readable([k.name for k in spilling]), strict=True)
    ]
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(kernels)} kernels for sm_{', sm_'.join(options.arch)}: {len(faults)} faults")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
