"""Writes inputs from which the fuzzers start.

FOLDER/bundle gets parts of a bundle, each behind its target's number. FOLDER/tracker gets two
frames of a small camera whose network says random things: plain, recorded, and saved with damage.

Usage: python csrc/tests/fuzz/seeds.py BUNDLE FOLDER
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np

HEIGHT = 23  # of the camera's images
WIDTH = 31
OUTPUTS = 14_000  # bytes of about a frame's network outputs
TRACKER_KINDS = (0, 2, 3)  # of fuzz_tracker.cpp; 1 restores any bytes


def golden() -> bytes:
    """Return a small archive of the layout that the fuzzer reads."""
    out = io.BytesIO()
    image = np.arange(72, dtype=np.uint8).reshape(1, 4, 6, 3)
    np.savez_compressed(out, image=image, boxes=np.ones((2, 4), np.float32))
    return out.getvalue()


def frames(kind: int) -> bytes:
    """Return a run of `fuzz_tracker`: its kind, then images and network outputs."""
    rng = np.random.default_rng(kind)
    size = bytes([HEIGHT - 1, WIDTH - 1])
    steps = [size + rng.bytes(3 * HEIGHT * WIDTH) + rng.bytes(OUTPUTS) for _ in range(2)]
    return bytes([kind]) + b"".join(steps) + rng.bytes(64)


def main() -> None:
    """Write the seeds."""
    bundle = Path(sys.argv[1])
    tracker = Path(sys.argv[2]) / "tracker"
    tracker.mkdir(parents=True, exist_ok=True)
    for kind in TRACKER_KINDS:
        (tracker / f"frames-{kind}").write_bytes(frames(kind))
    out = Path(sys.argv[2]) / "bundle"
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest").write_bytes(b"\0" + (bundle / "manifest.json").read_bytes())
    for number, path in enumerate(sorted(bundle.rglob("*.onnx"))[:6]):
        for kind in (1, 2):
            (out / f"graph-{kind}-{number}").write_bytes(bytes([kind]) + path.read_bytes())
    (out / "golden").write_bytes(b"\3" + golden())


if __name__ == "__main__":
    main()
