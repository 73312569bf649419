"""Checks of the compiled operators, for PyTorch, ONNX Runtime, CUDA and TensorRT."""

from __future__ import annotations

import json
from pathlib import Path

from mapt.doctor.finding import Finding, State
from mapt.errors import InputError
from mapt.probes import ask, version


def check_torch_operators() -> Finding:
    """Check what computes the network's own operators in PyTorch.

    The runtime does not need them.
    """
    what = "compiled operators"
    build = "MAPT_BUILD=torch pip install --no-build-isolation -e . (in a checkout)"
    left_out = _left_out("torch")
    if version("torch") is None or version("torchvision") is None:
        return Finding(
            what, "missing", "no PyTorch", "training needs it: pip install 'mapt[train]'"
        )
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


def check_ort_operators() -> Finding:
    """Check the operators that only bundles of `mapt export --ops custom` need."""
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


def check_native_core() -> Finding:
    """Check which core a tracker takes by itself: the one in C++, or Python's."""
    what = "native core"
    left_out = _left_out("native")
    try:
        from mapt.runtime.native.library import REBUILD, find_onnxruntime, load_library

        library = load_library()
        runtime = find_onnxruntime()
    except InputError as error:
        said = str(error) if left_out.startswith("ok") else left_out
        return Finding(
            what, "missing", f"trackers run the Python core: {said}", f"it is quicker; {REBUILD}"
        )
    release = library.mapt_version().decode()
    return Finding(what, "ok", f"libmapt {release} with {runtime.name}")


def check_gpu_operators() -> list[Finding]:
    """Check which kernels for GPUs were built, and for which GPUs."""
    parts = (
        ("CUDA operators", "cuda", "training on a GPU is slower without them"),
        ("TensorRT plugins", "tensorrt", "only TensorRT engines of --ops custom graphs need them"),
        ("image kernel", "images", "only images in a GPU's memory need it"),
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


def _left_out(part: str) -> str:
    """Return why setup.py did not build a part, or a text that begins with "ok" if it did."""
    record = Path(__file__).parents[1] / "build.json"
    built: dict[str, str] = json.loads(record.read_text()) if record.is_file() else {}
    return built.get(part, "mapt was not installed with its own setup.py")
