"""Tracks with the native core on the stand-in of a GPU, in a process of its own, and tells of it.

Usage: python -m tests.runtime.native.on_gpu BUILD BUNDLE DEVICE[:BACKEND] [FAILING=RESULT...]. The
loader has to find the stand-ins in BUILD/standin. It prints JSON: "error", or "provider", "said",
"frames" (the digest of each), "states" (what was saved behind each), "logs" (what the GPU did in
each) and "alive" (what was left of it at the end). Each function of the driver that is named fails
in every frame but the first; as "open:FUNCTION" it fails from the start.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import json
import sys
from pathlib import Path
from typing import Any, cast

from mapt.errors import InputError
from mapt.runtime.backends.choice import BackendName
from mapt.runtime.backends.protocol import Device, Options
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.errors import StepError
from mapt.runtime.native import interface
from mapt.runtime.native import tracker as tracker_module
from mapt.runtime.native.tracker import NativeRequest, NativeTracker
from mapt.runtime.persistence.recording import digest
from mapt.synthetic import render_sequence

FRAMES = 4
PERIOD = 100_000_000  # ns


def run(build: Path, folder: Path, where: str, failing: dict[str, int]) -> dict[str, Any]:
    """Track, and return what is printed."""
    gpu = ctypes.CDLL("libcuda.so.1")
    gpu.standin_log.restype = ctypes.c_char_p
    library = interface.declare(ctypes.CDLL(str(build / "libmapt.so")))
    said: list[str] = []

    def say(_: object, line: bytes) -> None:
        said.append(line.decode())

    told = interface.Say(say)
    default = interface.options_of

    def options_of(found: ctypes.CDLL) -> interface.NativeOptions:
        options = default(found)
        options.say = told
        return options

    vars(interface)["options_of"] = options_of
    vars(tracker_module).update(
        load_library=lambda: library,
        find_onnxruntime=lambda: build / "standin" / "libonnxruntime.so",
    )
    for name, result in failing.items():
        if name.startswith("open:"):
            gpu.standin_fail(name.removeprefix("open:").encode(), result)
    bundle = read_bundle(folder)
    device, _, backend = where.partition(":")
    options = Options(1, cast("Device", device))
    wanted = cast("BackendName", backend or "auto")
    request = NativeRequest(folder, options, "full", None, None, True, wanted)
    try:
        tracker = NativeTracker(request, bundle.info, bundle.id)
    except InputError as error:
        return {"error": str(error), "said": said}
    out: dict[str, Any] = {"said": said, "frames": [], "states": [], "logs": []}
    out["provider"] = tracker.backend.providers["backbone"]
    out["opening"] = gpu.standin_log().decode().splitlines()
    for number, frame in enumerate(render_sequence(5, 0, FRAMES, (200, 500))):
        for name, result in failing.items():
            gpu.standin_fail(name.encode(), result if number else 0)
        try:
            out["frames"].append(digest(tracker.step(frame.image, number * PERIOD)))
        except StepError as error:
            out["frames"].append(f"{type(error).__name__}: {error}")
        out["logs"].append(gpu.standin_log().decode().splitlines())
        for name in failing:
            gpu.standin_fail(name.encode(), 0)
        out["states"].append(hashlib.sha256(tracker.save_state()).hexdigest())
        gpu.standin_log()
    tracker.restore_state(tracker.save_state())
    out["states"].append(hashlib.sha256(tracker.save_state()).hexdigest())
    del tracker
    gc.collect()
    out["alive"] = gpu.standin_alive()
    return out


def main() -> None:
    """Run what the command line says."""
    build, folder, where, *failing = sys.argv[1:]
    results = {name: int(result) for name, _, result in (text.partition("=") for text in failing)}
    print(json.dumps(run(Path(build), Path(folder), where, results)))


if __name__ == "__main__":
    main()
