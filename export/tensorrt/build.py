"""Builds one TensorRT engine in a process of its own.

Run `python -m mapt.export.tensorrt.build` with the job as JSON on stdin.

TensorRT ends the whole process over some graphs, and after other engines some come out with other
bytes; so each has a process. Reads {"graph": path, "target": "sm86", "out": path, "timing_cache":
path or null}, without a graph only asks what can be built; prints one JSON line. The same code
drives `tensorrt` (10.12 and newer, on the GPU that it will run on) and `tensorrt_rtx` (for any of
its targets, without a GPU).
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mapt.runtime.backends.tensorrt_library import (
    RTX_TARGETS,
    device_target,
    load_library,
    versioned,
)


class Library:
    """A TensorRT library in this process, and the objects that engines share."""

    def __init__(self) -> None:
        self.trt, self.name = load_library()
        self.logger = self.trt.Logger(self.trt.Logger.ERROR)

    @property
    def version(self) -> str:
        """Name and version, as the manifest has it."""
        return versioned(self.trt, self.name)

    def parse(self, path: Path) -> tuple[Any, Any]:
        """A builder and the strongly typed network of an ONNX file.

        Raises:
            ValueError: TensorRT does not know an operator or refuses its types.
        """
        trt = self.trt
        builder = trt.Builder(self.logger)
        typed = getattr(
            trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None
        )  # always so from TensorRT 11 on
        network = builder.create_network(0 if typed is None else 1 << int(typed))
        parser = trt.OnnxParser(network, self.logger)
        if not parser.parse(path.read_bytes()):
            errors = [parser.get_error(i) for i in range(parser.num_errors)]
            where = (
                f"node {errors[0].node_name()} ({errors[0].node_operator()})"
                if errors
                else "the file"
            )
            raise ValueError(
                f"cannot parse {where}: {errors[0].desc() if errors else 'no reason given'}"
            )
        return builder, network

    def build(
        self, path: Path, target: str, cache: bytes
    ) -> tuple[bytes, dict[str, dict[str, int]], bytes]:
        """Build an engine for `target`, such as "sm86".

        The result holds the engine, the layer types of the parsed network, and the updated timing
        cache.

        Raises:
            ValueError: the graph does not parse or does not build.
        """
        builder, network = self.parse(path)
        config = builder.create_builder_config()
        if self.name == "tensorrt_rtx":
            config.num_compute_capabilities = 1
            config.set_compute_capability(getattr(self.trt.ComputeCapability, target.upper()), 0)
        timing = config.create_timing_cache(cache)
        config.set_timing_cache(timing, False)
        engine = builder.build_serialized_network(network, config)
        if engine is None:
            raise ValueError(f"does not build for {target}; the log above says why")
        return bytes(engine), layer_types(network), bytes(timing.serialize())

    def targets(self) -> tuple[str, ...]:
        """List the GPU generations that this library builds for.

        TensorRT-RTX builds for all that it supports, TensorRT only for the GPU that is present.

        Raises:
            ValueError: `tensorrt` without a GPU.
        """
        if self.name == "tensorrt_rtx":
            return tuple(t for t in RTX_TARGETS if hasattr(self.trt.ComputeCapability, t.upper()))
        try:
            return (device_target(),)
        except ValueError as error:
            raise ValueError(f"{error}; TensorRT-RTX builds without one") from None


def layer_types(network: Any) -> dict[str, dict[str, int]]:
    """Count the layers of the parsed network by kind and output type."""
    kinds: dict[str, Counter[str]] = {}
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        dtype = layer.get_output_type(0).name if layer.num_outputs else "none"
        kinds.setdefault(layer.type.name, Counter())[dtype] += 1
    return {kind: dict(sorted(counts.items())) for kind, counts in sorted(kinds.items())}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Return the library and its targets; also build an engine if the job has a graph."""
    library = Library()
    possible = library.targets()
    answer: dict[str, Any] = {"library": library.version, "targets": possible}
    if "graph" in job:
        cache_file = Path(job["timing_cache"]) if job["timing_cache"] else None
        cache = cache_file.read_bytes() if cache_file and cache_file.is_file() else b""
        engine, answer["layers"], cache = library.build(Path(job["graph"]), job["target"], cache)
        Path(job["out"]).write_bytes(engine)
        if cache_file:
            cache_file.write_bytes(cache)
    return answer


def main() -> int:
    """Do the job on standard input in a new thread.

    The memory of a new thread is laid out in the same way every time.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    job = json.loads(sys.stdin.read())
    with ThreadPoolExecutor(1) as pool:
        try:
            answer = pool.submit(work, job).result()
        except (ImportError, ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 3
    print(json.dumps(answer), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
