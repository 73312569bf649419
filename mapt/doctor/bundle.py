"""Says whether a bundle's graphs and engines run on this machine, before any of them is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapt.contract import SUBGRAPHS
from mapt.doctor.finding import Finding
from mapt.errors import InputError
from mapt.probes import ask
from mapt.runtime.backends.operators import library_for
from mapt.runtime.bundle.manifest import (
    Bundle,
    EngineFile,
    find_root,
    read_bundle,
    read_manifest,
)
from mapt.runtime.bundle.requirements import check_requirements, onnxruntime_version
from mapt.runtime.bundle.schema import SizesManifest

# In a process of its own: a broken library may end it. Each value is null where it is unknown.
PLATFORM_PROBE = """
import importlib.metadata, json, re
from mapt.runtime.backends import tensorrt_library as tensorrt
told = dict.fromkeys(("target", "library", "cuda", "driver", "refusal"))
def ask(name, find):
    try:
        told[name] = find()
    except (ImportError, OSError, ValueError):
        pass
ask("target", tensorrt.device_target)
ask("driver", lambda: tensorrt.driver_cuda()[0])
found = []
ask("found", lambda: found.extend(tensorrt.load_library()))
told.pop("found", None)
if found:
    told["library"] = tensorrt.versioned(*found)
    names = [d.name or "" for d in importlib.metadata.distributions()]
    built = [re.fullmatch(r"tensorrt([-_]rtx)?[-_]cu(\\d+).*", name) for name in names]
    rtx = found[1] == "tensorrt_rtx"
    majors = {int(m[2]) for m in built if m and bool(m[1]) == rtx}
    told["cuda"] = majors.pop() if len(majors) == 1 else None
    if told["target"]:
        try:
            tensorrt.require_support(found[1], told["target"])
        except ValueError as error:
            told["refusal"] = f"TensorRT {error}"
print(json.dumps(told))
"""
PLUGINS = ("PLUGIN", "PLUGIN_V2", "PLUGIN_V3")  # kinds of layers that a library of plugins computes


@dataclass(frozen=True)
class Platform:
    """What decides whether an engine loads, learnt without loading one.

    Attributes:
        target: the GPU, "sm86"; None: there is none, or no driver.
        library: TensorRT's name and version; None: none imports.
        cuda: the major version of CUDA that this TensorRT is built for; None: unknown.
        driver: the major version of the newest CUDA that the driver runs; None: no driver.
        refusal: why this TensorRT does not run on this GPU; None: nothing is known against it.
        bindings: NVIDIA's CUDA bindings for Python import.
    """

    target: str | None = None
    library: str | None = None
    cuda: int | None = None
    driver: int | None = None
    refusal: str | None = None
    bindings: bool = True


def find_platform() -> Platform:
    """Look at this machine, in child processes.

    Raises:
        InputError: the child ended without an answer.
    """
    probe = ask(PLATFORM_PROBE)
    try:
        told: dict[str, Any] = json.loads(probe.out.splitlines()[-1])
    except (ValueError, IndexError):
        raise InputError(f"TensorRT cannot be asked ({probe.error or probe.out})") from None
    return Platform(**told, bindings=ask("from cuda.bindings import runtime").code == 0)


def obstacles(engine: EngineFile, target: str, here: Platform) -> list[str]:
    """Return why an engine for a target will not load on a platform; empty: it will.

    The rules are those of `mapt.runtime.backends.tensorrt`.
    """
    found = []
    if here.driver is None or here.target is None:
        found.append("no NVIDIA GPU and driver here")
    elif here.target != target:
        found.append(f"this GPU is {here.target}")
    if here.library is None:
        found.append(f"no TensorRT here, {engine.library} built it")
    elif here.library != engine.library:
        found.append(f"{engine.library} built it, here is {here.library}")
    if here.refusal:
        found.append(here.refusal)
    if here.driver is not None and here.cuda is not None and here.driver < here.cuda:
        found.append(f"the driver runs CUDA {here.driver}, this TensorRT needs CUDA {here.cuda}")
    if not here.bindings:
        found.append("CUDA's Python bindings are not installed")
    plugin = next((kind for kind in PLUGINS if kind in engine.layers), None)
    if plugin:
        found.append(f"it has layers of {plugin}, whose library the tracker does not load")
    return found


def examine_bundle(folder: Path) -> list[Finding]:
    """Check what of a bundle runs here.

    Args:
        folder: the bundle, or `BUNDLE/HxW` for one of its sizes.

    Returns:
        For each input size one line of its graphs, and one for the engines of a target that have
        the same verdict. The first line tells whether anything runs.

    Raises:
        InputError: it is no bundle, or one of its files is missing or changed.
    """
    bundles = {path: read_bundle(path) for path in _parts(folder)}
    here = find_platform() if any(b.engines for b in bundles.values()) else Platform()
    found = []
    for path, bundle in bundles.items():
        name = f"{path.name} " if len(bundles) > 1 else ""
        found += [_check_graphs(bundle, f"{name}graphs")]
        for target, engines in bundle.engines.items():
            found += _check_engines(engines, f"{name}engines {target}", target, here)
    runs = [f.what for f in found if f.state == "ok"]
    first = Finding(
        "bundle",
        "ok" if runs else "broken",
        f"{folder}: {', '.join(runs) or 'nothing'} will run here",
        "" if runs else "see the lines below",
        needed=True,
    )
    return [first, *found]


def _parts(folder: Path) -> list[Path]:
    """The paths under which `read_bundle` opens each input of a bundle."""
    root, name = find_root(folder)
    manifest = read_manifest(root)
    if name or not isinstance(manifest, SizesManifest):
        return [folder]
    return [folder / entry.name for entry in manifest.inputs]


def _check_graphs(bundle: Bundle, what: str) -> Finding:
    """Whether ONNX Runtime takes the graphs on the CPU."""
    here = onnxruntime_version()
    if here is None:
        return Finding(what, "missing", "no ONNX Runtime here", "install mapt[cpu] or mapt[gpu]")
    try:
        check_requirements(bundle.requires, {"onnxruntime": here}, bundle.folder)
        library = library_for(bundle.operators, bundle.folder)
    except InputError as error:
        return Finding(what, "missing", str(error), "use a bundle of another lowering")
    own = f", operators of {library.name}" if library else ""
    return Finding(what, "ok", f"{bundle.lowering}, ONNX Runtime {here}{own}")


def _check_engines(
    engines: dict[str, EngineFile], what: str, target: str, here: Platform
) -> list[Finding]:
    """A line for the engines of a target that have the same verdict."""
    lacking = [spec.name for spec in SUBGRAPHS if spec.name not in engines]
    verdicts: dict[str, list[str]] = {}
    for name, engine in engines.items():
        verdicts.setdefault("; ".join(obstacles(engine, target, here)), []).append(name)
    again = f"mapt export WEIGHTS --out NEW_BUNDLE --trt --targets {here.target or target}"
    found = []
    for reasons, names in verdicts.items():
        told = ", ".join(names)
        if reasons or lacking:
            rest = [f"no engine of {', '.join(lacking)}"] if lacking else []
            detail = f"{told}: will not load: {'; '.join([*filter(None, [reasons]), *rest])}"
            found.append(Finding(what, "missing", detail, f"build them here: {again}"))
        else:
            status = ", ".join(sorted({engines[name].status for name in names}))
            detail = f"{told}: will load with {here.library} (state of proof: {status})"
            found.append(Finding(what, "ok", detail))
    return found
