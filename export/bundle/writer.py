"""Writes a bundle: graphs, their weights, engines, a golden picture and the manifest.

The manifest covers all other files.
"""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from mapt.contract import LARGEST_BATCH, ModelInfo
from mapt.errors import InputError
from mapt.export.bundle.engine_files import build_bundle_engines, list_engine_files
from mapt.export.bundle.manifest import write_manifest
from mapt.export.lowering.folded_subgraphs import list_subgraphs
from mapt.export.lowering.lowering import Device, Lowering
from mapt.export.lowering.tracing import finish, trace
from mapt.export.precision.mixed_precision import (
    Frames,
    Lowered,
    Precision,
    lower_precision,
    report,
)
from mapt.export.precision.saturation import worst_pair_sum
from mapt.export.tensorrt.engines import BuiltEngine, find_targets
from mapt.io.atomic_folders import Ours, nothing, published
from mapt.model.network import Network
from mapt.model.subgraphs import model_info
from mapt.model.weights import load_weights, save_weights
from mapt.ops.nodes import DOMAIN, VERSION
from mapt.runtime.backends.operators import library_for
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.batches.batch import one_camera
from mapt.runtime.bundle.manifest import GOLDEN, MANIFEST, SIGNATURE, WEIGHTS, Bundle
from mapt.runtime.bundle.requirements import check_requirements, onnxruntime_version, required
from mapt.runtime.bundle.signature import load_private_key, sign_file
from mapt.runtime.perception.self_test import write_golden
from mapt.synthetic import render_sequence

LIBRARIES = ("torch", "torchvision", "timm", "onnx", "onnxscript")
REPORT = "precision.json"  # what the gate saw
GOLDEN_SEED = 4  # of the picture in every bundle


@dataclass(frozen=True)
class Request:
    """The requested content of a bundle.

    Attributes:
        size: network input (height, width), multiples of 32; None: the weights' own.
        lowering: how operators are written, see `mapt.export.lowering.lowering.lower`.
        precision: number format of the heads that pass the gate; the others stay in float32.
        frames: for int8's ranges and the gate.
        targets: GPU generations to build TensorRT engines for; None: no engines; empty: all of
            those that TensorRT-RTX builds for, or the GPU that is there.
        timing_cache: file that keeps TensorRT's measurements from run to run.
        sign: private Ed25519 key (PEM) that signs the manifest.
        device: what graphs with MAPT's own operators are for, see
            `mapt.export.lowering.lowering.lower`.
        weights: put the weights into the bundle, which measuring and exporting again need.
        coarse: the golden picture has fewer details, so that it takes less space.
        batch: images that the frame graphs take at a time; others than 1 for float32 only.
        zoom: see the middle of the input enlarged, too; None: as the weights say.
    """

    size: tuple[int, int] | None = None
    lowering: Lowering = "standard"
    precision: Precision = "fp32"
    frames: Frames = Frames()  # noqa: RUF009  (frozen)
    targets: tuple[str, ...] | None = None
    timing_cache: Path | None = None
    sign: Path | None = None
    device: Device = "cpu"
    weights: bool = True
    coarse: bool = False
    batch: int = 1
    zoom: bool | None = None


@dataclass(frozen=True)
class Graph:
    """One graph of a bundle: parameters, nodes, bytes, and the number format that it got."""

    name: str
    parameters: int
    nodes: int
    size: int
    precision: str


@dataclass(frozen=True)
class Exported:
    """The bundle that was written.

    Attributes:
        id: of the bundle.
        graphs: by subgraph.
        engines: by target and subgraph.
        lowered: what became of a lower precision.
        refused: a line for every engine of a lower precision that TensorRT does not build; it is
            left out.
    """

    id: str
    graphs: list[Graph]
    engines: list[BuiltEngine]
    lowered: Lowered | None
    refused: tuple[str, ...] = ()


def export_bundle(
    weights: Path,
    out: Path,
    request: Request | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Exported:
    """Export a weight file.

    Args:
        weights: `.safetensors` written by `mapt train`.
        out: the bundle's folder; a bundle that is there is replaced.
        request: what it is to hold; None: float32 and standard operators at the weights' own size,
            nothing else.
        on_progress: called with the name of each finished subgraph, trial of the gate and engine.

    Raises:
        InputError: bad weights, size, key, target or frames, no TensorRT, an ONNX Runtime that is
            too old for the lowering, or a folder that is not a bundle.
        RuntimeError: a graph is not valid or a float32 engine does not build; a fault of this
            program, not of its user.
    """
    request = request or Request()
    targets = check_request(request, out)
    network = load_weights(weights, size=request.size, zoom=request.zoom)
    with published(out, named_in(out)) as folder:
        return write_bundle(network, folder, request, targets, on_progress or (lambda _: None))


def check_request(request: Request, out: Path) -> tuple[str, ...] | None:
    """Check before the work what a request needs, and return the targets of its engines.

    Raises:
        InputError: as `export_bundle`.
    """
    if not 1 <= request.batch <= LARGEST_BATCH:
        raise InputError(f"--batch {request.batch}: give 1 to {LARGEST_BATCH} images")
    if request.batch > 1 and request.precision != "fp32":
        raise InputError(
            f"--precision {request.precision}: does not go with --batch; leave one out"
        )
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not a bundle; choose another --out")
    if request.sign:
        load_private_key(request.sign)  # what costs nothing to check comes first
    library_for(_operators(request.lowering), "--ops custom")
    here = onnxruntime_version()  # it gives the golden picture
    check_requirements(
        required(request.lowering),
        {"onnxruntime": here} if here else {},
        f"--ops {request.lowering}",
    )
    return None if request.targets is None else engine_targets(request.targets)


def named_in(bundle: Path) -> Ours:
    """Return a test for the files of a bundle that its manifest names.

    All other files in the folder belong to its user.
    """
    names = {MANIFEST, SIGNATURE}
    try:
        manifest = json.loads((bundle / MANIFEST).read_bytes())
        for part in (manifest, *manifest.get("inputs", ())):
            engines = part.get("engines", {}).values()
            entries = [
                *part.get("subgraphs", {}).values(),
                *(e for o in engines for e in o.values()),
            ]
            names |= {*part["files"], *(entry["file"] for entry in entries)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return nothing
    return names.__contains__


def engine_targets(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Check the requested targets and return those to build for.

    It raises the errors of `mapt.export.tensorrt.engines.find_targets`.
    """
    library, possible = find_targets()
    unknown = next((t for t in wanted if t not in possible), None)
    if unknown:
        other = "" if library.startswith("tensorrt ") else "; for others, mapt[trt] on such a GPU"
        raise InputError(f"--targets {unknown}: {library} builds for {', '.join(possible)}{other}")
    return wanted or possible


def write_bundle(
    network: Network,
    folder: Path,
    request: Request,
    targets: tuple[str, ...] | None,
    on_progress: Callable[[str], None],
) -> Exported:
    """Write a bundle of one input size into an empty folder; see `export_bundle`."""
    info = model_info(network.config, network.backbone.channels[2])
    if request.precision != "fp32":
        request.frames.check(info)
    parameters: dict[str, int] = {}
    graphs: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for subgraph in list_subgraphs(network, info, request.batch):
            name = subgraph.spec.name
            traced = trace(subgraph)
            graphs[name] = folder / f"{name}.onnx"
            onnx.save(
                finish(traced, subgraph, info, request.lowering, request.device), graphs[name]
            )
            if targets is not None:
                onnx.save(
                    finish(traced, subgraph, info, "gridsample"), Path(scratch, f"{name}.onnx")
                )
            parameters[name] = sum(p.numel() for p in subgraph.module.parameters())
            on_progress(name)
        operators = _operators(request.lowering)
        bundle = Bundle(
            folder,
            "",
            info,
            request.lowering,
            request.precision,
            graphs,
            {},
            operators=operators,
            batch=request.batch,
        )
        files = [GOLDEN]
        if request.weights:
            save_weights(folder / WEIGHTS, network)
            files.append(WEIGHTS)
        lowered = None
        kept = tuple[str, ...]()
        if request.precision != "fp32":
            lowered, kept = _lower(bundle, request, on_progress)
            files.append(REPORT)
            for head in kept if targets is not None else ():
                path = Path(scratch, f"{head}.onnx")
                onnx.save(lowered.convert(head, onnx.load(path), symmetric=True), path)
        precisions: dict[str, str] = {
            name: request.precision if name in kept else "fp32" for name in graphs
        }
        engines, refused = build_bundle_engines(
            Path(scratch), precisions, folder, targets or (), request.timing_cache, on_progress
        )
    image = _golden_image(info, request.coarse)
    backend = one_camera(OrtBackend(bundle, device="cpu"), bundle.batch)
    write_golden(folder / GOLDEN, backend, image)
    identity = write_manifest(
        folder,
        info,
        {name: path.name for name, path in graphs.items()},
        files,
        lowering=request.lowering,
        precision=request.precision,
        precisions=precisions,
        versions={name: importlib.metadata.version(name) for name in LIBRARIES},
        engines=list_engine_files(engines, folder),
        operators=operators,
        pair_sums=_pair_sums(graphs, precisions),
        batch=request.batch,
    )
    if request.sign:
        sign_file(folder / MANIFEST, request.sign, folder / SIGNATURE)
    listed = [
        _listed(name, path, parameters[name], precisions[name]) for name, path in graphs.items()
    ]
    return Exported(identity, listed, engines, lowered, refused)


def _operators(lowering: Lowering) -> dict[str, int]:
    """The operators that a bundle's graphs need beyond ONNX's own: domain and version."""
    return {DOMAIN: VERSION} if lowering == "custom" else {}


def _pair_sums(graphs: dict[str, Path], precisions: dict[str, str]) -> dict[str, int]:
    """Largest sum of two products in each int8 graph, from the files as they are."""
    lowered = [name for name, precision in precisions.items() if precision == "int8"]
    return {name: worst_pair_sum(onnx.load(graphs[name])) for name in lowered}


def _listed(name: str, path: Path, parameters: int, precision: str) -> Graph:
    return Graph(name, parameters, len(onnx.load(path).graph.node), path.stat().st_size, precision)


def _lower(
    bundle: Bundle, request: Request, on_progress: Callable[[str], None]
) -> tuple[Lowered, tuple[str, ...]]:
    """Lower the precision of the heads that pass the accuracy gate, and write its report.

    The names of these heads are returned, too.
    """
    lowered = lower_precision(bundle, request.precision, request.frames, on_progress)
    told = report(lowered.verdict, request.precision, request.frames)
    (bundle.folder / REPORT).write_text(json.dumps(told, indent=1) + "\n")
    return lowered, lowered.verdict.kept


def _golden_image(info: ModelInfo, coarse: bool) -> NDArray[np.uint8]:
    """A synthetic street (1,H,W,3) uint8; of a coarse one, blocks of 4x4 have one colour."""
    image = next(render_sequence(GOLDEN_SEED, 0, 1, (info.height, info.width))).image
    if coarse:
        image = image[::4, ::4].repeat(4, 0).repeat(4, 1)
    return image[None]
