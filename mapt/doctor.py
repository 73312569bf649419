"""What is built, found and missing on this machine: `mapt doctor`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mapt.cores import usable_cores
from mapt.errors import InputError
from mapt.io.atomic_files import temporary_folder
from mapt.io.pretrained import shipped_weights
from mapt.probes import ONNX_RUNTIME, PACKAGES, Package, ask, installed, version
from mapt.runtime.backends.tensorrt_library import extras

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: the thing looked for.
        state: ok, missing (a part of MAPT that needs it cannot run) or broken (it is there and does
            not work).
        detail: a version or what was seen.
        advice: what to do about it; empty where nothing is to be done.
        needed: the runtime cannot work without it.
    """

    what: str
    state: State
    detail: str
    advice: str = ""
    needed: bool = False


OTHER_EXTRAS = {  # of modules that no line of the report is about
    "onnxruntime": "cpu",
    "av": "video",
    "tensorboard": "train",
    "jinja2": "cpu",
    "rerun": "rerun",
    "openvino": "openvino",
    "rosbags": "rosbag",
    "mcap": "mcap",
    "mcap_ros2": "mcap",
}


def extra_of(module: str | None) -> str | None:
    """The extra that brings a module which the bare runtime does not have; None for all others."""
    extras = {p.module: p.extra for p in PACKAGES if p.extra} | OTHER_EXTRAS
    return extras.get((module or "").partition(".")[0])


def examine() -> list[Finding]:
    """Every check, in the order in which a user meets the parts."""
    return [
        _python(),
        _onnxruntime(),
        _cuda_provider(),
        *(_package(p) for p in PACKAGES),
        _processor(),
        _operators(),
        _ort_operators(),
        _gpu(),
        *_gpu_operators(),
        _tensorrt(),
        _attempt("temporary folder", _temporary, "name a folder that may be written in TMPDIR"),
        _attempt("video", _video, "only reading and writing videos needs it"),
        _attempt(
            "shipped weights",
            _weights,
            "run in a checkout of the project, or train: mapt train nano-street",
        ),
    ]


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
        "Python",
        "ok" if good else "broken",
        version,
        "" if good else "install Python 3.10 or newer",
        needed=True,
    )


def _onnxruntime() -> Finding:
    found = list(installed(ONNX_RUNTIME))
    if len(found) > 1:
        return Finding(
            "ONNX Runtime",
            "broken",
            " and ".join(found) + " overwrite each other",
            "pip uninstall both, then install one: mapt[cpu] or mapt[gpu]",
            needed=True,
        )

    def providers() -> str:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise InputError("") from None
        names = ", ".join(
            name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()
        )
        name = found[0] if found else "of no known distribution,"
        return (
            f"{name} {onnxruntime.__version__}, built for {names};"
            f" {_lowerings(onnxruntime.__version__)}"
        )

    advice = (
        f"pip install --force-reinstall {found[0]}"
        if found
        else "pip install 'mapt[cpu]' (or mapt[gpu])"
    )
    return _attempt("ONNX Runtime", providers, advice, needed=True)


CUDA_PROBE = """
import onnxruntime
from mapt.runtime.backends.ort_providers import NoCudaError, start_cuda
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
    what = "ONNX Runtime on a GPU"
    advice = "not needed on a CPU; bundles run there"
    probe = ask(CUDA_PROBE)
    state, _, detail = probe.out.partition(": ")
    if state == "ok":
        tf32 = "float32 is not rounded to TF32 unless tf32=True or --tf32 asks for it"
        return Finding(what, "ok", f"{detail}; {tf32}")
    if state == "missing":
        return Finding(what, "missing", detail, advice)
    return Finding(
        what, "broken", detail or probe.error, "repair CUDA, or run bundles with device 'cpu'"
    )


def _lowerings(onnxruntime: str) -> str:
    """Which bundles a version of ONNX Runtime runs."""
    from mapt.runtime.bundle.requirements import FLOORS
    from mapt.runtime.bundle.requirements import version as parts

    here = parts(onnxruntime)
    runs = [name for name, lowest in FLOORS.items() if here >= parts(lowest)]
    waits = [
        f"{name} ones need {lowest}" for name, lowest in FLOORS.items() if here < parts(lowest)
    ]
    return ", ".join([f"runs {' and '.join(runs) or 'no'} bundles", *waits])


def _package(package: Package) -> Finding:
    """Check that a package is installed and can be imported.

    A missing system library or another ABI breaks the import, and would break later runs.
    """
    what = package.distribution
    needed = not package.extra
    found = installed(package)
    install = f"{package.purpose} needs it: pip install mapt" + (
        f"[{package.extra}]" if package.extra else ""
    )
    probe = ask(
        f"import {package.module} as m\nprint(m.__version__ if hasattr(m, '__version__') else '?',"
        " m.__file__ or '')"
    )
    number, _, place = probe.out.partition(" ")
    if not found and (probe.code or not place):  # a folder of that name imports too, and is none
        return Finding(what, "missing", "", install, needed)
    names = ", ".join(
        number if name == what else f"{name} {number}" for name, number in found.items()
    )
    if probe.code != 0:
        return Finding(
            what,
            "broken",
            f"{names}: {probe.error}",
            f"pip install --force-reinstall {what}",
            needed,
        )
    return Finding(what, "ok", names or f"{number} in {place}", needed=needed)


# What decides the speed: x86-64's vectors and matrices; aarch64's, of which every processor has the
# first.
FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "asimd",
    "asimdhp",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
    "sve2",
)


def _processor() -> Finding:
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").is_file() else []
    known = [name for name in FEATURES if name in flags]
    return Finding(
        "processor",
        "ok",
        f"{usable_cores()} cores this process may use; {', '.join(known) or 'features unknown'}",
    )


def _operators() -> Finding:
    """What computes the network's own operators in PyTorch; the runtime does not need them."""
    what = "compiled operators"
    build = "MAPT_BUILD=torch pip install --no-build-isolation -e . (in a checkout)"
    left_out = _left_out("torch")
    if version("torch") is None or version("torchvision") is None:
        return Finding(what, "missing", "no PyTorch", "training needs it: pip install mapt[train]")
    question = (
        "from mapt.ops import compiled; print(compiled.implementation(), compiled.MISSING, sep='|')"
    )
    probe = ask(question)
    if probe.code != 0 or "|" not in probe.out:
        return Finding(what, "broken", probe.error, build)
    uses, missing = probe.out.split("|", 1)
    if not missing:
        return Finding(what, "ok", uses)
    if left_out != "ok":
        return Finding(what, "missing", f"{uses} instead, which is slower: {left_out}", build)
    return Finding(what, "broken", f"{uses} instead, which is slower: {missing}", build)


def _ort_operators() -> Finding:
    """What bundles of `mapt export --ops custom` need; no others do."""
    what = "operators for ONNX Runtime"
    left_out = _left_out("onnxruntime")
    left_out = "ok" if left_out.startswith("ok") else left_out
    try:
        from mapt.runtime.backends.operators import (
            DOMAIN,
            REBUILD,
            find_library,
            operator_providers,
        )
    except (
        Exception
    ) as error:  # numpy and OpenCV come with it, and what they raise has no common class
        return Finding(
            what,
            "broken",
            f"{type(error).__name__}: {error}",
            "repair the packages above that are broken",
        )

    try:
        path, version = find_library()
    except InputError as error:
        state: State = "missing" if left_out != "ok" else "broken"
        return Finding(
            what,
            state,
            left_out if left_out != "ok" else str(error),
            f"only --ops custom needs them; {REBUILD}",
        )
    providers = " and ".join(
        name.removesuffix("ExecutionProvider") for name in operator_providers(path)
    )
    return Finding(what, "ok", f"{DOMAIN} {version} for {providers}, {path.name}")


def _left_out(part: str) -> str:
    """Why setup.py did not build a part; "ok" where it did."""
    record = Path(__file__).parent / "build.json"
    built: dict[str, str] = json.loads(record.read_text()) if record.is_file() else {}
    return built.get(part, "mapt was not installed with its own setup.py")


def _gpu_operators() -> list[Finding]:
    """What the CUDA kernels are compiled for, and where they are called from."""
    parts = (
        ("CUDA operators", "cuda", "training on a GPU is slower without them"),
        ("TensorRT plugins", "tensorrt", "only TensorRT engines of --ops custom graphs need them"),
    )
    findings = []
    for what, part, need in parts:
        said = _left_out(part)
        build = (
            f"{need}: MAPT_BUILD={part} pip install --no-build-isolation -e . (in a checkout with"
            " nvcc)"
        )
        built = said.startswith("ok")
        findings.append(
            Finding(
                what,
                "ok" if built else "missing",
                said.removeprefix("ok: "),
                "" if built else build,
            )
        )
    return findings


def _gpu() -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding(
            "NVIDIA GPU",
            "missing",
            "no nvidia-smi",
            "not needed on a CPU; a GPU needs NVIDIA's driver",
        )
    query = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30)
    except subprocess.TimeoutExpired as error:
        return Finding(
            "NVIDIA GPU", "broken", f"no answer in {error.timeout:.0f} s", "repair NVIDIA's driver"
        )
    if answer.returncode:
        return Finding(
            "NVIDIA GPU",
            "broken",
            answer.stdout.strip() or answer.stderr.strip(),
            "repair NVIDIA's driver",
        )
    return Finding("NVIDIA GPU", "ok", "; ".join(answer.stdout.strip().splitlines()))


def _tensorrt() -> Finding:
    install = f"only TensorRT engines need it: install {extras()}"

    def engines() -> str:
        from mapt.export.tensorrt.engines import find_targets

        library, targets = find_targets()
        return f"{library} builds engines for {', '.join(targets)}"

    return _attempt("TensorRT", engines, install)


def _temporary() -> str:
    with temporary_folder() as folder:
        (folder / "probe").write_bytes(b"0")
        return str(folder.parent)


def _video() -> str:
    """Write and read back four frames as `mapt track` does."""
    import numpy as np

    from mapt.io.video import decode, probe
    from mapt.io.video_writer import VideoWriter

    with temporary_folder() as folder:
        path = folder / "probe.mp4"
        writer = VideoWriter(path, (64, 64), 10)
        try:
            for number in range(4):
                writer.write(number * 100_000_000, np.full((64, 64, 3), 50 * number, np.uint8))
            writer.close()
        except BaseException:
            writer.abort()
            raise
        count = sum(1 for _ in decode(path, probe(path)))
    if count != 4:
        raise OSError(f"wrote 4 frames of mp4 and read {count}")
    return "mp4 written and read back"


def _weights() -> str:
    path = shipped_weights()
    with path.open(
        "rb"
    ) as file:  # read without the safetensors package, which the runtime does not need
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, {len(header) - 1} tensors"
