"""Builds a bundle's engines in child processes and reports the results."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapt.errors import InputError
from mapt.runtime.backends.tensorrt_library import extras

PASSED_ON = ("PATH", "HOME", "LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_VISIBLE_DEVICES")


@dataclass(frozen=True)
class BuiltEngine:
    """One engine file.

    Attributes:
        subgraph: name.
        target: GPU generation, "sm86".
        file: relative to the bundle.
        library: what built it, and its version: only the same one loads it.
        layers: layers of the parsed network by kind and output type.
        seconds: that it took.
    """

    subgraph: str
    target: str
    file: str
    library: str
    layers: dict[str, dict[str, int]]
    seconds: float


def build_engines(
    graphs: dict[str, Path],
    bundle: Path,
    target: str,
    timing_cache: Path | None = None,
    on_progress: Callable[[BuiltEngine], None] | None = None,
    refused: Callable[[str, str], None] | None = None,
) -> list[BuiltEngine]:
    """Build `engines/<target>/<subgraph>.engine` in a bundle's folder.

    Args:
        graphs: ONNX file of each subgraph, without operators that need a plugin.
        bundle: its folder.
        target: GPU generation.
        timing_cache: file that keeps TensorRT's measurements from engine to engine and run to run.
        on_progress: called with each engine.
        refused: called with a subgraph that does not become an engine, and a line that says why;
            None: a fault.

    Raises:
        RuntimeError: without `refused`, a graph does not parse or build, or TensorRT ended its
            process; a fault of this program.
    """
    (bundle / "engines" / target).mkdir(parents=True, exist_ok=True)
    if timing_cache:
        timing_cache.parent.mkdir(parents=True, exist_ok=True)
    engines = []
    for name, graph in graphs.items():
        file = f"engines/{target}/{name}.engine"
        start = time.monotonic()
        answer = _build(graph, target, bundle / file, timing_cache)
        if "error" in answer:
            reason = f"{name} for {target}: TensorRT {answer['error']}"
            if not refused:
                raise RuntimeError(reason)
            refused(name, reason)
            continue
        engine = BuiltEngine(
            name, target, file, answer["library"], answer["layers"], time.monotonic() - start
        )
        engines.append(engine)
        if on_progress:
            on_progress(engine)
    return engines


def find_targets() -> tuple[str, tuple[str, ...]]:
    """TensorRT's name with its version, and the GPU generations that it builds for here.

    Raises:
        InputError: none is installed, or it needs a GPU that is not there.
    """
    answer = _ask({})
    if "error" in answer:
        raise InputError(f"no TensorRT here ({answer['error']}); install {extras()}")
    return answer["library"], tuple(answer["targets"])


def _build(graph: Path, target: str, out: Path, timing_cache: Path | None) -> dict[str, Any]:
    """Build an engine in a process and a folder of its own.

    So the job that the child process reads is the same every time.
    """
    with tempfile.TemporaryDirectory(prefix="mapt-") as name:
        folder = Path(name)
        (folder / "graph.onnx").symlink_to(graph.resolve())
        if timing_cache:
            (folder / "timing.cache").symlink_to(timing_cache.resolve())
        cache = "timing.cache" if timing_cache else None
        job = {"graph": "graph.onnx", "target": target, "out": "engine", "timing_cache": cache}
        answer = _ask(job, folder)
        if "error" not in answer:
            shutil.move(folder / "engine", out)
        return answer


def _ask(job: dict[str, Any], folder: Path | None = None) -> dict[str, Any]:
    """Return the child's answer, or {"error": the last line that it printed}.

    TensorRT writes some tables in the order of their addresses, which follow from all that the
    process has allocated before: the same bytes need the same environment, job and hash seed (and
    the thread that the child builds in).
    """
    command = [sys.executable, "-P", "-m", "mapt.export.tensorrt.build"]
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
        "PYTHONHASHSEED": "0"
    }
    child = subprocess.run(
        command,
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=env,
    )
    if child.returncode == 0:
        answer: dict[str, Any] = json.loads(child.stdout)
        return answer
    words = child.stderr.strip().splitlines() or [f"ended its process with code {child.returncode}"]
    reasons = [line for line in words if "[E]" in line] or words
    return {
        "error": (
            words[-1].removeprefix("error: ")
            + (f" ({reasons[0]})" if reasons[0] != words[-1] else "")
        )
    }
