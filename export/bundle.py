"""Writes a bundle: the graphs, the weights they came from, and the manifest over both."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from mapt.errors import InputError
from mapt.export.lowering import Lowering
from mapt.export.onnx import to_onnx
from mapt.export.subgraphs import list_subgraphs
from mapt.files import atomic_directory
from mapt.model.network import Network
from mapt.model.subgraphs import model_info
from mapt.model.weights import load_weights, save_weights
from mapt.runtime.bundle import MANIFEST, write_manifest

LIBRARIES = ("torch", "torchvision", "timm", "onnx", "onnxscript")
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Exported:
    """One file of a bundle: parameters, nodes and bytes."""

    name: str
    parameters: int
    nodes: int
    size: int


def export_bundle(
    weights: Path,
    out: Path,
    size: tuple[int, int] | None = None,
    lowering: Lowering = "standard",
    done: Callable[[str], None] | None = None,
) -> tuple[str, list[Exported]]:
    """Export a weight file in float32.

    Args:
        weights: `.safetensors` written by `mapt train`.
        out: the bundle's folder; a bundle that is there is replaced.
        size: network input (height, width), multiples of 32; None: the weights' own.
        lowering: how operators are written, see `mapt.export.lowering.lower`.
        done: called with each finished subgraph's name.

    Returns:
        The bundle's id and its graphs.

    Raises:
        InputError: bad weights or size, or a folder that is not a bundle.
    """
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not a bundle; choose another --out")
    network = load_weights(weights, **({"height": size[0], "width": size[1]} if size else {}))
    with atomic_directory(out) as folder:
        return _write(network, folder, lowering, done)


def _write(
    network: Network, folder: Path, lowering: Lowering, done: Callable[[str], None] | None
) -> tuple[str, list[Exported]]:
    info = model_info(network.config, network.backbone.channels[2])
    graphs: dict[str, str] = {}
    exported = []
    for subgraph in list_subgraphs(network, info):
        model, name = to_onnx(subgraph, info, lowering), subgraph.spec.name
        path = folder / f"{name}.onnx"
        onnx.save(model, path)
        graphs[name] = path.name
        parameters = sum(p.numel() for p in subgraph.module.parameters())
        exported.append(Exported(name, parameters, len(model.graph.node), path.stat().st_size))
        if done:
            done(name)
    save_weights(folder / WEIGHTS, network)
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    identity = write_manifest(folder, info, graphs, [WEIGHTS], lowering=lowering, precision="fp32", versions=versions)
    return identity, exported
