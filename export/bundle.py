"""Writes a bundle: graphs, the weights they came from, engines, a golden picture, and the manifest over all of it."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from mapt.contract import ModelInfo
from mapt.data.synthetic import render_sequence
from mapt.errors import InputError
from mapt.export.graph import static_shapes
from mapt.export.lowering import Lowering
from mapt.export.onnx import finish, trace
from mapt.export.subgraphs import list_subgraphs
from mapt.export.tensorrt import Engine, build_engines, find_targets
from mapt.export.turing import remove_products
from mapt.files import atomic_directory
from mapt.model.network import Network
from mapt.model.subgraphs import model_info
from mapt.model.weights import load_weights, save_weights
from mapt.ops.nodes import DOMAIN, VERSION
from mapt.runtime.bundle import GOLDEN, MANIFEST, SIGNATURE, Bundle, EngineFile, write_manifest
from mapt.runtime.operators import library_for
from mapt.runtime.ort import OrtBackend
from mapt.runtime.selftest import write_golden
from mapt.runtime.signature import load_private_key, sign_file

LIBRARIES = ("torch", "torchvision", "timm", "onnx", "onnxscript")
WEIGHTS = "weights.safetensors"
TARGETS = ("sm75", "sm80", "sm86", "sm89", "sm120")  # Turing, Ampere, Ada, Blackwell
GOLDEN_SEED = 4  # of the picture in every bundle


@dataclass(frozen=True)
class Request:
    """What a bundle is to hold.

    Attributes:
        size: network input (height, width), multiples of 32; None: the weights' own.
        lowering: how operators are written, see `mapt.export.lowering.lower`.
        targets: GPU generations to build TensorRT engines for; None: no engines; empty: all of `TARGETS` that the
            library builds for, or the GPU that is there.
        timing_cache: file that keeps TensorRT's measurements from run to run.
        sign: private Ed25519 key (PEM) that signs the manifest.
    """

    size: tuple[int, int] | None = None
    lowering: Lowering = "standard"
    targets: tuple[str, ...] | None = None
    timing_cache: Path | None = None
    sign: Path | None = None


@dataclass(frozen=True)
class Exported:
    """One file of a bundle: parameters, nodes and bytes."""

    name: str
    parameters: int
    nodes: int
    size: int


def export_bundle(
    weights: Path, out: Path, request: Request | None = None, done: Callable[[str], None] | None = None
) -> tuple[str, list[Exported], list[Engine]]:
    """Export a weight file in float32.

    Args:
        weights: `.safetensors` written by `mapt train`.
        out: the bundle's folder; a bundle that is there is replaced.
        request: what it is to hold; None: standard operators at the weights' own size, nothing else.
        done: called with the name of each finished subgraph and engine.

    Returns:
        The bundle's id, its graphs and its engines.

    Raises:
        InputError: bad weights, size, key or target, no TensorRT, or a folder that is not a bundle.
        RuntimeError: a graph is not valid or an engine does not build; a fault of this program, not of its user.
    """
    request = request or Request()
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not a bundle; choose another --out")
    if request.sign:
        load_private_key(request.sign)  # what costs nothing to check comes first
    library_for(_operators(request.lowering), "--ops custom")
    targets = None if request.targets is None else engine_targets(request.targets)
    size = request.size
    network = load_weights(weights, **({"height": size[0], "width": size[1]} if size else {}))
    with atomic_directory(out) as folder:
        return _write(network, folder, request, targets, done or (lambda _: None))


def engine_targets(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The targets that are meant, checked; errors as in `mapt.export.tensorrt.find_targets`."""
    library, possible = find_targets()
    unknown = next((t for t in wanted if t not in possible), None)
    if unknown:
        raise InputError(f"--targets {unknown}: {library} builds for {', '.join(possible)}")
    return wanted or tuple(t for t in TARGETS if t in possible) or possible


def _write(
    network: Network, folder: Path, request: Request, targets: tuple[str, ...] | None, done: Callable[[str], None]
) -> tuple[str, list[Exported], list[Engine]]:
    info = model_info(network.config, network.backbone.channels[2])
    exported = []
    graphs: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for subgraph in list_subgraphs(network, info):
            name, traced = subgraph.spec.name, trace(subgraph)
            model = finish(traced, subgraph, info, request.lowering)
            graphs[name] = folder / f"{name}.onnx"
            onnx.save(model, graphs[name])
            if targets is not None:
                _save_for_engines(finish(traced, subgraph, info, "gridsample"), Path(scratch), name)
            parameters = sum(p.numel() for p in subgraph.module.parameters())
            exported.append(Exported(name, parameters, len(model.graph.node), graphs[name].stat().st_size))
            done(name)
        engines = [] if targets is None else _engines(Path(scratch), [*graphs], folder, targets, request, done)
    save_weights(folder / WEIGHTS, network)
    operators = _operators(request.lowering)
    bundle = Bundle(folder, "", info, request.lowering, "fp32", graphs, {}, operators=operators)
    write_golden(folder / GOLDEN, OrtBackend(bundle), _golden_image(info))
    entries: dict[str, dict[str, EngineFile]] = {}
    for engine in engines:
        entry = EngineFile(folder / engine.file, engine.library, "built", engine.layers)
        entries.setdefault(engine.target, {})[engine.subgraph] = entry
    identity = write_manifest(
        folder, info, {name: path.name for name, path in graphs.items()}, [WEIGHTS, GOLDEN],
        lowering=request.lowering, precision="fp32",
        versions={name: importlib.metadata.version(name) for name in LIBRARIES}, engines=entries,
        operators=operators,
    )  # fmt: skip
    if request.sign:
        sign_file(folder / MANIFEST, request.sign, folder / SIGNATURE)
    return identity, exported, engines


def _operators(lowering: Lowering) -> dict[str, int]:
    """The operators that a bundle's graphs need beyond ONNX's own: domain and version."""
    return {DOMAIN: VERSION} if lowering == "custom" else {}


def _save_for_engines(model: onnx.ModelProto, scratch: Path, name: str) -> None:
    """The graph for TensorRT, and the one for Turing."""
    onnx.save(model, scratch / f"{name}.onnx")
    remove_products(model, static_shapes(model))
    onnx.save(model, scratch / f"{name}-sm75.onnx")


def _engines(
    scratch: Path, names: list[str], folder: Path, targets: tuple[str, ...], request: Request,
    done: Callable[[str], None],
) -> list[Engine]:  # fmt: skip
    engines = []
    for target in targets:
        suffix = "-sm75" if target == "sm75" else ""
        sources = {name: scratch / f"{name}{suffix}.onnx" for name in names}
        engines += build_engines(sources, folder, target, request.timing_cache, lambda e: done(e.file))
    return engines


def _golden_image(info: ModelInfo) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A synthetic street (1,H,W,3) uint8."""
    return next(render_sequence(GOLDEN_SEED, 0, 1, (info.height, info.width))).image[None]
