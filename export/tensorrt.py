"""Engines of a bundle: asks child processes for them and says what came out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapt.errors import InputError

INSTALL = "install mapt[trt-rtx], which builds without a GPU, or mapt[trt] on a machine with one"


@dataclass(frozen=True)
class Engine:
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
    done: Callable[[Engine], None] | None = None,
) -> list[Engine]:
    """Build `engines/<target>/<subgraph>.engine` in a bundle's folder.

    Args:
        graphs: ONNX file of each subgraph, without operators that need a plugin.
        bundle: its folder.
        target: GPU generation.
        timing_cache: file that keeps TensorRT's measurements from engine to engine and run to run.
        done: called with each engine.

    Raises:
        RuntimeError: a graph does not parse or build, or TensorRT ended its process; a fault of this program.
    """
    (bundle / "engines" / target).mkdir(parents=True, exist_ok=True)
    engines = []
    for name, graph in graphs.items():
        file, start = f"engines/{target}/{name}.engine", time.monotonic()
        job = {"graph": str(graph), "target": target, "out": str(bundle / file)}
        answer = _ask({**job, "timing_cache": str(timing_cache) if timing_cache else None})
        if "error" in answer:
            raise RuntimeError(f"{name} for {target}: TensorRT {answer['error']}")
        engine = Engine(name, target, file, answer["library"], answer["layers"], time.monotonic() - start)
        engines.append(engine)
        if done:
            done(engine)
    return engines


def find_targets() -> tuple[str, tuple[str, ...]]:
    """TensorRT's name with its version, and the GPU generations that it builds for here.

    Raises:
        InputError: none is installed, or it needs a GPU that is not there.
    """
    answer = _ask({})
    if "error" in answer:
        raise InputError(f"no TensorRT here ({answer['error']}); {INSTALL}")
    return answer["library"], tuple(answer["targets"])


def _ask(job: dict[str, Any]) -> dict[str, Any]:
    """The child's answer, or {"error": its last words}."""
    command = [sys.executable, "-m", "mapt.export.tensorrt_build"]
    child = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)
    if child.returncode == 0:
        answer: dict[str, Any] = json.loads(child.stdout)
        return answer
    words = child.stderr.strip().splitlines() or [f"ended its process with code {child.returncode}"]
    reasons = [line for line in words if "[E]" in line] or words
    return {"error": words[-1].removeprefix("error: ") + (f" ({reasons[0]})" if reasons[0] != words[-1] else "")}
