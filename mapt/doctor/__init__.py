"""Reports what is built, found and missing on this machine: `mapt doctor`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mapt.cores import usable_cores
from mapt.doctor import gpu, operators, packages, placement
from mapt.doctor.finding import Finding, attempt
from mapt.io.atomic_files import temporary_folder
from mapt.io.pretrained import DEFAULT, shipped_bundle, shipped_weights
from mapt.probes import PACKAGES

OTHER_EXTRAS = {  # by module, for modules that no line of the report checks
    "onnxruntime": "cpu",
    "av": "video",
    "tensorboard": "train",
    "jinja2": "cpu",
    "rerun": "rerun",
    "openvino": "openvino",
    "rosbags": "rosbag",
    "mcap": "mcap",
    "mcap_ros2": "mcap",
    "huggingface_hub": "hub",
    "pyarrow": "parquet",
    "ray": "ray",
    "s3fs": "s3",
    "gcsfs": "gcs",
}
TRACKING = ("temporary folder", "video", "default network")  # by line of the report
# The instruction sets that decide the speed: first those of x86-64, then those of aarch64. Every
# aarch64 processor has `asimd`.
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


def extra_of(module: str | None) -> str | None:
    """Return the extra that installs a module, or None if no extra does.

    Args:
        module: the name of a module or submodule; None gives None.
    """
    extras = {p.module: p.extra for p in PACKAGES if p.extra} | OTHER_EXTRAS
    return extras.get((module or "").partition(".")[0])


def examine() -> list[Finding]:
    """Run every check, in the order in which a user meets the parts."""
    return [
        packages.check_python(),
        packages.check_onnxruntime(),
        gpu.check_cuda_provider(),
        *(packages.check_package(p) for p in PACKAGES),
        _processor(),
        operators.check_torch_operators(),
        operators.check_ort_operators(),
        operators.check_native_core(),
        gpu.check_gpu(),
        *operators.check_gpu_operators(),
        gpu.check_tensorrt(),
        placement.check_default_placement(),
        attempt("temporary folder", _temporary, "name a folder that may be written in TMPDIR"),
        attempt("video", _video, "only reading and writing videos needs it"),
        attempt("default network", _default_network, "pip install --force-reinstall mapt"),
        attempt(
            "shipped weights",
            _weights,
            "exporting and training on need them: run in a checkout of the project",
        ),
    ]


def verdict(findings: Sequence[Finding]) -> str:
    """Tell in a line whether videos can be tracked here."""
    needed = [f for f in findings if f.needed or f.what in TRACKING]
    failing = [f.what for f in needed if f.state != "ok"]
    if failing:
        return f"Tracking a video does not work here yet: see {', '.join(failing)} above."
    return "Tracking a video works here. Parts marked missing are needed for other tasks only."


def _processor() -> Finding:
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").is_file() else []
    known = [name for name in FEATURES if name in flags]
    return Finding(
        "processor",
        "ok",
        f"{usable_cores()} cores this process may use; {', '.join(known) or 'features unknown'}",
    )


def _temporary() -> str:
    with temporary_folder() as folder:
        (folder / "probe").write_bytes(b"0")
        return str(folder.parent)


def _video() -> str:
    """Write and read back four frames as `mapt track` does."""
    import numpy as np

    from mapt.io.video.reader import decode, probe
    from mapt.io.video.writer import VideoWriter

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


def _default_network() -> str:
    """Describe what `mapt track` runs without --model; its manifest is checked, its files not."""
    from mapt.runtime.bundle.input_sizes import read_sizes, written

    sizes = ", ".join(map(written, read_sizes(shipped_bundle()).sizes))
    return f"{DEFAULT.name}, {DEFAULT.licence}, inputs {sizes}"


def _weights() -> str:
    path = shipped_weights()
    with path.open(
        "rb"
    ) as file:  # read without the safetensors package, which the runtime does not need
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, {len(header) - 1} tensors"
