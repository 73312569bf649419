"""Writes a bundle's manifest, which `mapt.runtime.bundle.manifest` reads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from mapt.contract import ModelInfo, TensorSpec, list_specs
from mapt.io.atomic_files import atomic_file
from mapt.runtime.bundle.contents import sha256
from mapt.runtime.bundle.format import BATCH_FORMAT
from mapt.runtime.bundle.manifest import FORMAT, MANIFEST, PAIR_LIMIT, EngineFile, seal
from mapt.runtime.bundle.requirements import required
from mapt.runtime.bundle.schema import (
    BatchManifest,
    EngineEntry,
    Int8Bound,
    Manifest,
    SubgraphEntry,
    TensorEntry,
)


def write_manifest(
    folder: Path,
    info: ModelInfo,
    graphs: dict[str, str],
    files: list[str],
    *,
    lowering: str,
    precision: str,
    versions: dict[str, str],
    precisions: dict[str, str] | None = None,
    engines: dict[str, dict[str, EngineFile]] | None = None,
    operators: dict[str, int] | None = None,
    pair_sums: dict[str, int] | None = None,
    batch: int = 1,
) -> str:
    """Write `manifest.json` over files that already lie in `folder`.

    Args:
        folder: the bundle.
        info: of the network.
        graphs: file name of each subgraph.
        files: names of further files (weights).
        lowering: how operators were exported.
        precision: number format that was asked for.
        precisions: number format of each subgraph; None: `precision`.
        versions: library versions.
        engines: TensorRT engines in the folder, by target and subgraph.
        operators: version of every domain of operators in the graphs that is not ONNX's own.
        pair_sums: of every int8 subgraph, see `mapt.export.precision.saturation.worst_pair_sum`.
        batch: images that the frame graphs take at a time.

    Returns:
        The bundle's id: a hash over the ONNX files and what is configured, engines and weights
        apart.
    """
    subgraphs = {
        spec.name: SubgraphEntry(
            file=graphs[spec.name],
            sha256=sha256(folder / graphs[spec.name]),
            precision=(precisions or {}).get(spec.name, precision),
            inputs=[_tensor(t, info) for t in spec.inputs],
            outputs=[_tensor(t, info) for t in spec.outputs],
        )
        for spec in list_specs(batch)
    }
    core = {
        "format": FORMAT if batch == 1 else BATCH_FORMAT,
        **({} if batch == 1 else {"batch": batch}),
        **{k: v for k, v in asdict(info).items() if k != "thresholds"},
        "classes": list(info.classes),
        "things": list(info.things),
        "thresholds": asdict(info.thresholds),
        "lowering": lowering,
        "operators": operators or {},
        "requires": required(lowering),
        "precision": precision,
        "subgraphs": {name: entry.model_dump() for name, entry in subgraphs.items()},
    }
    identity = hashlib.sha256(json.dumps(core, sort_keys=True).encode()).hexdigest()
    kind = Manifest if batch == 1 else BatchManifest
    manifest = kind(
        **core,
        id=identity,
        files={n: sha256(folder / n) for n in sorted(files)},
        versions=versions,
        int8=Int8Bound(limit=PAIR_LIMIT, pair_sums=pair_sums) if pair_sums else Int8Bound(),
        engines={
            t: {n: _engine_entry(e, folder) for n, e in own.items()}
            for t, own in (engines or {}).items()
        },
    )
    with atomic_file(folder / MANIFEST) as temporary:
        temporary.write_text(seal(manifest.to_json()))
    return identity


def _tensor(tensor: TensorSpec, info: ModelInfo) -> TensorEntry:
    shape = list(tensor.resolve(info.sizes))
    return TensorEntry(name=tensor.name, dtype=tensor.dtype, shape=shape)


def _engine_entry(engine: EngineFile, folder: Path) -> EngineEntry:
    return EngineEntry(
        file=engine.path.relative_to(folder).as_posix(),
        sha256=sha256(engine.path),
        library=engine.library,
        status=engine.status,
        layers=engine.layers,
    )
