"""TensorRT's engines, where it is installed: built and run here, beside the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mapt.bench.gpu.adapter import open_backend
from mapt.bench.gpu.checks.bundles import street
from mapt.bench.gpu.checks.ort import compare, judged, track
from mapt.bench.gpu.context import Context, Result
from mapt.export.bundle.writer import Request, export_bundle
from mapt.io.pretrained import shipped_weights
from mapt.runtime.backends.tensorrt import TensorrtBackend
from mapt.runtime.backends.tensorrt_library import device_target
from mapt.runtime.bundle.manifest import read_bundle


def engines(context: Context) -> Result:
    """Engines of `nano` for this GPU give the CPU's labels and ids."""
    folder = context.folder / "engines"
    made = export(context, folder)
    bundle = read_bundle(folder)
    images = list(street(context, 2 if context.small else 10))
    backend = TensorrtBackend(bundle)
    got = track(backend, images)
    found: dict[str, Any] = compare(track(open_backend(bundle, "cpu"), images), got)
    ms = sorted(f.timings_ms["frame"] for f in got)[len(got) // 2]
    line = f"{backend.machine.library}: {made} engines, {ms:.1f} ms a frame"
    return Result(line, {**found, "frame_ms": ms}, tuple(judged("engines", found, context)))


def export(context: Context, folder: Path) -> int:
    """Build engines for this GPU; how many.

    Raises:
        InputError: the library builds none for it.
    """
    request = Request(size=context.size(), lowering="gridsample", targets=(device_target(),))
    return len(export_bundle(shipped_weights(), folder, request).engines)
