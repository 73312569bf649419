"""Finds CUDA's compiler for setup.py, chooses the GPUs, and compiles the kernels."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import compilers
import sources

ARCHITECTURES = ("75", "80", "86", "87", "89", "90", "100", "110", "120")
FLAGS = ("-std=c++17", "-O3")
HOST = ("-fPIC", "-fvisibility=hidden")  # for the C++ compiler that nvcc calls


def find_toolkit() -> Path:
    """Find the folder that holds CUDA's `bin`, `include` and `lib64`.

    It is CUDA_HOME or, without it, the toolkit of the `nvcc` on the path.

    Raises:
        FileNotFoundError: there is none.
    """
    home = os.environ.get("CUDA_HOME")
    nvcc = shutil.which(str(Path(home) / "bin/nvcc") if home else "nvcc")
    if nvcc is None:
        raise FileNotFoundError(
            f"no nvcc in {home}/bin" if home else "no nvcc on the path and no CUDA_HOME"
        )
    # `nvcc` may be a wrapper somewhere else; it says itself where it lives.
    said = subprocess.run(
        [nvcc, "--dryrun", "-c", "any.cu"], capture_output=True, text=True, check=False
    ).stderr
    top = re.search(r"^#\$ TOP=(.+)$", said, re.MULTILINE)
    if top is None:
        raise FileNotFoundError(f"{nvcc} does not say where its toolkit is")
    return Path(top[1]).resolve()


def find_tensorrt() -> Path:
    """Find the folder of TensorRT's headers.

    The candidates are TENSORRT_ROOT or, without it, the system's folders and the package
    kernel-lens.

    Raises:
        FileNotFoundError: there is none.
    """
    root = os.environ.get("TENSORRT_ROOT")
    lens = importlib.util.find_spec("kernel_lens")
    folders = (
        [Path(root) / "include"]
        if root
        else [Path("/usr/include/x86_64-linux-gnu"), Path("/usr/include")]
    )
    if lens and lens.origin and not root:
        folders.append(Path(lens.origin).parent / "include/tensorrt")
    for folder in folders:
        if (folder / "NvInferRuntime.h").is_file():
            return folder
    if root:
        raise FileNotFoundError(f"TENSORRT_ROOT={root}: no include/NvInferRuntime.h")
    raise FileNotFoundError(
        "no TensorRT headers; set TENSORRT_ROOT or pip install --no-deps kernel-lens"
    )


def gpus_here() -> tuple[str, ...]:
    """Return the compute capabilities of this machine's GPUs, such as "86" for 8.6."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = [tool, "--query-gpu=compute_cap", "--format=csv,noheader"]
    said = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    found = {major + minor for major, minor in re.findall(r"^(\d+)\.(\d+)$", said, re.MULTILINE)}
    return tuple(sorted(found, key=int))


@dataclass(frozen=True)
class Compiler:
    """A toolkit, and the architectures for which it compiles kernels, such as "86" for 8.6."""

    toolkit: Path
    architectures: tuple[str, ...]

    @property
    def targets(self) -> str:
        """The architectures as CUDA names them."""
        return ", ".join(f"sm_{a}" for a in self.architectures)

    @property
    def release(self) -> str:
        """The toolkit's version, such as "13.0"."""
        said = subprocess.run(
            [self.toolkit / "bin/nvcc", "--version"], capture_output=True, text=True, check=True
        ).stdout
        found = re.search(r"release (\d+\.\d+)", said)
        return found[1] if found else "unknown"

    def compile(self, folder: Path, operators: Iterable[str] = ("*",)) -> list[str]:
        """Compile the kernels, of all operators or of some, and return their objects.

        The objects include PTX of the last architecture, for newer GPUs. Objects that are up to
        date are not compiled again.

        Raises:
            RuntimeError: nvcc refuses a source; with its first error.
        """
        folder = folder / "-".join(self.architectures)
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(
                pool.map(
                    lambda source: self._compile(source, folder), sources.cuda_kernels(operators)
                )
            )

    def _compile(self, source: Path, folder: Path) -> str:
        made = folder / f"{source.parent.name}_{source.stem}.o"
        read = [source, *sources.headers()]
        if made.is_file() and made.stat().st_mtime > max(p.stat().st_mtime for p in read):
            return str(made)
        targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in self.architectures]
        targets.append("-gencode=arch=compute_{0},code=compute_{0}".format(self.architectures[-1]))
        hard, _ = compilers.hardening(os.environ.get("NVCC_CCBIN", "g++"))
        host = ",".join((*HOST, *hard))
        command = [
            self.toolkit / "bin/nvcc",
            *FLAGS,
            *sources.INCLUDE,
            "-Xcompiler",
            host,
            *targets,
            "-c",
            source,
            "-o",
            made,
        ]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode:
            made.unlink(missing_ok=True)
            told = (
                said.stderr + said.stdout
            )  # its own errors, and those of the C++ compiler that it calls
            raise RuntimeError(
                compilers.first_error(told) or told.strip() or f"nvcc ended with {said.returncode}"
            )
        return str(made)


@functools.cache
def find(everything: bool) -> Compiler:
    """Find a compiler for all architectures, or for this machine's own GPUs only.

    `everything` decides between the two. Architectures that the toolkit does not know are left out.

    Raises:
        FileNotFoundError: there is no toolkit, or nothing to compile for.
    """
    wanted = ARCHITECTURES if everything else gpus_here()
    if not wanted:
        raise FileNotFoundError("no NVIDIA GPU here; by name it is built without one")
    toolkit = find_toolkit()
    said = subprocess.run(
        [toolkit / "bin/nvcc", "--list-gpu-code"], capture_output=True, text=True, check=True
    ).stdout
    found = tuple(a for a in wanted if f"sm_{a}" in said.split())
    if not found:
        raise FileNotFoundError(f"{toolkit} compiles for none of sm_{', sm_'.join(wanted)}")
    return Compiler(toolkit, found)
