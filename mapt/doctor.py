"""What is built, found and missing on this machine: `mapt doctor`."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mapt.errors import InputError
from mapt.shipped import shipped_weights
from mapt.tensorrt_library import extras
from mapt.workers import usable_cores

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: the thing looked for.
        state: ok, missing (a part of MAPT that needs it cannot run) or broken (it is there and does not work).
        detail: a version or what was seen.
        advice: what to do about it; empty where nothing is to be done.
        needed: the runtime cannot work without it.
    """

    what: str
    state: State
    detail: str
    advice: str = ""
    needed: bool = False


@dataclass(frozen=True)
class Package:
    """A distribution, the module it installs, the extra that asks for it, and what it is for."""

    distribution: str
    module: str
    extra: str
    purpose: str


PACKAGES = (
    Package("numpy", "numpy", "", "runtime"),
    Package("scipy", "scipy", "", "runtime"),
    Package("opencv-python-headless", "cv2", "", "runtime"),
    Package("pydantic", "pydantic", "", "runtime"),
    Package("torch", "torch", "train", "training"),
    Package("torchvision", "torchvision", "train", "training"),
    Package("timm", "timm", "train", "training"),
    Package("safetensors", "safetensors", "train", "training"),
    Package("onnx", "onnx", "export", "export"),
    Package("onnxscript", "onnxscript", "export", "export"),
)

OTHER_EXTRAS = {  # of modules that no line of the report is about
    "onnxruntime": "cpu", "av": "video", "tensorboard": "train", "jinja2": "export", "rerun": "rerun",
    "openvino": "bench",
}  # fmt: skip


def extra_of(module: str | None) -> str | None:
    """The extra that brings a module which the bare runtime does not have; None for all others."""
    extras = {p.module: p.extra for p in PACKAGES if p.extra} | OTHER_EXTRAS
    return extras.get((module or "").partition(".")[0])


def examine() -> list[Finding]:
    """Every check, in the order in which a user meets the parts."""
    return [
        _python(), _onnxruntime(), _cuda_provider(), *(_package(p) for p in PACKAGES), _processor(), _operators(),
        _ort_operators(), _gpu(), *_gpu_operators(), _tensorrt(),
        _attempt("video", _video, "install opencv-python-headless from PyPI: its wheel holds the encoder"),
        _attempt("shipped weights", _weights, "run in a checkout of the project, or train: mapt train nano-street"),
    ]  # fmt: skip


def _attempt(what: str, check: Callable[[], str], advice: str, needed: bool = False) -> Finding:
    """Run a check; whatever it raises is the finding."""
    try:
        return Finding(what, "ok", check(), needed=needed)
    except InputError as error:
        return Finding(what, "missing", str(error), advice, needed)
    except Exception as error:
        return Finding(what, "broken", f"{type(error).__name__}: {error}", advice, needed)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 10)
    return Finding(
        "Python", "ok" if good else "broken", version, "" if good else "install Python 3.10 or newer", needed=True
    )


def _onnxruntime() -> Finding:
    found = [name for name in ("onnxruntime", "onnxruntime-gpu") if _version(name)]
    if not found:
        return Finding("ONNX Runtime", "missing", "", "pip install 'mapt[cpu]' (or mapt[gpu])", needed=True)
    if len(found) > 1:
        return Finding(
            "ONNX Runtime", "broken", " and ".join(found) + " overwrite each other",
            "pip uninstall both, then install one: mapt[cpu] or mapt[gpu]", needed=True,
        )  # fmt: skip

    def providers() -> str:
        import onnxruntime

        names = ", ".join(name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers())
        return f"{found[0]} {_version(found[0])}, built for {names}; {_lowerings(onnxruntime.__version__)}"

    return _attempt("ONNX Runtime", providers, f"pip install --force-reinstall {found[0]}", needed=True)


# In a process of its own: CUDA's libraries stay loaded, and a fault in them ends the process.
CUDA_PROBE = """
import onnxruntime
from mapt.runtime.providers import NoCudaError, start_cuda
try:
    start_cuda(onnxruntime)
    print("ok: comes up and runs")
except NoCudaError as error:
    print(f"missing: {error}")
except Exception as error:
    print(f"broken: {error}")
"""


def _cuda_provider() -> Finding:
    """Does ONNX Runtime's CUDA provider run anything? That a build has it says little."""
    what, advice = "ONNX Runtime on a GPU", "not needed on a CPU; bundles run there"
    probe = subprocess.run([sys.executable, "-c", CUDA_PROBE], capture_output=True, text=True, check=False)
    state, _, detail = (probe.stdout.strip().splitlines() or [""])[-1].partition(": ")
    if state == "ok":
        tf32 = "float32 is not rounded to TF32 unless tf32=True or --tf32 asks for it"
        return Finding(what, "ok", f"{detail}; {tf32}")
    if state == "missing":
        return Finding(what, "missing", detail, advice)
    last = (probe.stderr.strip().splitlines() or ["no message"])[-1]
    return Finding(what, "broken", detail or last, "repair CUDA, or run bundles with device 'cpu'")


def _lowerings(onnxruntime: str) -> str:
    """Which bundles a version of ONNX Runtime runs."""
    from mapt.runtime.requirements import FLOORS, version

    here = version(onnxruntime)
    runs = [name for name, lowest in FLOORS.items() if here >= version(lowest)]
    waits = [f"{name} ones need {lowest}" for name, lowest in FLOORS.items() if here < version(lowest)]
    return ", ".join([f"runs {' and '.join(runs) or 'no'} bundles", *waits])


def _package(package: Package) -> Finding:
    what, needed = package.distribution, not package.extra
    version = _version(what)
    install = f"{package.purpose} needs it: pip install mapt" + (f"[{package.extra}]" if package.extra else "")
    if version is None:
        return Finding(what, "missing", "", install, needed)
    # A module that is there and does not import (a missing system library, another package's ABI) kills later runs.
    probe = subprocess.run(
        [sys.executable, "-c", f"import {package.module}"], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        last = (probe.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding(what, "broken", f"{version}: {last}", f"pip install --force-reinstall {what}", needed)
    return Finding(what, "ok", version, needed=needed)


# What decides the speed: x86-64's vectors and matrices; aarch64's, of which every processor has the first.
FEATURES = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8",
    "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip


def _processor() -> Finding:
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").is_file() else []
    known = [name for name in FEATURES if name in flags]
    return Finding(
        "processor", "ok", f"{usable_cores()} cores this process may use; {', '.join(known) or 'features unknown'}"
    )


def _operators() -> Finding:
    """What computes the network's own operators in PyTorch; the runtime does not need them."""
    what, build = "compiled operators", "MAPT_BUILD=torch pip install --no-build-isolation -e . (in a checkout)"
    left_out = _left_out("torch")
    if _version("torch") is None or _version("torchvision") is None:
        return Finding(what, "missing", "no PyTorch", "training needs it: pip install mapt[train]")
    question = "from mapt.ops import compiled; print(compiled.implementation(), compiled.MISSING, sep='|')"
    probe = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=False)
    if probe.returncode:
        return Finding(what, "broken", (probe.stderr.strip().splitlines() or ["no message"])[-1], build)
    uses, missing = probe.stdout.strip().split("|", 1)
    if not missing:
        return Finding(what, "ok", uses)
    if left_out != "ok":
        return Finding(what, "missing", f"{uses} instead, which is slower: {left_out}", build)
    return Finding(what, "broken", f"{uses} instead, which is slower: {missing}", build)


def _ort_operators() -> Finding:
    """What bundles of `mapt export --ops custom` need; no others do."""
    what, left_out = "operators for ONNX Runtime", _left_out("onnxruntime")
    left_out = "ok" if left_out.startswith("ok") else left_out
    try:
        from mapt.runtime.operators import DOMAIN, REBUILD, find_library, operator_providers
    except Exception as error:  # numpy and OpenCV come with it, and what they raise has no common class
        return Finding(what, "broken", f"{type(error).__name__}: {error}", "repair the packages above that are broken")

    try:
        path, version = find_library()
    except InputError as error:
        state: State = "missing" if left_out != "ok" else "broken"
        return Finding(
            what, state, left_out if left_out != "ok" else str(error), f"only --ops custom needs them; {REBUILD}"
        )
    providers = " and ".join(name.removesuffix("ExecutionProvider") for name in operator_providers(path))
    return Finding(what, "ok", f"{DOMAIN} {version} for {providers}, {path.name}")


def _left_out(part: str) -> str:
    """Why setup.py did not build a part; "ok" where it did."""
    record = Path(__file__).parent / "build.json"
    built: dict[str, str] = json.loads(record.read_text()) if record.is_file() else {}
    return built.get(part, "mapt was not installed with its own setup.py")


def _gpu_operators() -> list[Finding]:
    """What the CUDA kernels are compiled for, and where they are called from."""
    parts = (("CUDA operators", "cuda", "training on a GPU is slower without them"),
             ("TensorRT plugins", "tensorrt", "only TensorRT engines of --ops custom graphs need them"))  # fmt: skip
    findings = []
    for what, part, need in parts:
        said = _left_out(part)
        build = f"{need}: MAPT_BUILD={part} pip install --no-build-isolation -e . (in a checkout with nvcc)"
        built = said.startswith("ok")
        findings.append(Finding(what, "ok" if built else "missing", said.removeprefix("ok: "), "" if built else build))
    return findings


def _gpu() -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding("NVIDIA GPU", "missing", "no nvidia-smi", "not needed on a CPU; a GPU needs NVIDIA's driver")
    query = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30)
    except subprocess.TimeoutExpired as error:
        return Finding("NVIDIA GPU", "broken", f"no answer in {error.timeout:.0f} s", "repair NVIDIA's driver")
    if answer.returncode:
        return Finding("NVIDIA GPU", "broken", answer.stdout.strip() or answer.stderr.strip(), "repair NVIDIA's driver")
    return Finding("NVIDIA GPU", "ok", "; ".join(answer.stdout.strip().splitlines()))


def _tensorrt() -> Finding:
    install = f"only TensorRT engines need it: install {extras()}"

    def engines() -> str:
        from mapt.export.tensorrt import find_targets

        library, targets = find_targets()
        return f"{library} builds engines for {', '.join(targets)}"

    return _attempt("TensorRT", engines, install)


def _video() -> str:
    """Write and read back four frames."""
    import tempfile

    import cv2
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "probe.mp4")
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 64))
        if not writer.isOpened():
            raise OSError("OpenCV cannot write mp4 files")
        for level in range(4):
            writer.write(np.full((64, 64, 3), 50 * level, np.uint8))
        writer.release()
        reader = cv2.VideoCapture(path)
        count = 0
        while reader.read()[0]:
            count += 1
    if count != 4:
        raise OSError(f"wrote 4 frames of mp4 and read {count}")
    return "mp4 written and read back"


def _weights() -> str:
    path = shipped_weights()
    with path.open("rb") as file:  # read without the safetensors package, which the runtime does not need
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, {len(header) - 1} tensors"


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
