"""Builds the TensorRT engines of a bundle, and lists them for its manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx

from mapt.export.lowering.graph_rewriter import static_shapes
from mapt.export.lowering.matmul_free import remove_products
from mapt.export.tensorrt.engines import BuiltEngine, build_engines
from mapt.runtime.bundle.manifest import EngineFile


def list_engine_files(engines: list[BuiltEngine], folder: Path) -> dict[str, dict[str, EngineFile]]:
    """The manifest's entries, by target and subgraph."""
    entries: dict[str, dict[str, EngineFile]] = {}
    for engine in engines:
        entry = EngineFile(folder / engine.file, engine.library, "built", engine.layers)
        entries.setdefault(engine.target, {})[engine.subgraph] = entry
    return entries


def build_bundle_engines(
    scratch: Path,
    precisions: dict[str, str],
    folder: Path,
    targets: tuple[str, ...],
    timing_cache: Path | None,
    on_progress: Callable[[str], None],
) -> tuple[list[BuiltEngine], tuple[str, ...]]:
    """Build engines of the graphs in `scratch`.

    The engine of a graph in a lower precision may fail to build. It is then reported in a line.
    """
    engines = list[BuiltEngine]()
    lines = list[str]()

    def refused(name: str, reason: str) -> None:
        if precisions[name] == "fp32":
            raise RuntimeError(reason)
        lines.append(f"{precisions[name]} {reason}")

    for target in targets:
        sources = {name: scratch / f"{name}.onnx" for name in precisions}
        if target == "sm75":
            sources = {name: _for_turing(path) for name, path in sources.items()}
        engines += build_engines(
            sources, folder, target, timing_cache, lambda e: on_progress(e.file), refused
        )
    return engines, tuple(lines)


def _for_turing(path: Path) -> Path:
    model = onnx.load(path)
    remove_products(model, static_shapes(model))
    out = path.with_name(f"{path.stem}-sm75.onnx")
    onnx.save(model, out)
    return out
